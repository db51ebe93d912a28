"""The wheel of this checkout, installed; and the workers that run in a Python that has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path

from cluster import clean_environment
from places import ROOT


@dataclass(frozen=True)
class Installed:
    """A Python that has the wheel.

    Attributes:
        sdist: The sdist.
        wheel: The wheel that was built from the sdist.
        python: The Python.
        jar: The wheel's shim jar, where it was installed.
        archive: The Python's environment, packed: `bin/python` in it runs wherever it is unpacked.
    """

    sdist: Path
    wheel: Path
    python: Path
    jar: Path
    archive: Path


@dataclass(frozen=True)
class Worker:
    """A worker that runs.

    Attributes:
        python: The Python that it was started with.
        parent: The process id of its parent.
    """

    python: Path
    parent: int


@dataclass
class Sightings:
    """The workers that were there at some moment while a job ran.

    Attributes:
        under: The directory that holds their Pythons: others' workers are none of ours.
        seen: They.
    """

    under: Path
    seen: set[Worker] = field(default_factory=set)
    _next_look: float = 0

    def look(self) -> list[Worker]:
        """Note the workers that run now, and return them; none for a tenth of a second after the last look."""
        if time.monotonic() < self._next_look:
            return []  # looking costs more than the job would like
        now = list(workers(self.under).values())
        self.seen.update(now)
        self._next_look = time.monotonic() + 0.1
        return now

    def parents(self) -> set[int]:
        return {worker.parent for worker in self.seen}


def workers(under: Path) -> dict[int, Worker]:
    """The workers that run now in a Python under a directory, planning ones too, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                python = Path(os.fsdecode(command[0]))
                if b"pyflink_triton.bridge" in command and python.is_relative_to(under):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    found[int(entry.name)] = Worker(python, parent)
            except OSError:
                continue  # it ended meanwhile
    return found


def install(directory: Path) -> Installed:
    """Build sdist and wheel, and install the wheel into an environment that sees the tests' other packages."""
    checkout = copy_of_the_checkout(directory)
    run(checkout, sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(directory))
    (sdist,) = directory.glob("*.tar.gz")
    wheel = build_wheel(sdist, directory)
    python = bare_python(directory / "environment")
    # Before the other packages can be seen: among them pip would find this one, and leave the wheel out.
    pip(directory, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    environment = python.parent.parent
    purelib = sysconfig.get_path("purelib", vars={"base": str(environment)})
    (Path(purelib) / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    jar = Path(run(directory, environment / "bin" / "pyflink-triton", "jar").strip())
    archive = directory / "environment.tar.gz"
    run(directory, "tar", "-czf", archive, "-C", environment, ".")
    return Installed(sdist, wheel, python, jar, archive)


def copy_of_the_checkout(directory: Path) -> Path:
    """Copy it, because a build replaces the jar in pyflink_triton/lib, and other tests' sessions read that."""
    ignored = shutil.ignore_patterns(".git", ".venv", "build", ".*_cache", "__pycache__")
    return Path(shutil.copytree(ROOT, directory / "checkout", ignore=ignored))


def build_wheel(source: Path, directory: Path) -> Path:
    """Build the wheel of an sdist or a checkout."""
    pip(directory, "wheel", "--no-deps", "--no-build-isolation", "-w", str(directory), str(source))
    (wheel,) = directory.glob("*.whl")
    return wheel


def bare_python(environment: Path) -> Path:
    """Make an environment without any package and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    return environment / "bin" / "python"


def pip(directory: Path, *arguments: str) -> str:
    return run(directory, sys.executable, "-m", "pip", "-q", *arguments)


def run(directory: Path, program: str | Path, *arguments: str | Path) -> str:
    """Run a program that has to succeed, where no checkout is on its path; return what it printed."""
    done = subprocess.run(
        [program, *arguments],
        cwd=directory,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{program} {arguments} ended with {done.returncode} and printed\n{done.stdout}"
    return done.stdout
