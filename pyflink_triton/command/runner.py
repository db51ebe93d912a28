"""Runs the statements of a script one after the other, in a place that is given, and prints what they give."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pyflink_triton.command.console import CommandError, errors, warn, without_tracebacks
from pyflink_triton.command.gateway import GatewayAnswer
from pyflink_triton.command.job_metrics import Counts
from pyflink_triton.command.progress import progress
from pyflink_triton.command.rows import Format, Printer, in_batches
from pyflink_triton.command.script import Script, Statement
from pyflink_triton.command.sql_places import Place
from pyflink_triton.errors import sentence
from pyflink_triton.table.embedded import Answer, StatementError, collected_warnings

_CLIENT = ("QUIT", "EXIT", "CLEAR", "HELP")
#: Seconds between two looks at whether a job has ended.
_POLL = 0.1
_Result = Answer | GatewayAnswer


class Runner:
    """Runs a script.

    Args:
        place: Where.
        format_: How rows are printed.
        name: The script's name, for messages; None where it has none.
    """

    def __init__(self, place: Place, format_: Format, *, name: str | None) -> None:
        self._place, self._format, self._name = place, format_, name
        self._warned: set[str] = set()

    def run(self, text: str) -> None:
        """Run each statement; the first that fails ends the script.

        Raises:
            CommandError: A statement failed.
            KeyboardInterrupt: The user ended it; its job is cancelled.
        """
        script = Script(text)
        with without_tracebacks():
            self._run(script)

    def _run(self, script: Script) -> None:
        for statement in script.statements():
            if statement.words[:1] and statement.words[0] in _CLIENT:
                continue
            at = statement.unclosed
            if at is not None:
                raise CommandError(f"{self._place_of(script, at)}: {script.unclosed(at)}.")
            try:
                with collected_warnings() as warned:
                    result = self._place.run(statement, self._format)
                self._warn(warned)
                self._show(statement, result)
            except StatementError as error:
                raise CommandError(sentence(self._where(script, statement, error))) from None

    def _warn(self, warned: Sequence[str]) -> None:
        for each in warned:
            if each not in self._warned:
                self._warned.add(each)
                warn(each)

    def _where(self, script: Script, statement: Statement, error: StatementError) -> str:
        problem, offset = error.problem, statement.start
        if problem.line is not None and problem.column is not None:
            offset = script.offset(statement, problem.line, problem.column)
        if self._name is None and script.text.count("\n") == 0 and problem.line is None:
            return problem.message
        return f"{self._place_of(script, offset)}: {problem.message}"

    def _place_of(self, script: Script, offset: int) -> str:
        line, column = script.place(offset)
        return f"{f'{self._name}:' if self._name else 'line '}{line}:{column}"

    def _show(self, statement: Statement, result: _Result) -> None:
        try:
            if result.is_query or result.job is None:
                self._print_rows(statement, result)
            else:
                self._wait(statement, result)
        except (KeyboardInterrupt, OSError):  # nobody reads the rows, or the disk is full
            result.cancel()
            raise

    def _print_rows(self, statement: Statement, result: _Result) -> None:
        if not result.columns:
            return
        with_changes = result.is_query and not self._place.is_batch
        printer = Printer(self._format, result.columns, result.types, with_changes=with_changes)
        with self._progress(statement, result) as stop:
            for batch in in_batches(result.rows()):
                stop()
                printer.print(batch)
            stop()
            printer.print([], last=True)

    def _wait(self, statement: Statement, result: _Result) -> None:
        began = time.monotonic()
        with self._progress(statement, result):
            while not result.is_done():
                time.sleep(_POLL)
        result.wait()
        errors().print(f"job {result.job} finished in {time.monotonic() - began:.1f} s")

    def _progress(self, statement: Statement, result: _Result) -> Any:
        job = result.job
        is_shown = job is not None and errors().is_terminal

        def ask() -> Counts | None:
            return self._place.counts(str(job)) if is_shown else None

        return progress(ask, self._place.total(statement) if is_shown else None)
