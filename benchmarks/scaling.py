"""Whether time grows with the rows and with nothing else, and what more subtasks bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.contenders import Makers, Place
from benchmarks.measured import spread
from benchmarks.workloads import WORKLOADS

#: Rows of the runs.
ROWS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
PARALLELISM = (1, 2, 4)


def rows(place: Place, sizes: Sequence[int], turns: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Time ML_PREDICT over more and more rows, warm, in turns.

    Args:
        place: Where it runs.
        sizes: How many rows.
        turns: How many turns.
        say: Takes lines about what happens.

    Returns:
        The seconds for each size; the line through them, with what it misses each by, in parts of the size's seconds.
    """
    session, query = Makers(place, WORKLOADS["add"]).ml_predict()
    for _ in range(2):
        session.run(query, sizes[-2])
    taken: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(turns):
        say(f"  turn {turn + 1} of {turns}")
        for size in sizes:
            taken[size].append(session.run(query, size).seconds)
    return {
        "seconds": {str(size): spread(seconds) for size, seconds in taken.items()},
        "line": line(taken),
    }


def line(taken: dict[int, list[float]]) -> dict[str, Any]:
    """Fit a straight line to seconds over rows, each size weighing as much.

    Returns:
        ``us_a_row``; ``start_seconds``; ``off``, the largest part by which the line misses a size's median; ``spread``,
        the largest part by which turns of one size differ.
    """
    x = np.array(list(taken), dtype=float)
    y = np.array([float(np.median(seconds)) for seconds in taken.values()])
    slope, start = np.polyfit(x, y, 1, w=1 / y)
    off = np.abs(slope * x + start - y) / y
    width = [(max(seconds) - min(seconds)) / float(np.median(seconds)) for seconds in taken.values()]
    return {"us_a_row": slope * 1e6, "start_seconds": start, "off": float(off.max()), "spread": max(width)}


def parallelism(place: Place, count: int, turns: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure ML_PREDICT and m(x) with 1, 2 and 4 subtasks, in turns.

    Args:
        place: Where they run.
        count: How many rows a turn has.
        turns: How many turns.
        say: Takes lines about what happens.

    Returns:
        Rows a second for each contender and parallelism.
    """
    makers = Makers(place, WORKLOADS["add"])
    jobs = {
        (name, subtasks): make(parallelism=subtasks)
        for name, make in (("ml_predict", makers.ml_predict), ("mx_streaming", makers.model_function))
        for subtasks in PARALLELISM
    }
    rates: dict[tuple[str, int], list[float]] = {key: [] for key in jobs}
    starts = {}
    for key, (session, query) in jobs.items():
        session.run(query, count)
        starts[key] = min((session.run(query, 64) for _ in range(2)), key=lambda run: run.seconds)
    for turn in range(turns):
        say(f"  turn {turn + 1} of {turns}")
        for key, (session, query) in jobs.items():
            rates[key].append(session.run(query, count).less(starts[key]).rate)
    results: dict[str, Any] = {}
    for (name, subtasks), measured in rates.items():
        results.setdefault(name, {})[str(subtasks)] = spread(measured)
    return results
