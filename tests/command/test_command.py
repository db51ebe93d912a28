"""The command itself: help, exit codes, colours, and that it starts quickly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import command, on_terminal
from places import ROOT
from typer.main import get_command

from pyflink_triton.command.app import app, main
from pyflink_triton.jar import jar_path
from pyflink_triton.server.examples import EXAMPLES


def test_the_command_has_help_and_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    for argument, said in (("--help", "serve"), ("--version", "pyflink-triton ")):
        with pytest.raises(SystemExit) as caught:
            main([argument])
        assert caught.value.code == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve"], "a directory of models or --example"),
        (["serve", "models", "--http-port=70000"], "70000 is not a port: give a port from 0 to 65535"),
        (["serve", "models", "--http-port", "abc"], "abc is not a port"),
        (["serve", "models", "--example=sentiment"], "one of the two"),
        (["serve", "--example=dance"], "sentiment, embeddings"),
        (["jar", "--", "--id=x"], "only the command serve"),
        (["jar", "--jason"], "--jason"),
        (["dance"], "dance"),
    ],
)
def test_wrong_arguments_are_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("pyflink-triton: ")
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_the_jar_is_found_without_flink() -> None:
    program = (
        "import sys\nfrom pyflink_triton.command.app import main\n"
        "try: main(['jar'])\nexcept SystemExit as end: code = end.code\n"
        "slow = {'pyflink', 'py4j', 'pyarrow', 'numpy', 'pandas', 'aiohttp'} & set(sys.modules)\n"
        "assert (code, slow) == (0, set()), (code, slow)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", f"{jar_path()}\n")


def test_colours_are_for_terminals_that_want_them() -> None:
    for variables, has_colours in (({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)):
        with on_terminal("options", "circuit-breaker-timeout", **variables) as command_:
            printed = command_.until(None)
        assert "circuit-breaker-timeout" in printed
        assert (re.search(r"\x1b\[[\d;]*3\d", printed) is not None) == has_colours
    assert "\x1b" not in command("options", "circuit-breaker-timeout").out


def test_a_shell_completes_commands_and_models_to_try() -> None:
    for words, completed in (("pyflink-triton des", ["describe"]), ("pyflink-triton serve --example ", list(EXAMPLES))):
        variables = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run(
            [Path(sys.executable).with_name("pyflink-triton")],
            env={**os.environ, **variables, "_PYFLINK_TRITON_COMPLETE": "complete_bash"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout.split(), done.stderr) == (completed, "")


def test_a_reader_that_has_enough_is_no_error() -> None:
    pipe = f"set -o pipefail; {sys.executable} -m pyflink_triton options --json | head -n 1"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[\n", "")


def test_each_command_is_in_the_docs_with_a_picture() -> None:
    program: Any = get_command(app)
    page = (ROOT / "docs" / "command.md").read_text()
    for name in program.commands:
        own = ROOT / "docs" / f"{name}.md"
        text = own.read_text() if own.exists() else page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        pictures = re.findall(r"!\[[^\]]+\]\(([\w/.-]+\.svg)\)", text)
        assert pictures, name
        assert all((ROOT / "docs" / picture).exists() for picture in pictures)
