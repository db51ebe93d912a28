"""The JVM of the Flink jobs: its class path has the benchmark's source, sink and functions that do nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyflink
from pyflink.java_gateway import get_gateway

_SOURCES = Path(__file__).parent / "java"
_JAR = "bench.jar"
FLINK_JARS = Path(pyflink.__file__).parent / "lib"


def start(directory: Path) -> None:
    """Compile the benchmark's Java code, and put it on the class path of the JVM that PyFlink will start.

    A process finds there what the one that started it has compiled.

    Args:
        directory: Where to.
    """
    class_path = os.environ.get("HADOOP_CLASSPATH", "")
    if Path(class_path.rpartition(":")[2]).name == _JAR:
        return
    jar = directory / _JAR
    compile_jar(jar, sorted(_SOURCES.glob("*/*.java")), [])
    subprocess.run(["jar", "uf", jar, "-C", _SOURCES, "META-INF"], check=True)
    # Flink's own way to add to its class path. Only there can one object be seen by all jobs and from here.
    os.environ["HADOOP_CLASSPATH"] = f"{class_path}:{jar}".lstrip(":")


def compile_jar(jar: Path, sources: Sequence[Path], class_path: Sequence[Path]) -> None:
    """Compile Java code against Flink, and pack it.

    Args:
        jar: The jar to make.
        sources: The files.
        class_path: More jars.
    """
    classes = jar.with_suffix(".classes")
    path = ":".join(map(str, [*class_path, *FLINK_JARS.glob("*.jar")]))
    command: list[str | Path] = ["javac", "-nowarn", "-proc:none", "-cp", path, "-d", classes, *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"javac could not compile {jar.stem}: {done.stderr[-2000:]}")
    subprocess.run(["jar", "cf", jar, "-C", classes, "."], check=True)


def tally() -> Any:
    """The object that the source and the sink of a job write to."""
    return get_gateway().jvm.bench.Tally


def report() -> dict[str, Any]:
    """What the last job did."""
    read: dict[str, Any] = json.loads(tally().report())
    return read


def pid() -> int:
    """The JVM's process."""
    return int(get_gateway().jvm.ProcessHandle.current().pid())


def version() -> str:
    """The JVM's version."""
    return str(get_gateway().jvm.System.getProperty("java.version"))


def unwrap_class_loader() -> None:
    """Take the class loaders of earlier sessions off this thread.

    PyFlink wraps another one around the last for each session; a session would find the jars of all before it.
    """
    thread = get_gateway().jvm.Thread.currentThread()
    loader = thread.getContextClassLoader()
    while loader.getClass().getName() == "java.net.URLClassLoader":
        loader = loader.getParent()
    thread.setContextClassLoader(loader)
