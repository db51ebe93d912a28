"""The installed wheel on a real standalone cluster: `flink run -py`, and the SQL client with the shim jar alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cluster import Cluster, Finished, clean_environment, standalone_cluster
from flink_session import read_lines
from triton import Triton
from waiting import wait_for

from pyflink_triton.server import TritonServer

ROOT = Path(__file__).resolve().parent.parent
DIGITS = ROOT / "examples" / "digits.py"
TIMES = 3
IMAGES = 899 * TIMES
EXPECTED_ACCURACY = 0.93
ROWS = 2000

#: What each script begins with. In batch Flink itself would choose one task for so few rows.
SETTINGS = """
SET 'execution.runtime-mode' = '{mode}';
SET 'parallelism.default' = '2';
SET 'execution.batch.adaptive.auto-parallelism.enabled' = 'false';
SET 'table.dml-sync' = 'true';
SET 'python.client.executable' = '{planning}';
SET 'python.executable' = '{task}';
"""
STATEMENTS = """
CREATE TABLE numbers (x BIGINT) WITH (
  'connector' = 'datagen', 'number-of-rows' = '{rows}',
  'fields.x.kind' = 'sequence', 'fields.x.start' = '1', 'fields.x.end' = '{rows}'
);
CREATE TABLE answers (x BIGINT, y BIGINT) WITH ('connector' = 'filesystem', 'path' = '{answers}', 'format' = 'csv');
CREATE MODEL pairing
INPUT (x BIGINT)
OUTPUT (y BIGINT)
WITH ('provider' = 'triton', 'endpoint' = '{endpoint}', 'model-name' = 'pairing'{option});
INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE numbers, MODEL pairing, DESCRIPTOR(x));
"""


@dataclass(frozen=True)
class Installed:
    """A Python that has the wheel.

    Attributes:
        wheel: The wheel.
        python: The Python.
        jar: The wheel's shim jar, where it was installed.
    """

    wheel: Path
    python: Path
    jar: Path

    def workers(self) -> dict[int, int]:
        """The workers that run in this Python, planning ones too: the process id, and its parent's."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                    if command[0] == os.fsencode(self.python) and b"pyflink_triton.bridge" in command:
                        found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue  # it ended meanwhile
        return found


