"""Other async functions that were planned before `connect()`: each order in a process with a JVM of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from places import ROOT, SUPPORT
from triton import Triton

CLASSES = ROOT / "java-shim" / "target" / "test-classes"
LOST = [[2, -1, ""], [4, 5, "text"]]
TWICE = [[2, None, None], [4, 5, "text"]]
PAIRS = [[4, None, None], [7, 5, "text"]]
OBJECTION = "In streaming a model cannot be a function in this JVM"


@pytest.fixture(scope="module")
def jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An async function of a user's."""
    path = tmp_path_factory.mktemp("jar") / "twice.jar"
    with zipfile.ZipFile(path, "w") as file:
        for found in CLASSES.rglob("AsyncFirst*.class"):
            file.write(found, found.relative_to(CLASSES))
    return path


def run(triton: Triton, jar: Path, *steps: str, **variables: str) -> tuple[list[Any], str]:
    """What the steps gave, and what was logged."""
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "async_first_job.py"), triton.http_url, str(jar), *steps],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def without_agents() -> str:
    """The options of a JVM that has every module but that of agents, and those that need it."""
    listed = subprocess.run(["java", "--list-modules"], capture_output=True, text=True, check=True).stdout
    names = {line.partition("@")[0] for line in listed.split()}
    kept = names - {"java.instrument", "java.se", "jdk.jconsole"}
    limit = ",".join(name for name in kept if "incubator" not in name)
    return f"{os.environ.get('JVM_ARGS', '')} --limit-modules {limit}"


def test_nulls_are_kept_whatever_was_planned_first(triton: Triton, jar: Path) -> None:
    results, logged = run(triton, jar, "twice(n)", "connect", "m(n)", "twice(n)")
    assert results == [LOST, PAIRS, TWICE]
    assert OBJECTION not in logged


def test_connect_says_at_once_what_cannot_be_repaired(triton: Triton, jar: Path) -> None:
    steps = ("twice(n)", "connect", "m(n)", "ML_PREDICT")
    (lost, refusal, predicted), logged = run(triton, jar, *steps, JVM_ARGS=without_agents())
    assert lost == LOST
    assert refusal.startswith(OBJECTION)
    assert f"UserWarning: {refusal}" in logged
    assert predicted == PAIRS, "a remedy that it names"


def test_the_order_that_connect_advises(triton: Triton, jar: Path) -> None:
    results, logged = run(triton, jar, "connect", "twice(n)", "m(n)", JVM_ARGS=without_agents())
    assert results == [TWICE, PAIRS]
    assert OBJECTION not in logged
