"""The README's first screen runs as it stands, and says what it has to."""

from __future__ import annotations

import re
from pathlib import Path

from places import ROOT
from snippets import run_first_screen, snippets

README = (ROOT / "README.md").read_text()


def test_the_first_screen_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    commands, program, output = (snippets("README.md", language)[0].text for language in ("sh", "python", "text"))
    install, serve = commands.splitlines()
    assert re.match(r"pip install 'pyflink-triton\[java\]' ", install), "tests run in an environment that has it"
    printed, _ = run_first_screen(serve, program, tmp_path)
    assert printed == output


def test_the_first_screen_is_short() -> None:
    (program,) = snippets("README.md", "python")
    assert len(program.text.splitlines()) <= 10
    head = README[: README.index("## Which call do I take?")]
    assert all(each in head for each in ("## Try it", "docs/overview.svg", "*tensor*", "*batch axis*", "*catalog*"))


def test_the_blocks_of_the_readme_are_run() -> None:
    """Those of its first screen here, and the language model's in tests/sql/test_language_models.py."""
    assert [each.language for each in snippets("README.md", "sh", "python", "sql", "text")] == [
        "sh",
        "python",
        "text",
        "sql",
    ]
