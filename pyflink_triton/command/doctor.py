"""`pyflink-triton doctor`: what is wrong between a statement and its model, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from pyflink_triton.command.console import OK, WRONG, Json, Misuse, output, print_json
from pyflink_triton.command.server import Settings, pairs
from pyflink_triton.remedies import Remedy

if TYPE_CHECKING:
    from pyflink_triton.doctor.findings import Finding, Report

#: How each status is shown.
_MARKS = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "fault": ("FAULT", "bold red"),
    "skipped": ("skipped", "bright_black"),
    "": ("", ""),
}
_MARK_WIDTH, _CHECK_WIDTH = 9, 11


def doctor(
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="The server; without one, this machine alone is examined.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model on the server.")] = None,
    option: Settings = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run at most 21 inferences of zeros, to see where time goes.")
    ] = False,
    python: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The Python of the workers; by default what Flink is configured to take."),
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The archive that --python is a path in.", exists=True)
    ] = None,
    flink_home: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="A Flink; by default FLINK_HOME, or PyFlink's own.")
    ] = None,
    cluster: Annotated[str | None, typer.Option(metavar="URL", help="A JobManager's REST address.")] = None,
    gateway: Annotated[str | None, typer.Option(metavar="URL", help="A SQL gateway.")] = None,
    json: Json = False,
) -> None:
    """Say what is wrong between a statement and its model, and what to do.

    Looks at the network, the server, the model and this machine. Exit code 1 means that a fault was found.
    """
    if archive is not None and python is None:
        raise Misuse("--archive needs --python, the path of a Python in it.")
    if model is not None and endpoint is None and not any("endpoint=" in each for each in option or []):
        raise Misuse(f"--model is for a model of a server. {Remedy.GIVE_ENDPOINT()}.")
    # What it needs takes a second to import, and no other command needs it.
    from pyflink_triton._async import run
    from pyflink_triton.doctor.examination import examine
    from pyflink_triton.doctor.subject import Subject

    subject = Subject(
        options=_options(endpoint, model, option),
        python=python,
        archive=archive,
        flink_home=flink_home,
        cluster=cluster,
        gateway=gateway,
        measure=measure,
    )
    printed = _Printed(output())
    report = run(examine(subject) if json else examine(subject, lambda check, found: printed.add(found)))
    if json:
        print_json(report.to_json())
    else:
        printed.end(report)
    raise typer.Exit(WRONG if report.faults else OK)


def _options(endpoint: str | None, model: str | None, written: list[str] | None) -> dict[str, str]:
    """The options as a statement would have them."""
    named = {"endpoint": endpoint, "model-name": model}
    found = {key: value for key, value in named.items() if value is not None}
    more = pairs(written, "--option")
    twice = sorted(found.keys() & more.keys())
    if twice:
        raise Misuse(f"the option '{twice[0]}' is given twice.")
    return {**found, **more}


class _Printed:
    """Findings as lines: how each check ended, its name, and what was found.

    Args:
        console: Where they go.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._skipped: list[Finding] = []

    def add(self, findings: Sequence[Finding]) -> None:
        """Print the findings of a check; checks that are skipped for the same reason share a line."""
        for finding in findings:
            if self._skipped and (finding.status, finding.sentence) != _reason(self._skipped[0]):
                self._tell_skipped()
            if finding.status.value == "skipped":
                self._skipped.append(finding)
            else:
                self._tell(finding)

    def end(self, report: Report) -> None:
        """Print what it comes to."""
        self._tell_skipped()
        faults, warned = (f"{len(found)} {name}{'s' * (len(found) != 1)}" for found, name in _counted(report))
        if report.faults:
            ids = ", ".join(finding.id for finding in report.faults)
            self._console.print(Text(f"\n{faults}, {warned}: {ids}", style="bold red"), soft_wrap=True)
        else:
            more = f", {warned}" if report.warnings else ""
            self._console.print(Text(f"\nNo fault was found{more}.", style="bold green"), soft_wrap=True)

    def _tell_skipped(self) -> None:
        if self._skipped:
            names = ", ".join(dict.fromkeys(finding.check for finding in self._skipped))
            self._line("skipped", "", f"{names}: {self._skipped[0].sentence}")
            self._skipped = []

    def _tell(self, finding: Finding) -> None:
        is_named = finding.id != finding.check
        self._line(finding.status.value, finding.check, finding.sentence + (f" [{finding.id}]" if is_named else ""))
        if finding.remedy:
            self._line("", "", f"-> {finding.remedy}")
        for line in str(finding.facts.get("create_model", "")).splitlines():
            self._line("", "", line)

    def _line(self, status: str, check: str, words: str) -> None:
        """A line; on a terminal it is folded under its own beginning."""
        mark, style = _MARKS[status]
        head = f"{mark:<{_MARK_WIDTH}}{check:<{_CHECK_WIDTH}}"
        if status == "skipped":
            head = f"{mark:<{_MARK_WIDTH}}"
        room = max(self._console.width - len(head), 20)
        for number, line in enumerate(Text(words).wrap(self._console, room)):
            line.rstrip()
            begin = Text(head, style=style) if number == 0 else Text(" " * len(head))
            self._console.print(Text.assemble(begin, line), soft_wrap=True)


def _reason(finding: Finding) -> tuple[object, str]:
    return finding.status, finding.sentence


def _counted(report: Report) -> Sequence[tuple[Sequence[Finding], str]]:
    return (report.faults, "fault"), (report.warnings, "warning")
