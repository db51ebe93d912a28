"""Flink's own Java module for Triton, newest on Maven Central, with what keeps it from running repaired in a copy."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

from benchmarks import jvm

VERSION = "2.3.0"
REPAIRS = (
    (
        "AbstractTritonModelFunction.java",
        "expectedType != null && !expectedType.equals(",
        "expectedType == null || expectedType.equals(",
        "its check of column types was inverted",
    ),
    (
        "TritonInferenceModelFunction.java",
        "private final ByteArrayOutputStream compressionBuffer = new ByteArrayOutputStream(1024);",
        "private static final ByteArrayOutputStream compressionBuffer = new ByteArrayOutputStream(1024);",
        "its function held a buffer that cannot be serialized",
    ),
)
#: The published jar has its Jackson under another name than the published source.
_JACKSON = ("com.fasterxml.jackson", "org.apache.flink.model.triton.com.fasterxml.jackson")


def repaired_jar(directory: Path) -> tuple[Path, str]:
    """Fetch the module by Maven, and repair a copy.

    Args:
        directory: Where to.

    Returns:
        The jar, and what was repaired.

    Raises:
        RuntimeError: It cannot be fetched, or its source is not the one that is known.
    """
    published = fetch(directory, "jar")
    with zipfile.ZipFile(fetch(directory, "sources")) as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        sources = []
        for file, wrong, right, _ in REPAIRS:
            text = archive.read(names[file]).decode()
            if text.count(wrong) != 1:
                raise RuntimeError(f"flink-model-triton {VERSION}: {file} is not the source that is known")
            source = directory / file
            source.write_text(text.replace(wrong, right).replace(*_JACKSON))
            sources.append(source)
    repaired = directory / "repaired.jar"
    jvm.compile_jar(repaired, sources, [published])
    jar = directory / f"flink-model-triton-{VERSION}-repaired.jar"
    jar.write_bytes(published.read_bytes())
    subprocess.run(["jar", "uf", jar, "-C", repaired.with_suffix(".classes"), "."], check=True)
    return jar, f"flink-model-triton {VERSION}, repaired in a copy: " + "; ".join(each[3] for each in REPAIRS)


def fetch(directory: Path, kind: str) -> Path:
    """Fetch a file of the module by Maven.

    Args:
        directory: Where to.
        kind: ``jar`` or ``sources``.

    Raises:
        RuntimeError: It cannot be fetched.
    """
    classifier = "" if kind == "jar" else f":{kind}"
    artifact = f"org.apache.flink:flink-model-triton:{VERSION}:jar{classifier}"
    command = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={directory}"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
        raise RuntimeError(f"Maven could not fetch {artifact}: {said.strip()[:300]}")
    return directory / f"flink-model-triton-{VERSION}{'' if kind == 'jar' else '-sources'}.jar"