@dataclass
class Sightings:
    """Whose children the workers were while a client ran."""

    installed: Installed
    parents: set[int] = field(default_factory=set)

    def look(self) -> None:
        self.parents |= set(self.installed.workers().values())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of this checkout, in an environment that sees the other packages of the tests' own."""
    directory = tmp_path_factory.mktemp("wheel")
    # A copy, for the build replaces the jar in pyflink_triton/lib, and other tests' sessions read that.
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__")
    checkout = shutil.copytree(ROOT, directory / "checkout", ignore=ignored)
    pip(directory, "wheel", "--no-deps", "-w", str(directory), str(checkout))
    (wheel,) = directory.glob("*.whl")
    environment = directory / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    # Before the other packages can be seen: among them pip would find this one, and leave the wheel out.
    pip(directory, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    purelib = sysconfig.get_path("purelib", vars={"base": str(environment)})
    (Path(purelib) / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    jar = Path(run(directory, environment / "bin" / "pyflink-triton", "jar").strip())
    return Installed(wheel, python, jar)


@pytest.fixture(scope="module")
def python_without_the_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    return environment / "bin" / "python"


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with standalone_cluster(tmp_path_factory.mktemp("flink") / "home") as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def no_worker_is_left(installed: Installed) -> Iterator[None]:
    """Those of the tasks end with the job, the planning one with the client."""
    yield
    wait_for(lambda: not installed.workers(), 5, "the end of all workers")


@pytest.fixture(scope="module")
def digits(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The images of the example, and the URL of a Triton that serves its model."""
    directory = tmp_path_factory.mktemp("digits")
    run(directory, installed.python, DIGITS, "--prepare", str(directory), "--times", str(TIMES))
    with TritonServer(directory / "models") as server:
        yield directory / "images", server.http_url


def test_the_wheel_holds_the_package_and_one_jar(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = wheel.namelist()
    assert len([name for name in names if name.endswith(".jar")]) == 1
    assert "pyflink_triton/py.typed" in names
    assert {re.sub(r"-.*\.dist-info$", "", name.split("/")[0]) for name in names} == {"pyflink_triton"}
    assert not [name for name in names if "test" in name]
    assert len(names) == len(set(names))


def test_the_installed_wheel_is_what_runs(installed: Installed, tmp_path: Path) -> None:
    site_packages = installed.python.parent.parent / "lib"
    imported = run(tmp_path, installed.python, "-c", "import pyflink_triton; print(pyflink_triton.__file__)").strip()
    assert Path(imported).is_relative_to(site_packages)
    assert installed.jar.is_relative_to(site_packages)
    assert installed.jar.is_file()


def test_no_task_manager_has_the_jar_of_flink_python(flink: Cluster) -> None:
    """Else the jobs below would not show that the shim jar is enough."""
    assert list((flink.home / "opt").glob("flink-python-*.jar")) != []
    assert list((flink.home / "lib").glob("*python*")) == []
    for process in flink.task_managers():
        assert b"flink-python" not in Path(f"/proc/{process}/cmdline").read_bytes()


def test_flink_run_py(flink: Cluster, installed: Installed, digits: tuple[Path, str], tmp_path: Path) -> None:
    images, endpoint = digits
    before = flink.jobs()
    sightings = Sightings(installed)
    python = str(installed.python)
    its_python = ["-pyclientexec", python, "-pyexec", python]
    its_arguments = ["--endpoint", endpoint, "--input", str(images), "--output", str(tmp_path / "predictions")]
    ended = flink.run(*its_python, "-p", "2", "-py", str(DIGITS), *its_arguments, meanwhile=sightings.look)
    assert ended.code == 0, ended.output
    assert flink.end_of(its_job(flink, before, ended)) == "FINISHED"
    rows = [json.loads(line) for line in read_lines(tmp_path / "predictions")]
    assert sorted(row["id"] for row in rows) == list(range(IMAGES))
    assert sum(row["digit"] == row["label"] for row in rows) / IMAGES >= EXPECTED_ACCURACY
    assert all(0 < row["confidence"] <= 1 for row in rows)
    assert sightings.parents >= flink.task_managers()


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_the_sql_client_with_the_shim_jar_alone(
    flink: Cluster, installed: Installed, triton: Triton, tmp_path: Path, mode: str
) -> None:
    before = flink.jobs()
    sightings = Sightings(installed)
    ended = predict(flink, installed, triton, tmp_path, mode=mode, sightings=sightings)
    job = its_job(flink, before, ended)
    assert flink.end_of(job) == "FINISHED", ended.output
    assert "[ERROR]" not in ended.output
    assert ended.code == 0
    assert sorted(tuple(map(int, line.split(","))) for line in read_lines(tmp_path / "answers")) == [
        (x, 3 * x + 1) for x in range(1, ROWS + 1)
    ]
    assert flink.records_read(job, "MLPredict") == [ROWS // 2, ROWS // 2]
    assert sightings.parents >= flink.task_managers()
    assert flink.shipped(job) == {installed.jar.stat().st_size}


def test_the_sql_client_shows_which_option_was_meant(
    flink: Cluster, installed: Installed, triton: Triton, tmp_path: Path
) -> None:
    before = flink.jobs()
    ended = predict(flink, installed, triton, tmp_path, option="warmup-timout")
    assert "[ERROR]" in ended.output
    assert "warmup-timout" in ended.output
    assert "Did you mean 'warmup-timeout'" in ended.output
    assert flink.jobs() == before


def test_a_worker_without_the_package_says_what_to_install_and_set(
    flink: Cluster, installed: Installed, triton: Triton, tmp_path: Path, python_without_the_package: Path
) -> None:
    before = flink.jobs()
    ended = predict(flink, installed, triton, tmp_path, task=python_without_the_package)
    job = its_job(flink, before, ended)
    assert flink.end_of(job) == "FAILED"
    for shown in (ended.output, flink.failure(job)):
        assert f"'{python_without_the_package} -m pyflink_triton.bridge'" in shown
        assert "No module named" in shown
        assert "pip install pyflink-triton" in shown
        assert "'python.executable'" in shown


def test_planning_without_the_package_says_what_to_install_and_set(
    flink: Cluster, installed: Installed, triton: Triton, tmp_path: Path, python_without_the_package: Path
) -> None:
    before = flink.jobs()
    ended = predict(flink, installed, triton, tmp_path, planning=python_without_the_package)
    assert flink.jobs() == before
    assert "No module named" in ended.output
    assert "pip install pyflink-triton" in ended.output
    assert "'python.client.executable'" in ended.output


def predict(
    flink: Cluster,
    installed: Installed,
    triton: Triton,
    directory: Path,
    *,
    mode: str = "streaming",
    planning: Path | None = None,
    task: Path | None = None,
    option: str = "",
    sightings: Sightings | None = None,
) -> Finished:
    """Run the script; a job's rows go to `directory / "answers"`."""
    settings = SETTINGS.format(mode=mode, planning=planning or installed.python, task=task or installed.python)
    statements = STATEMENTS.format(
        rows=ROWS,
        answers=(directory / "answers").as_uri(),
        endpoint=triton.http_url,
        option=f", '{option}' = '1'" if option else "",
    )
    look = sightings.look if sightings else lambda: None
    return flink.sql(settings + statements, "-j", str(installed.jar), meanwhile=look)


def its_job(flink: Cluster, before: dict[str, str], ended: Finished) -> str:
    """The one job that a client ran."""
    jobs = list(flink.jobs().keys() - before.keys())
    assert len(jobs) == 1, ended.output
    return jobs[0]


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
