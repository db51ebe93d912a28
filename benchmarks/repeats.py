"""What a cache of answers brings where rows come again, and what it costs where none does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks import flink
from benchmarks.contenders import Makers, Place
from benchmarks.measured import Run, spread
from benchmarks.workloads import Column, Output, Workload

#: The options of the runs.
WAYS: dict[str, dict[str, str]] = {"without": {}, "with": {"cache-max-bytes": "256 mb", "cache-ttl": "1 h"}}
#: The share of rows that are equal to one before.
SHARES = (0.9, 0.0)
#: How many more rows the model of two floats gets than the slow one.
_MORE = 5
_SEED = 12


def workloads(rows: int) -> list[Workload]:
    """The streams: a quick model and a slow one, each with repeats and without."""
    made = []
    for share in SHARES:
        percent = f"{share:.0%} repeats"
        name = f"repeats_{share:.0%}".removesuffix("%")
        quick, slow = partial(_add, rows * _MORE, share), partial(_slow, rows, share)
        made += [
            Workload(f"{name}_add", f"two floats, {percent}", "add", 64, quick, 5_000),
            Workload(f"{name}_slow", f"a slow model: 20 ms a batch, 8 instances, {percent}", "slow", 64, slow, 1_000),
        ]
    return made


def stream(rows: int, share: float) -> Any:
    """Which value each row has: one that comes for the first time, or any of those before."""
    random = np.random.default_rng(_SEED)
    is_new = random.random(rows) >= share
    is_new[0] = True
    known = np.cumsum(is_new)
    return np.where(is_new, known - 1, (random.random(rows) * known).astype(np.int64))


def _add(rows: int, share: float) -> tuple[Sequence[Column], Sequence[Output]]:
    values = stream(rows, share).astype(np.float32).reshape(-1, 1)
    columns = [Column("A", "FLOAT", "FP32", values), Column("B", "FLOAT", "FP32", np.ones_like(values))]
    return columns, [Output("SUM", "FLOAT", (values + 1).ravel())]


def _slow(rows: int, share: float) -> tuple[Sequence[Column], Sequence[Output]]:
    values = np.repeat(stream(rows, share).astype(np.float32).reshape(-1, 1), 4, axis=1)
    return [Column("X", "ARRAY<FLOAT>", "FP32", values)], [Output("SCORE", "FLOAT", values[:, 0])]


def measure(place: Place, rows: int, starts: int, turns: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure ML_PREDICT with a cache and without one, in turns, each job with a cache that begins empty.

    Args:
        place: Where it runs.
        rows: How many rows a job of the slow model has.
        starts: How many runs of a few rows tell what a start takes.
        turns: How many turns.
        say: Takes lines about what happens.

    Returns:
        For each stream the rows a second and the CPU a row of both ways, and the ratios in each turn.
    """
    results = {}
    for workload in workloads(rows):
        say(f"  {workload.title}")
        jobs = {way: _job(place, workload, options) for way, options in WAYS.items()}
        for job in jobs.values():
            job(workload.period)
        begun = {way: min((job(64) for _ in range(starts)), key=lambda run: run.seconds) for way, job in jobs.items()}
        taken: dict[str, list[Run]] = {way: [] for way in jobs}
        for turn in range(turns):
            say(f"    turn {turn + 1} of {turns}")
            for way, job in jobs.items():
                taken[way].append(job(workload.period).less(begun[way]))
        results[workload.name] = {"title": workload.title, "rows": workload.period, **_figures(taken)}
    return results


def _job(place: Place, workload: Workload, options: dict[str, str]) -> Callable[[int], Run]:
    session = Makers(place, workload).session()
    session.connect(place.served.url, options)
    return lambda rows: session.run(flink.ml_predict(workload), rows)


def _figures(taken: dict[str, list[Run]]) -> dict[str, Any]:
    pairs = list(zip(taken["with"], taken["without"], strict=True))
    figures: dict[str, Any] = {
        "rows_a_second": {way: spread([run.rate for run in runs]) for way, runs in taken.items()},
        "rate_ratio": spread([kept.rate / sent.rate for kept, sent in pairs]),
    }
    cpu = [(kept.micros(), sent.micros()) for kept, sent in pairs]
    known = [kept / sent for kept, sent in cpu if kept is not None and sent]
    if known:
        figures["cpu_ratio"] = spread(known)
    return figures
