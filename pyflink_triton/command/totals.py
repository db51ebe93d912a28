"""How many rows the sources of a statement have in all, where they say so before they are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

_SCAN = re.compile(r"^[\s:|+\-]*LogicalTableScan\(table=\[\[([^\]]*)\]\]", re.MULTILINE)
_VALUES = re.compile(r"^[\s:|+\-]*LogicalValues\(tuples=\[(\[.*\])\]\)", re.MULTILINE)
_OPTION = re.compile(r"'((?:[^']|'')*)'\s*=\s*'((?:[^']|'')*)'")
_LINES = ("csv", "json", "raw")
#: The part of a file that the length of its lines is taken from.
_SAMPLE = 1 << 20


def total_rows(explained: str, options_of: Callable[[str], Mapping[str, str]]) -> int | None:
    """Add up the rows of a statement's sources.

    Args:
        explained: Flink's EXPLAIN of the statement.
        options_of: Gives the options of a table, by its quoted full name.

    Returns:
        None where a source does not say. Of files it is an estimate, from the length of their first lines.
    """
    tree = explained.partition("== Optimized")[0]
    total = sum(values.count("{") for values in _VALUES.findall(tree))
    for names in _SCAN.findall(tree):
        quoted = ".".join(f"`{name.strip()}`" for name in names.split(","))
        rows = _rows_of(options_of(quoted))
        if rows is None:
            return None
        total += rows
    return total or None


def options_in(create_table: str) -> dict[str, str]:
    """The options in the text of a CREATE TABLE."""
    _, _, with_ = create_table.rpartition("WITH (")
    return dict(_OPTION.findall(with_))


def _rows_of(options: Mapping[str, str]) -> int | None:
    if options.get("connector") == "datagen" and options.get("number-of-rows", "").isdecimal():
        return int(options["number-of-rows"])
    if options.get("connector") == "filesystem" and options.get("format") in _LINES:
        return _lines_of(Path(urlsplit(options.get("path", "")).path))
    return None


def _lines_of(path: Path) -> int | None:
    hidden = (".", "_")
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    lines = 0
    for file in files:
        if file.name.startswith(hidden):
            continue
        with file.open("rb") as opened:
            sample = opened.read(_SAMPLE)
        if sample:
            lines += max(1, round(file.stat().st_size * sample.count(b"\n") / len(sample)))
    return lines or None
