"""Runs a few of the tests with an older Flink and with other Pythons, from one wheel: `make test-versions`.

    .venv/bin/python tests/support/versions.py [NAME ...]

The tests are those that are marked for it (`pyproject.toml` says how). Each version has an environment in
`build/versions`, which stays for the next time, and all ask one Triton. JUnit's tests of what relies on the inside of
Flink run with Flink 2.2, too, on the classes that were compiled against the newest Flink: those are the wheel's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from model_repository import MODELS
from places import ROOT, TESTS
from short_jobs import QUICK_JVM
from triton import serving

_BUILD = ROOT / "build"
_RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
#: What the tests need of the tests' own packages, in an environment that does not see them.
_TOOLS: tuple[str, ...] = ("pytest", "pytest-timeout")


@dataclass(frozen=True)
class Version:
    """A Flink and a Python to test with.

    Attributes:
        flink: PyFlink's version.
        markers: Which tests.
        python: CPython's version.
        junit: Which of JUnit's tests; none where it is empty.
    """

    flink: str
    markers: str = "short"
    python: str = _RUNNING
    junit: str = ""


#: JUnit's tests of the classes that rely on the inside of Flink, without those that take minutes.
_JUNIT = "AsyncDefaults,FlinkFunctions,FunctionLookup,JobFiles,MlPredict,ModelPlans,PlannerLoader,PlannerParts"
_JUNIT += ",PredictionInBatch,UnknownGenerator,UnknownPlanner"

VERSIONS = {
    "flink22": Version(
        "2.2.1", "short or flink22 or only_flink22", junit=",".join(f"{name}Test" for name in _JUNIT.split(","))
    ),
    "py310": Version("2.3.0", python="3.10"),
    "py312": Version("2.3.0", python="3.12"),
}


def find_python(version: str) -> Path | None:
    """A CPython that can make environments, on the PATH or pyenv's; None where there is none."""
    if version == _RUNNING:
        return Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    paths = [Path(on_path)] if on_path else []
    for path in [*paths, *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]:
        program = f"import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
        if subprocess.run([path, "-c", program], capture_output=True, check=False).returncode == 0:
            return path
    return None


def build_wheel() -> Path:
    """Build the wheel, with the jar that is compiled against the newest Flink."""
    directory = _BUILD / "wheel"
    shutil.rmtree(directory, ignore_errors=True)
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", directory, ROOT)
    (wheel,) = directory.glob("*.whl")
    return wheel


def install(name: str, python: Path, wheel: Path) -> Path:
    """Make the environment of a version, or take the one that is there, and install the wheel into it.

    Returns:
        Its Python.
    """
    version, directory = VERSIONS[name], _BUILD / "versions" / name
    made, stamp = directory / "bin" / "python", directory / "installed"
    wanted = hashlib.sha256(f"{version} {python} {_requirements(wheel)}".encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        _pip(made, "--no-deps", "--force-reinstall", wheel)
        return made
    shutil.rmtree(directory, ignore_errors=True)
    _run(python, "-m", "venv", directory)
    tools = _TOOLS
    if version.python == _RUNNING:
        _share_packages(directory)
        tools = ()
    _pip(made, wheel, f"apache-flink=={version.flink}", *tools)
    stamp.write_text(wanted)
    return made


def _share_packages(directory: Path) -> None:
    """Let an environment see the tests' own packages, without PyFlink and this one: it takes what is not there."""
    shared = directory / "packages_of_the_tests"
    shared.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(("pyflink", "apache_flink")):
            (shared / package.name).symlink_to(package)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(directory)}))
    (packages / "packages_of_the_tests.pth").write_text(f"{shared}\n")


def _requirements(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return "\n".join(line for line in archive.read(name).decode().splitlines() if line.startswith("Requires"))


def _pip(python: Path, *wanted: str | Path) -> None:
    _run(python, "-m", "pip", "install", "-qq", "--no-compile", "--disable-pip-version-check", *wanted)


def run_tests(python: Path, markers: str, url: str) -> bool:
    """Run the tests with these markers where the checkout is not in Python's path: the wheel is what is tested."""
    command: list[str | Path] = [python, "-m", "pytest", "-q", "-m", markers, "-p", "no:cacheprovider"]
    command += ["-o", "pythonpath=tests/support", "--rootdir", ROOT, "-c", ROOT / "pyproject.toml"]
    command += [path for path in sorted(TESTS.glob("*/test_*.py")) if "@pytest.mark.flink22\n" in path.read_text()]
    # For so few JVMs an archive of classes takes longer than it saves.
    environment = {"JVM_ARGS": QUICK_JVM, **os.environ, "PYFLINK_TRITON_TEST_SERVER": url}
    done = subprocess.run(
        command, cwd=python.parent.parent, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout)  # not what Beam says of its threads while Python ends
    return done.returncode == 0


def run_junit(version: Version) -> bool:
    """Run JUnit's tests on the classes that are compiled against the newest Flink, with another one beside them."""
    maven: list[str | Path] = ["mvn", "-q", "-B", "-f", ROOT / "java-shim" / "pom.xml"]
    _run(*maven, "test-compile")
    command = [*maven, f"-Dflink.version={version.flink}", f"-Dtest={version.junit}", "surefire:test"]
    return subprocess.run(command, check=False).returncode == 0


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def main(names: Sequence[str]) -> int:
    """Run what is asked for; 1 where a test failed."""
    pythons = {name: find_python(VERSIONS[name].python) for name in names}
    wheel = build_wheel()
    lines, is_good = [], True
    with (
        ThreadPoolExecutor() as installing,
        tempfile.TemporaryDirectory() as directory,
        serving(Path(directory), MODELS) as triton,
    ):
        installed: dict[str, Future[Path]] = {
            name: installing.submit(install, name, python, wheel) for name, python in pythons.items() if python
        }
        for name in names:
            version, begun = VERSIONS[name], time.monotonic()
            what = f"{name} (Flink {version.flink}, CPython {version.python})"
            if name not in installed:
                lines.append(f"{what}: not run, because this machine has no CPython {version.python} with venv")
                continue
            passed = run_tests(installed[name].result(), version.markers, triton.http_url)
            passed &= not version.junit or run_junit(version)
            is_good &= passed
            lines.append(f"{what}: {'passed' if passed else 'FAILED'} in {time.monotonic() - begun:.0f} s")
    print("\n".join(lines))
    return 0 if is_good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"by default all: {', '.join(VERSIONS)}")
    sys.exit(main(parser.parse_args().names or list(VERSIONS)))
