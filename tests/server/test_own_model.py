"""The page of a model of one's own: its files, written as it says, are served and called as it says."""

from __future__ import annotations

import re
from pathlib import Path

from places import ROOT
from snippets import run_first_screen, snippets

PAGE = "docs/own-model.md"
_FILE = re.compile(r"^`(models/\S+)` (?:(?!^```).)*^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_model_of_the_page_answers_what_the_page_says(tmp_path: Path) -> None:
    files = dict(_FILE.findall((ROOT / PAGE).read_text()))
    assert sorted(files) == ["models/doubled/1/model.py", "models/doubled/config.pbtxt"]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (serve,) = snippets(PAGE, "sh")
    _, program = snippets(PAGE, "python")
    _, output = snippets(PAGE, "text")
    printed, _ = run_first_screen(serve.text.strip(), program.text, tmp_path)
    assert printed == output.text
