"""Java classes of the tests that Flink finds as its services: compiled when they are wanted."""

from __future__ import annotations

import subprocess
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path


def flink_libraries() -> Path:
    """The directory of the installed Flink's jars."""
    pyflink = find_spec("pyflink")
    assert pyflink is not None
    assert pyflink.origin is not None
    return Path(pyflink.origin).parent / "lib"


def compile_service(source: Path, interface: str, jar: Path) -> None:
    """Compile a class against the installed Flink into a jar, and declare it there to Java's ServiceLoader.

    Args:
        source: Its file, in no package.
        interface: The interface's full name.
        jar: The jar to write.
    """
    with tempfile.TemporaryDirectory() as made, zipfile.ZipFile(jar, "w") as archive:
        command = ["javac", "-d", made, "-cp", f"{flink_libraries()}/*", "--release", "11", str(source)]
        subprocess.run(command, check=True, timeout=60)
        for path in Path(made).glob("*.class"):
            archive.write(path, path.name)
        archive.writestr(f"META-INF/services/{interface}", source.stem)
