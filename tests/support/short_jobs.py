"""What makes JVMs of few short local jobs quick. A job's own path through Flink is the same with it and without."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from java_services import compile_service, flink_libraries
from places import SUPPORT

from pyflink_triton.server.cache import cache_directory, make_once

_SHARED_RPC = SUPPORT / "rpc" / "SharedRpcSystem.java"
_WARM_UP = SUPPORT / "warm_up.py"
# Jobs this short never warm up, and without the optimizing compiler each takes a third less time. Java's own caches
# keep the classes of a job softly, and of thousands of jobs that is more than 10 GB: no soft reference is kept. A
# collector with threads of its own takes a tenth more.
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:SoftRefLRUPolicyMSPerMB=0 -XX:+UseSerialGC"


def prepare_short_jobs() -> None:
    """Set the environment for the JVMs that PyFlink starts, before the first starts.

    Each local job has a cluster of its own, and Flink loads the classes of its RPC system for each anew: three quarters
    of a short job's time. They are loaded once here. And a JVM takes the classes that a first job needs from an archive
    of them: a third less of the CPU until its answer. Where `JVM_ARGS` is set, it stays as it is.
    """
    jars = sorted(flink_libraries().parent.glob("*/*.jar"))
    directory = cache_directory() / f"short-jobs-{_digest([_SHARED_RPC, _WARM_UP], jars)}"
    interface = "org.apache.flink.runtime.rpc.RpcSystemLoader"
    make_once(directory, "for tests", lambda partial: compile_service(_SHARED_RPC, interface, partial / "rpc.jar"))
    # The one place where PyFlink takes more classes from.
    os.environ.setdefault("HADOOP_CLASSPATH", str(directory / "rpc.jar"))
    if "JVM_ARGS" not in os.environ:
        make_once(directory / "classes", "for tests", _archive)
        # Another class path than the archive's is no fault, and the JVM is not to print a warning of it.
        archive = f"-Xlog:disable -XX:SharedArchiveFile={directory / 'classes' / 'classes.jsa'}"
        os.environ["JVM_ARGS"] = f"{QUICK_JVM} {archive}"


def quick_jvms() -> dict[str, str]:
    """What `prepare_short_jobs` has set, for a program with an environment of its own; in the soak it sets nothing."""
    return {name: os.environ[name] for name in ("JVM_ARGS", "HADOOP_CLASSPATH") if name in os.environ}


def _archive(directory: Path) -> None:
    """Let a small job run in a JVM that writes at its end which classes it has loaded.

    A JVM that cannot, as with a directory of Hadoop's on the class path, is no fault: others do without the archive.
    """
    options = f"{QUICK_JVM} -Xlog:disable -XX:ArchiveClassesAtExit={directory / 'classes.jsa'}"
    environment = {**os.environ, "JVM_ARGS": options}
    subprocess.run([sys.executable, _WARM_UP], env=environment, check=False, timeout=300, capture_output=True)


def _digest(sources: Iterable[Path], jars: Iterable[Path]) -> str:
    """What the archive depends on: a JVM takes it for the very same files alone."""
    written = [source.read_bytes().decode() for source in sources]
    written += [f"{jar} {jar.stat().st_mtime_ns}" for jar in jars]
    return f"{crc32(chr(0).join(written).encode()):08x}"
