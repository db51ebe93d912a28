"""What make says of a missing JDK or Maven, and which tests it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

#: What the Makefile needs besides the tool that is missing.
TOOLS = (
    "sh",
    "bash",
    "make",
    "grep",
    "sed",
    "expand",
    "find",
    "test",
    "dirname",
    "uname",
    "which",
    "ls",
    "expr",
    "java",
)


@pytest.mark.parametrize("target", ["demo", "test", "bench", "lint", "jar"])
@pytest.mark.parametrize(("missing", "words"), [("javac", "JDK 17"), ("mvn", "Maven"), ("python", "CPython 3.10")])
def test_a_missing_tool_is_one_line(tmp_path: Path, target: str, missing: str, words: str) -> None:
    found = {tool: shutil.which(tool) for tool in (*TOOLS, "javac", "mvn")}
    found["python3"] = str(Path(sys.base_prefix) / "bin" / "python3")
    for tool, path in found.items():
        if path is not None and not tool.startswith(missing):
            (tmp_path / tool).symlink_to(path)
    command = ["make", "-C", str(ROOT), "--no-print-directory", target]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "apt-get install" in lines[0]
    assert done.stdout == ""


def test_make_alone_lists_the_targets() -> None:
    printed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "soak", "bench", "docs", "lint", "jar"):
        assert f"make {target} " in printed


def test_each_file_of_tests_is_in_one_part() -> None:
    printed = subprocess.run(["make", "-n", "test-python"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    parts = [line.split()[1:] for line in printed.splitlines() if line.startswith(".venv/bin/pytest ")]
    places = [place for part in parts for place in part]
    files = [path for place in places for path in ([ROOT / place] if place.endswith(".py") else files_in(ROOT / place))]
    assert sorted(files) == sorted(ROOT.glob("tests/*/test_*.py"))
    assert len(parts) > 3


def files_in(directory: Path) -> list[Path]:
    return sorted(directory.rglob("test_*.py"))
