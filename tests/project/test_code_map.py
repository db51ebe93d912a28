"""The code map in docs/how-it-works.md names files and names that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from places import ROOT

PAGE = (ROOT / "docs" / "how-it-works.md").read_text()
MAP = PAGE[PAGE.index('<a id="code-map"></a>') :]
JAVA = ROOT / "java-shim" / "src" / "main" / "java" / "io" / "github" / "pyflinktriton"
#: `Class.method` (`package/file.py`), as the map writes a place.
PLACES = re.findall(r"`([A-Za-z_]+)(?:\.([A-Za-z_]+))?` \(`([\w/]+\.(?:py|java))`\)", MAP)


def found(path: str) -> Path:
    return (JAVA if path.endswith(".java") else ROOT / "pyflink_triton") / path


def is_defined(name: str, text: str) -> bool:
    """Whether a Python or Java file defines a name: a class, a function, a method or a constant."""
    python = rf"^ *(?:class|def|async def) {name}\b|^{name}\b.* = "
    java = rf"^ *(?:[\w<>,.?\[\] ]+ )?(?:class|enum|interface) {name}\b|^ +[\w<>,.?\[\] ]+ {name}\("
    return re.search(f"{python}|{java}", text, re.MULTILINE) is not None


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[2]}:{place[0]}.{place[1]}")
def test_a_name_of_the_map_is_where_it_says(place: tuple[str, str, str]) -> None:
    owner, member, path = place
    text = found(path).read_text()
    assert is_defined(owner, text)
    assert not member or is_defined(member, text)


def test_the_map_has_its_three_parts_and_each_step_a_place() -> None:
    planned, row, changes = re.split(r"^### .*$", MAP, flags=re.MULTILINE)[1:]
    for part in (planned, row):
        steps = re.findall(r"^(\d+)\. (.*)$", part, re.MULTILINE)
        assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
        assert len(steps) >= 15
        assert all(re.search(r"^`\w+(\.\w+)?` \(`[\w/]+\.(py|java)`\): ", step) for _, step in steps)
    assert len(re.findall(r"^\| ", changes, re.MULTILINE)) >= 9


def test_every_file_that_the_map_names_exists() -> None:
    files = set(re.findall(r"`([\w/.-]+\.(?:py|java|json))`", MAP))
    missing = [path for path in files if not found(path).exists() and not (ROOT / path).exists()]
    assert missing == []
