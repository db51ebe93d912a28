"""What another Python says of itself: its version, this package's, and those of what it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

#: What a worker gets of the environment, as the jar passes it on.
_PASSED = re.compile(
    r"(PATH|LD_LIBRARY_PATH|LANG|LANGUAGE|TZ|SSL_CERT_FILE|SSL_CERT_DIR|LC_.*|PYTHON.*|PYFLINK_TRITON_.*)"
)
_SECONDS = 60.0
_PACKAGE = "pyflink-triton"
#: Imports what a worker imports, and tells what it found.
_TELL = """
import json, sys
told = {"python": "%d.%d" % sys.version_info[:2], "executable": sys.executable}
try:
    from importlib import metadata
    import pyflink_triton
    told["package"], told["where"] = pyflink_triton.__version__, pyflink_triton.__file__
    try:
        told["requires"] = metadata.requires("pyflink-triton") or []
    except metadata.PackageNotFoundError:  # it was not installed by pip
        told["requires"] = []
    names = [each.split(";")[0].strip() for each in told["requires"] if "extra ==" not in each]
    told["versions"] = {}
    import re
    for name in (re.match("[A-Za-z0-9._-]+", each).group() for each in names):
        try:
            told["versions"][name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            told["versions"][name] = None
    import pyflink_triton.bridge.worker
except Exception as error:
    told["problem"] = "%s: %s" % (type(error).__name__, error)
print("\\n" + json.dumps(told))
"""


@dataclass(frozen=True)
class Interpreter:
    """What a Python told.

    Attributes:
        python: Its version, as ``3.11``.
        package: The version of this package in it; None where it has none.
        where: The package's file.
        requires: What the package needs, as pip takes it.
        versions: The version of each package that is needed; None for one that is not there.
        problem: Why a worker cannot start in it; empty where it can.
    """

    python: str
    package: str | None
    where: str
    requires: Sequence[str]
    versions: Mapping[str, str | None]
    problem: str


class NotStarted(Exception):
    """A Python cannot be started, or told nothing."""


def ask(python: str) -> Interpreter:
    """Start a Python as the jar starts a worker, and ask it.

    Args:
        python: Its program: a path, or a name in `PATH`.

    Raises:
        NotStarted: It cannot be started, or it told nothing.
    """
    passed = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    program = str(Path(python).absolute()) if os.sep in python else python
    try:
        done = subprocess.run(
            [program, "-c", _TELL], capture_output=True, text=True, timeout=_SECONDS, cwd="/", env=passed, check=False
        )
    except OSError as error:
        raise NotStarted(error.strerror or str(error)) from None
    except subprocess.TimeoutExpired:
        raise NotStarted(f"it told nothing within {_SECONDS:g} s") from None
    try:
        return _read(json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, IndexError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise NotStarted(f"it ended with code {done.returncode}: {last}") from None


def _read(told: Mapping[str, Any]) -> Interpreter:
    more = (str(told.get("where", "")), told.get("requires", ()), told.get("versions", {}), told.get("problem", ""))
    return Interpreter(told["python"], told.get("package"), *more)


def needed(package: str) -> str:
    """What this package needs of another, as pip takes it; empty where it was not installed by pip.

    Args:
        package: The other's name.
    """
    try:
        return next((each for each in metadata.requires(_PACKAGE) or () if each.startswith(package)), "")
    except metadata.PackageNotFoundError:
        return ""


def needed_python() -> str:
    """Which CPython this package runs in; empty where it was not installed by pip."""
    try:
        return metadata.metadata(_PACKAGE)["Requires-Python"]
    except metadata.PackageNotFoundError:
        return ""


def outside(version: str, requirement: str) -> bool:
    """Whether a version is not what a requirement such as ``pyarrow<21,>=14`` allows; bounds are all that is read.

    Args:
        version: The version.
        requirement: The requirement, as a package's metadata has it.
    """
    own = _numbers(version)
    for operator, bound in re.findall(r"(>=|<=|<|>)\s*([\d.]+)", requirement.partition(";")[0]):
        other = _numbers(bound)
        length = max(len(own), len(other))
        first, second = (each + (0,) * (length - len(each)) for each in (own, other))
        if not {">=": first >= second, "<=": first <= second, "<": first < second, ">": first > second}[operator]:
            return True
    return False


def bounds(requirement: str) -> str:
    """The bounds of a requirement, the lower one first.

    Args:
        requirement: The requirement, as a package's metadata has it.
    """
    return ", ".join(sorted(re.findall(r"[<>]=?[\d.]+", requirement), reverse=True))


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


@contextmanager
def unpacked(archive: Path | None, python: str) -> Iterator[str]:
    """The path of a Python in an archive, which is unpacked for as long as it is looked at.

    Args:
        archive: The archive; None where the Python is in none.
        python: Its path in the archive.

    Raises:
        NotStarted: The archive cannot be unpacked.
    """
    if archive is None:
        yield python
        return
    with tempfile.TemporaryDirectory(prefix="pyflink-triton-doctor-") as directory:
        try:
            _unpack(archive, Path(directory))
        except (OSError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise NotStarted(f"the archive {archive} cannot be unpacked: {error}") from None
        # Flink calls the directory that it unpacks to by the archive's name.
        inside = python.removeprefix(f"{archive.name}/")
        yield str(Path(directory) / inside)


def _unpack(archive: Path, directory: Path) -> None:
    if not zipfile.is_zipfile(archive):
        with tarfile.open(archive) as tar:
            # No entry may lie outside; the newest Pythons alone have this filter.
            tar.extraction_filter = getattr(tarfile, "tar_filter", lambda member, path: member)
            tar.extractall(directory)
        return
    with zipfile.ZipFile(archive) as found:
        for entry in found.infolist():
            path = Path(found.extract(entry, directory))
            mode = entry.external_attr >> 16
            if mode and not entry.is_dir():  # the programs are programs again
                path.chmod(mode & 0o777)
