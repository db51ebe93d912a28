"""docs/compat.md has an entry for each module that relies on the inside of PyFlink or aiohttp, with its tests."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from places import ROOT

from pyflink_triton._internals import Library
from pyflink_triton.http.compat import AIOHTTP, KNOWN_VERSIONS
from pyflink_triton.table.compat import PYFLINK

TEXT = (ROOT / "docs" / "compat.md").read_text()
PACKAGE = ROOT / "pyflink_triton"


def allowed(distribution: str) -> Requirement:
    """What pyproject.toml asks for."""
    found = re.search(rf'"({distribution}[<>=][^"]*)"', (ROOT / "pyproject.toml").read_text())
    assert found is not None
    return Requirement(found.group(1))


def test_each_module_has_an_entry() -> None:
    modules = set((PACKAGE / "table" / "compat").glob("[!_]*.py")) | {PACKAGE / "http" / "compat.py"}
    _, _, entries = TEXT.partition("## PyFlink and aiohttp")
    named = {ROOT / path for path in re.findall(r"^### `(pyflink_triton/\S+\.py)`", entries, re.M)}
    assert named == modules


def test_each_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/\w+/\w+\.py)::(\w+)`", TEXT)
    assert len(named) >= 10
    assert [each for each in named if f"def {each[1]}(" not in (ROOT / each[0]).read_text()] == []


@pytest.mark.parametrize("library", [PYFLINK, AIOHTTP], ids=str)
def test_the_version_to_install_is_allowed_and_is_the_one_tested_here(library: Library) -> None:
    tested = Requirement(library.tested)
    (version,) = (Version(each.version) for each in tested.specifier)
    assert version in allowed(tested.name).specifier
    assert version.release[:2] == Version(metadata.version(tested.name)).release[:2]
    assert f"`{library.tested}`" in TEXT


def test_no_version_of_aiohttp_is_allowed_that_is_refused() -> None:
    known = [Version(each) for each in KNOWN_VERSIONS]
    specifier = allowed("aiohttp").specifier
    assert all(version in specifier for version in known)
    for minor in (known[0].minor - 1, known[-1].minor + 1):
        assert Version(f"3.{minor}") not in specifier
