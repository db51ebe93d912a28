"""The targets, and whether a run met them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.workloads import WORKLOADS

Results = Mapping[str, Any]
_MISSING = (KeyError, TypeError)


def judge(results: Results) -> list[dict[str, Any]]:
    """Compare a run with the targets.

    Args:
        results: The run's results.

    Returns:
        For each target ``what``, ``target``, ``measured`` as text, and ``met``; None where it was not measured or where
        there is nothing to meet.
    """
    return [judged for rule in _RULES for judged in rule(results)]


def _ratio(
    what: str, contender: str, key: str, limits: Mapping[str, float], *, at_most: bool, other: str = "raw"
) -> Callable[[Results], list[dict[str, Any]]]:
    """A target for a ratio, for each of some workloads."""

    def rule(results: Results) -> list[dict[str, Any]]:
        judged = []
        for workload, limit in limits.items():
            word = "or less" if at_most else "or more"
            about: dict[str, Any] = {"what": f"{what}: {WORKLOADS[workload].title}", "target": f"{limit:g} {word}"}
            try:
                measured = _of(results["throughput"][workload], contender, key, other)
            except _MISSING:
                judged.append({**about, "measured": None, "met": None})
                continue
            met = measured["median"] <= limit if at_most else measured["median"] >= limit
            judged.append({**about, "measured": _text(measured), "met": met})
        return judged

    return rule


def _of(figures: Results, contender: str, key: str, other: str) -> Mapping[str, float]:
    """A contender's ratio to raw, as it was paired; or of its rate to another's, turn by turn."""
    if other == "raw":
        found: Mapping[str, float] = figures[contender]["beside_raw"][key]
        return found
    mine, its = (figures[name]["rows_a_second"]["turns"] for name in (contender, other))
    ratios = sorted(a / b for a, b in zip(mine, its, strict=True))
    return {"median": ratios[len(ratios) // 2], "low": ratios[0], "high": ratios[-1]}


def _text(measured: Mapping[str, float]) -> str:
    return f"{measured['median']:.2f} ({measured['low']:.2f} to {measured['high']:.2f})"


def _throughput(results: Results) -> list[dict[str, Any]]:
    judged = []
    for contender, title, ratio in _EXPECTED:
        about = {"what": f"rows a second of {title}, to raw's: two floats", "target": f"reported; expected {ratio:g}"}
        try:
            measured = _text(results["throughput"]["add"][contender]["beside_raw"]["rows_a_second"])
        except _MISSING:
            measured = None
        judged.append({**about, "measured": measured, "met": None})
    return judged


def _functions(results: Results) -> list[dict[str, Any]]:
    """PyFlink's functions: the vectorized one to both its halves in series, the async one to PyFlink's own."""
    add = results["throughput"].get("add", {})
    judged = []
    for what, limit, mine, halves in _FUNCTIONS:
        about: dict[str, Any] = {"what": f"rows a second of {what}", "target": f"{limit:g} or more"}
        try:
            turns = [add[name]["rows_a_second"]["turns"] for name in (mine, *halves)]
        except _MISSING:
            judged.append({**about, "measured": None, "met": None})
            continue
        ratios = sorted(rate * sum(1 / half for half in rest) for rate, *rest in zip(*turns, strict=False))
        measured = {"median": ratios[len(ratios) // 2], "low": ratios[0], "high": ratios[-1]}
        judged.append({**about, "measured": _text(measured), "met": measured["median"] >= limit})
    return judged


def _latency(results: Results) -> list[dict[str, Any]]:
    judged = []
    for contender, title in (("ml_predict", "ML_PREDICT"), ("mx_streaming", "m(x)")):
        about = {"what": f"latency that {title} adds at p50, one row at a time", "target": "1 ms or less"}
        try:
            at = results["latency"]["100"]
            turns = [at[name]["p50_ms_turns"] for name in (contender, "raw")]
        except _MISSING:
            judged.append({**about, "measured": None, "met": None})
            continue
        added = sorted(mine - raw for mine, raw in zip(*turns, strict=True))
        median = statistics.median(added)
        spread = f"{median:.2f} ms ({added[0]:.2f} to {added[-1]:.2f})"
        text = f"{spread}; p99: {at[contender]['p99_ms']:.1f} ms, raw's {at['raw']['p99_ms']:.1f} ms"
        judged.append({**about, "measured": text, "met": median <= 1})
    return judged


def _line(results: Results) -> list[dict[str, Any]]:
    about = {"what": "time over rows, from 10^5 on, warm", "target": "a straight line within the spread"}
    try:
        found = results["rows"]["line"]
        last = max(map(int, results["rows"]["seconds"]))
    except _MISSING:
        return [{**about, "measured": None, "met": None}]
    text = f"{found['us_a_row']:.2f} us a row to {last:,} rows; off by {found['off']:.1%}, spread {found['spread']:.1%}"
    return [{**about, "measured": text, "met": bool(found["off"] <= found["spread"])}]


def _memory(results: Results) -> list[dict[str, Any]]:
    about = {"what": "memory of an idle worker after open (USS)", "target": "80 MB or less"}
    try:
        found = results["footprint"]["uss_mb"]
    except _MISSING:
        return [{**about, "measured": None, "met": None}]
    return [{**about, "measured": f"{found['median']:.0f} MB", "met": found["median"] <= 80}]


def _planning(results: Results) -> list[dict[str, Any]]:
    judged = []
    for kind, title in (("function", "m(x)"), ("ml_predict", "ML_PREDICT")):
        about = {"what": f"planning of {title} beyond the same statement without a model", "target": "0.5 s or less"}
        try:
            found = results["planning"]
            without = found["without"]["median"]
            first, later = (found[f"{when}_{kind}"]["median"] - without for when in ("first", "later"))
        except _MISSING:
            judged.append({**about, "measured": None, "met": None})
            continue
        judged.append({**about, "measured": f"{first:.2f} s at first, {later:.2f} s later", "met": first <= 0.5})
    return judged


_EXPECTED = (
    ("ml_predict", "ML_PREDICT", 1.0),
    ("mx_streaming", "m(x) in streaming", 0.9),
    ("mx_batch", "m(x) in batch", 0.7),
)
_FUNCTIONS = (
    (
        "the vectorized function, to PyFlink's own and the core in series",
        0.8,
        "pandas",
        ("pandas_nothing", "core"),
    ),
    ("the async function, to PyFlink's own that does nothing", 10, "async", ("async_nothing",)),
)
_CPU_LIMITS = {"add": 1.0, "wide": 1.0, "text20": 1.0, "image_bytes": 1.1}
_RULES: Sequence[Callable[[Results], list[dict[str, Any]]]] = (
    _ratio("client CPU of the core alone, to raw's", "core", "client_cpu", {"add": 0.4}, at_most=True),
    _ratio("CPU a row of ML_PREDICT, to raw's", "ml_predict", "cpu", _CPU_LIMITS, at_most=True),
    _ratio("CPU a row of m(x), to raw's", "mx_streaming", "cpu", dict.fromkeys(_CPU_LIMITS, 1.1), at_most=True),
    _throughput,
    _functions,
    _ratio(
        "nothing set by the user, to everything tuned",
        "ml_predict",
        "rows_a_second",
        {"add": 0.95},
        at_most=False,
        other="ml_predict_tuned",
    ),
    _ratio(
        "rows a second of ML_PREDICT, to Flink's Java module",
        "ml_predict",
        "rows_a_second",
        {"add": 60, "wide": 50, "text20": 40, "image": 20},
        at_most=False,
        other="flink_module",
    ),
    _latency,
    _line,
    _memory,
    _planning,
)
