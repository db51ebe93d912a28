"""What every command prints with: tables, JSON, sentences on stderr, and the exit codes.

Colours are for terminals alone: none where the output goes to a pipe or a file, or where ``NO_COLOR`` is set.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TextIO

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: All is well.
OK = 0
#: Something is wrong: what was looked at, or what was tried. Stderr, or the output itself, says what.
WRONG = 1
#: The arguments are wrong; nothing was tried.
MISUSED = 2
#: Ctrl-C.
INTERRUPTED = 130

#: The width of a table that goes to a pipe or a file: no cell is cut or folded there.
_ENDLESS = 100_000

#: The option of every command that gives data.
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")]


class CommandError(Exception):
    """A command cannot do what it was asked for; the message is one sentence. Exit code 1."""


class Misuse(Exception):
    """The arguments do not fit together; the message is one sentence. Exit code 2."""


def output() -> Console:
    """Where results go: standard output, in colour on a terminal."""
    return _console(stderr=False)


def errors() -> Console:
    """Where all that is not a result goes: standard error, in colour on a terminal."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _ENDLESS
    return console


def tell(sentence: str) -> None:
    """Say on stderr what went wrong.

    Args:
        sentence: One sentence; the program's name is put in front.
    """
    console = errors()
    console.print(Text.assemble(("pyflink-triton: ", "bold red"), sentence), soft_wrap=True)


def warn(sentence: str) -> None:
    """Say on stderr what is not wrong, and may not be what is wanted.

    Args:
        sentence: One sentence; the program's name is put in front.
    """
    errors().print(Text.assemble(("pyflink-triton: warning: ", "bold yellow"), sentence), soft_wrap=True)


class _WithoutTracebacks:
    """Standard error without the tracebacks that threads of others print, as Beam does for each row that fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = threading.local()

    def write(self, text: str) -> int:
        """Write, or leave out."""
        was_dropped = getattr(self._dropped, "last", False)
        self._dropped.last = threading.current_thread() is not threading.main_thread() and text.startswith("Traceback")
        is_rest = was_dropped and text == "\n"
        return len(text) if self._dropped.last or is_rest else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def without_tracebacks() -> Iterator[None]:
    """Keep tracebacks of jobs in this process off standard error: their message is told once, as a sentence."""
    before = threading.excepthook
    threading.excepthook = lambda _: None  # Beam's threads end so when their job does
    try:
        with contextlib.redirect_stderr(_WithoutTracebacks(sys.stderr)):
            yield
    finally:
        threading.excepthook = before


def print_json(data: Any) -> None:
    """Print data as JSON, indented, with letters of every language as they are."""
    sys.stdout.write(f"{json.dumps(data, indent=2, ensure_ascii=False)}\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, title: str | None = None) -> None:
    """Print a table: with rules and colours on a terminal, as plain aligned columns elsewhere.

    Args:
        columns: The headings.
        rows: A cell for each heading.
        title: What stands above.
    """
    console = output()
    table = Table(
        title=title,
        title_justify="left",
        box=box.ROUNDED if console.is_terminal else None,
        header_style="bold",
        pad_edge=console.is_terminal,
        show_edge=console.is_terminal,
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
