"""Contenders in turns: A B C A B C ..., each warm, each with as many rows as take it some seconds."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders import REFERENCES, Contender
from benchmarks.measured import Run, spread, summary

#: A cold run grows to the wanted seconds in steps of at most this.
_GROWTH = 8
_MOST_STEPS = 8


@dataclass(frozen=True)
class Plan:
    """How long a turn is.

    Attributes:
        seconds: How long, about.
        most_rows: How many rows it has at most.
        starts: How many runs of a few rows tell what a start takes.
        reference_turns: How many turns those have at most of which no target speaks.
    """

    seconds: float
    most_rows: int
    starts: int
    reference_turns: int


@dataclass
class _Entry:
    contender: Contender
    rows: int = 0
    start: Run | None = None
    runs: list[Run] = field(default_factory=list)
    failed: str | None = None

    @property
    def figures(self) -> list[Run]:
        return [run if self.start is None else run.less(self.start) for run in self.runs]


def take_turns(
    make: Sequence[tuple[str, Callable[[], Contender]]], plan: Plan, turns: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Prepare contenders, warm them, and let them take turns.

    Args:
        make: Names, and what makes the contenders.
        plan: How long a turn is.
        turns: How many turns each has.
        say: Takes lines about what happens.

    Returns:
        For each contender its figures and, beside raw's of the same turn, its ratios; or why there are none.
    """
    entries: list[_Entry] = []
    results: dict[str, Any] = {}
    for name, maker in make:
        title = name
        try:
            contender = maker()
            title = contender.title
            contender.prepare()
            entry = _Entry(contender)
            _warm(entry, plan)
        except Exception as error:  # one that cannot run must not stop the others
            results[name] = {"title": title, "failed": reason(error)}
            say(f"  {name} failed: {reason(error)}")
            continue
        say(f"  {name} is warm: {entry.rows:,} rows a turn{'; ' if contender.note else ''}{contender.note}")
        entries.append(entry)
    for turn in range(turns):
        say(f"  turn {turn + 1} of {turns}")
        for entry in entries:
            if entry.failed is None and (turn < plan.reference_turns or entry.contender.name not in REFERENCES):
                _turn(entry)
    for entry in entries:
        results[entry.contender.name] = _result(entry, entries)
    return results


def _warm(entry: _Entry, plan: Plan) -> None:
    """Run, with more rows each time, until a run takes long enough."""
    contender = entry.contender
    rows = min(contender.first_rows, plan.most_rows)
    for _ in range(_MOST_STEPS):
        run = contender.run(rows)
        if run.seconds >= 0.7 * plan.seconds or rows == plan.most_rows:
            break
        rows = min(plan.most_rows, int(rows * min(_GROWTH, max(1.5, plan.seconds / run.seconds))))
    entry.rows = rows
    starts = [start for start in (contender.start() for _ in range(plan.starts)) if start is not None]
    if starts:
        entry.start = sorted(starts, key=lambda each: each.seconds)[len(starts) // 2]


def _turn(entry: _Entry) -> None:
    gc.collect()
    try:
        entry.runs.append(entry.contender.run(entry.rows))
    except Exception as error:  # one that cannot run must not stop the others
        entry.failed = reason(error)


def _result(entry: _Entry, entries: Sequence[_Entry]) -> dict[str, Any]:
    contender = entry.contender
    about = {"title": contender.title, "note": contender.note}
    if entry.failed is not None:
        return {**about, "failed": entry.failed}
    result = {**about, **summary(entry.figures)}
    if entry.start is not None:
        result["start_seconds"] = entry.start.seconds
    raw = next((each for each in entries if each.contender.name == "raw" and each.failed is None), None)
    if raw is not None:
        result["beside_raw"] = _ratios(entry.figures, raw.figures)
    return result


def _ratios(figures: Sequence[Run], raw: Sequence[Run]) -> dict[str, Any]:
    """Ratios to raw's figures of the same turn: what slows the machine for a while slows both."""
    pairs = list(zip(figures, raw, strict=False))  # a reference has fewer turns
    ratios: dict[str, Any] = {"rows_a_second": spread([mine.rate / its.rate for mine, its in pairs])}
    for name, part in (("cpu", None), ("client_cpu", "client")):
        both = [(mine.micros(part), its.micros(part)) for mine, its in pairs]
        known = [mine / its for mine, its in both if mine is not None and its]
        if len(known) == len(pairs):
            ratios[name] = spread(known)
    return ratios


def reason(error: Exception) -> str:
    """The first line that says what is wrong, whichever of Java's causes says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
