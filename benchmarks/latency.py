"""How long a row is under way, from the source to the sink, at rates that leave the server idle or busy."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.contenders import Makers, Place, ask_client
from benchmarks.workloads import WORKLOADS

#: Rows offered a second, and how many rows of that are measured.
RATES: Mapping[int, int] = {1: 20, 100: 1_000, 1_000: 5_000}
#: With `--full`.
FULL_RATES: Mapping[int, int] = {1: 120, 100: 6_000, 1_000: 30_000}
_WARM_ROWS, _WARM_RATE = 4_000, 1_000


def measure(place: Place, rates: Mapping[int, int], turns: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure ML_PREDICT, m(x) and raw tritonclient in turns, at each rate.

    Args:
        place: Where they run.
        rates: Rows for each rate.
        turns: How many turns at 100 rows a second and more; one at less, which takes long.
        say: Takes lines about what happens.

    Returns:
        For each rate and contender the milliseconds at p50 and p99, as spreads over the turns.
    """
    makers = Makers(place, WORKLOADS["add"])
    jobs = {"ml_predict": makers.ml_predict(), "mx_streaming": makers.model_function()}
    for session, query in jobs.values():
        session.latencies(query, min(_WARM_ROWS, max(rates.values())), _WARM_RATE)
    results: dict[str, Any] = {}
    for rate, rows in rates.items():
        say(f"  {rate} rows/s offered")
        taken: dict[str, list[Sequence[int]]] = {"raw": [], **{name: [] for name in jobs}}
        for _ in range(turns if rate >= 100 else 1):
            taken["raw"].append(ask_client("raw_latency", url=place.served.url, workload="add", rows=rows, rate=rate))
            for name, (session, query) in jobs.items():
                taken[name].append(session.latencies(query, rows, rate))
        results[str(rate)] = {name: _figures(nanos) for name, nanos in taken.items()}
    return results


def _figures(turns: Sequence[Sequence[int]]) -> dict[str, Any]:
    return {
        "rows": len(turns[0]),
        "p50_ms": statistics.median(percentile(nanos, 0.5) for nanos in turns) / 1e6,
        "p99_ms": statistics.median(percentile(nanos, 0.99) for nanos in turns) / 1e6,
        "p50_ms_turns": [percentile(nanos, 0.5) / 1e6 for nanos in turns],
        "p99_ms_turns": [percentile(nanos, 0.99) / 1e6 for nanos in turns],
    }


def percentile(values: Sequence[int], part: float) -> float:
    """The value that this part of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]
