"""`pyflink-triton check`: what is wrong with the statements of a script, before any of them runs."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from pyflink_triton.command.console import OK, WRONG, CommandError, Json, output, print_json
from pyflink_triton.command.flink import Configuration, Mode, ModeName, ServerUrl, open_session
from pyflink_triton.command.server import Settings

_COLOURS = {"error": "bold red", "warning": "bold yellow", "not checked": "bold blue"}
_STORE = "table.catalog-store."

File = Annotated[
    Path, typer.Option("--file", "-f", metavar="FILE", help="The script; - for standard input.", show_default=False)
]


def check(
    file: File,
    endpoint: ServerUrl = None,
    option: Settings = None,
    configuration: Configuration = None,
    mode: Mode = ModeName.streaming,
    json: Json = False,
) -> None:
    """Plan every statement of a script: what is wrong, with its line, and which models are asked for too many rows.

    What later statements need is run (CREATE, SET, USE, ADD JAR); no INSERT and no SELECT runs.
    """
    text = read_script(file)
    from pyflink_triton.command.checker import ERROR, SKIPPED, WARNING, Checker
    from pyflink_triton.command.script import Script

    script = Script(text)
    name = "-" if str(file) == "-" else str(file)
    checker = Checker(script, open_session(endpoint, option, _without_store(configuration), mode))
    findings = []
    for finding in checker.findings():
        findings.append(finding)
        if not json:
            _print(name, script, finding)
    counts = {kind: sum(finding.severity == kind for finding in findings) for kind in (ERROR, WARNING, SKIPPED)}
    if json:
        found: list[dict[str, Any]] = [dataclasses.asdict(finding) for finding in findings]
        print_json({"file": name, "statements": checker.statements, "findings": found})
    else:
        _print_sum(checker.statements, counts)
    raise typer.Exit(WRONG if counts[ERROR] else OK)


def _without_store(configuration: list[str] | None) -> list[str]:
    """Flink's options for a session whose catalogs end with it: it keeps none in a store, and finds none there."""
    given = [pair for pair in configuration or [] if not pair.strip().startswith(_STORE)]
    return [*given, f"{_STORE}kind=generic_in_memory"]


def read_script(file: Path) -> str:
    """Read a script.

    Raises:
        CommandError: There is no such file, or it is no text.
    """
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not a text in UTF-8.") from None


def _print(name: str, script: Any, finding: Any) -> None:
    console = output()
    place = f"{name}:{finding.line}:{finding.column}: "
    head = Text.assemble((place, "bold"), (f"{finding.severity}: ", _COLOURS[finding.severity]), finding.message)
    console.print(head, soft_wrap=True)
    line = script.line(finding.line)
    number = f"{finding.line:>6} | "
    console.print(Text.assemble((number, "dim"), line), soft_wrap=True)
    indent = "".join("\t" if character == "\t" else " " for character in line[: finding.column - 1])
    console.print(Text.assemble((" " * 6 + " | ", "dim"), indent, ("^", _COLOURS[finding.severity])), soft_wrap=True)


def _print_sum(statements: int, counts: dict[str, int]) -> None:
    words = [f"{statements} statement{'s' * (statements != 1)}"]
    words += [
        f"{count} {kind}{'s' * (count != 1 and kind != 'not checked')}" for kind, count in counts.items() if count
    ]
    style = "bold red" if counts["error"] else "bold green"
    output().print(Text(": ".join([words[0], ", ".join(words[1:]) or "nothing is wrong"]), style), soft_wrap=True)
