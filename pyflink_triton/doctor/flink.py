"""Where a Flink is, which version it has, and which jars its class path begins with."""

from __future__ import annotations

import importlib.util
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyflink_triton.doctor.subject import Subject

_PROPERTIES = "pyflink-triton.properties"
_PACKAGE = "io/github/pyflinktriton/"
_MODULE = re.compile(r"flink-model-triton-.*\.jar")
_DIST = re.compile(r"flink-dist-(\d[\w.-]*)\.jar")
_NAMES = ("config.yaml", "flink-conf.yaml")


@dataclass(frozen=True)
class ShimJar:
    """A jar of this project.

    Attributes:
        path: Where it is.
        version: Its version; None where it does not say.
    """

    path: Path
    version: str | None


def home_of(subject: Subject) -> Path | None:
    """The directory of the Flink that a session would use; None where there is none."""
    if subject.flink_home is not None:
        return subject.flink_home
    if os.environ.get("FLINK_HOME"):
        return Path(os.environ["FLINK_HOME"])
    found = importlib.util.find_spec("pyflink")
    return None if found is None or found.origin is None else Path(found.origin).parent


def version_of(home: Path) -> str | None:
    """A Flink's version, as its own jar is named."""
    found = (_DIST.fullmatch(path.name) for path in sorted((home / "lib").glob("flink-dist-*.jar")))
    return next((match[1] for match in found if match), None)


def shim_jars(home: Path) -> list[ShimJar]:
    """The jars of this project among those that every process of a Flink loads."""
    found = (read_jar(path) for path in sorted((home / "lib").glob("*.jar")))
    return [jar for jar in found if jar is not None]


def other_modules(home: Path) -> list[Path]:
    """The jars of Flink's own module for Triton."""
    return [path for path in sorted((home / "lib").glob("*.jar")) if _MODULE.fullmatch(path.name)]


def read_jar(path: Path) -> ShimJar | None:
    """A jar with its version; None where it is not of this project, or is no jar."""
    try:
        with zipfile.ZipFile(path) as jar:
            names = jar.namelist()
            if _PROPERTIES in names:
                lines = jar.read(_PROPERTIES).decode().splitlines()
                return ShimJar(path, dict(line.split("=", 1) for line in lines if "=" in line).get("version"))
            return ShimJar(path, None) if any(name.startswith(_PACKAGE) for name in names) else None
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError):
        return None


def configuration(home: Path) -> Mapping[str, str]:
    """The keys of a Flink's configuration, as far as they are texts, flat or nested."""
    path = next((path for path in (home / "conf" / name for name in _NAMES) if path.is_file()), None)
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in [] if path is None else path.read_text(errors="replace").splitlines():
        match = re.fullmatch(r"( *)([\w.-]+)\s*:\s*(.*?)\s*(?:\s#.*)?", line)
        if match is None:
            continue
        indent, key, value = len(match[1]), match[2], match[3].strip("'\"")
        above = [entry for entry in above if entry[0] < indent]
        if value:
            found[".".join([*(name for _, name in above), key])] = value
        else:
            above.append((indent, key))
    return found
