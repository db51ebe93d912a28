"""The command itself: help, exit codes, colours, and that it starts quickly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyflink_triton.command.app import main
from pyflink_triton.jar import jar_path


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
