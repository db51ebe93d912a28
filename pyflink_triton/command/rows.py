"""Prints the rows of a result while they come: as a table, as CSV, or as JSON, a line a row."""

from __future__ import annotations

import csv
import json
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from pyflink_triton.command.console import output
from pyflink_triton.table.texts import from_text

Row = tuple[str, Sequence[Any]]
#: Rows that a table's widths are taken from, and the seconds that they are waited for.
_FIRST, _SECONDS = 1000, 1.0
#: The narrowest that a column becomes for values that come later.
_LEAST = 4
_NUMBERS = ("TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL")
_PARTS = ("ARRAY", "ROW", "MAP", "MULTISET")


class Format(str, Enum):
    """How rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"


class Printer:
    """Prints rows.

    Args:
        format_: How.
        columns: The names of the columns.
        types: Their types, as SQL writes them; none where values are not texts.
        with_changes: Whether each row begins with the kind of its change.
    """

    def __init__(self, format_: Format, columns: Sequence[str], types: Sequence[str], *, with_changes: bool) -> None:
        self._columns = [*(["op"] if with_changes else []), *columns]
        self._types = [*([""] if with_changes else []), *(types or [""] * len(columns))]
        self._with_changes = with_changes
        self._print = {Format.table: self._table, Format.csv: self._csv, Format.json: self._json}[format_]
        self._widths: list[int] | None = None
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self.printed = 0

    def print(self, rows: Sequence[Row], *, last: bool = False) -> None:
        """Print some rows.

        Args:
            rows: The rows.
            last: Whether no more come; a table without rows is printed then.
        """
        written = [[change, *values] if self._with_changes else list(values) for change, values in rows]
        if written or (last and not self.printed):
            self._print(written)
            sys.stdout.flush()
        self.printed += len(rows)

    def _csv(self, rows: list[list[Any]]) -> None:
        if not self.printed:
            self._writer.writerow(self._columns)
        self._writer.writerows([["" if value is None else _text(value) for value in row] for row in rows])

    def _json(self, rows: list[list[Any]]) -> None:
        for row in rows:
            values = (_value(value, type_) for value, type_ in zip(row, self._types, strict=True))
            sys.stdout.write(f"{_json(dict(zip(self._columns, values, strict=True)))}\n")

    def _table(self, rows: list[list[Any]]) -> None:
        console = output()
        texts = [[_cell(value) for value in row] for row in rows]
        is_first = self._widths is None
        if self._widths is None:
            columns = zip(self._columns, *texts, strict=True) if texts else ((name,) for name in self._columns)
            self._widths = [max([_LEAST, *(cell_len(str(each)) for each in column)]) for column in columns]
        table = Table(
            box=box.SIMPLE_HEAD if console.is_terminal else None,
            show_header=is_first,
            header_style="bold",
            show_edge=False,
            pad_edge=False,
        )
        for name, type_, width in zip(self._columns, self._types, self._widths, strict=True):
            justify: Any = "right" if type_.split(" ")[0].split("(")[0] in _NUMBERS else "left"
            table.add_column(
                name, min_width=width if not console.is_terminal else None, justify=justify, overflow="fold"
            )
        for row in texts:
            table.add_row(*row)
        console.print(table)


def _cell(value: Any) -> Text:
    return Text("NULL", "dim") if value is None else Text(_text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _value(value: Any, type_: str) -> Any:
    """A value for JSON: numbers and truth values as such, all else as text."""
    if not isinstance(value, str):
        return value
    return json.loads(value, parse_float=Decimal) if type_.startswith(_PARTS) else from_text(value, type_)


def _json(value: Any) -> str:
    """JSON in which a DECIMAL has all its digits, as Python's own has not."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_json(key)}: {_json(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)


def in_batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Take rows as they come: many at once where they are quick, and each soon where they are slow.

    Args:
        rows: The rows; they are read in a thread of their own, so that Ctrl-C is heard.
    """
    arrived: queue.Queue[Row | BaseException | None] = queue.Queue(_FIRST)

    def read() -> None:
        try:
            for row in rows:
                arrived.put(row)
            arrived.put(None)
        except BaseException as error:  # it is raised where the rows are taken
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    batch: list[Row] = []
    while True:
        try:
            row = arrived.get(timeout=_SECONDS)
        except queue.Empty:
            if batch:
                yield batch
                batch = []
            continue
        if row is None or isinstance(row, BaseException):
            if batch:
                yield batch
            if row is not None:
                raise row
            return
        batch.append(row)
        if len(batch) >= _FIRST:
            yield batch
            batch = []
