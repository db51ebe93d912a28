"""Java classes of the tests that Flink finds as its services: compiled when they are wanted."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path


def compile_service(source: Path, interface: str, classes: Path) -> None:
    """Compile a class against the installed Flink, and declare it to Java's ServiceLoader.

    Args:
        source: Its file, in no package.
        interface: The interface's full name.
        classes: The root of a class path to write to.
    """
    pyflink = find_spec("pyflink")
    assert pyflink is not None
    assert pyflink.origin is not None
    libraries = Path(pyflink.origin).parent / "lib"
    command = ["javac", "-d", str(classes), "-cp", f"{libraries}/*", "--release", "11", str(source)]
    subprocess.run(command, check=True, timeout=60)
    services = classes / "META-INF" / "services"
    services.mkdir(parents=True)
    (services / interface).write_text(source.stem)
