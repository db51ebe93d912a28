"""The picture of a run: two floats, rows a second and CPU a row of each contender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

PARTS = {
    "server": ("Triton", "#9aa5b1"),
    "jvm": ("JVM", "#e07a3f"),
    "worker": ("worker", "#3b7dd8"),
    "client": ("client", "#4caf7d"),
}
#: Their CPU would make the others' bars too short to compare.
_SLOW = ("flink_module", "by_hand")
_THEIRS, _MEASURE, _OURS = "#e07a3f", "#9aa5b1", "#3b7dd8"
_COLORS = {
    **dict.fromkeys(_SLOW, _THEIRS),
    **dict.fromkeys(("raw", "limit", "ml_predict_nothing", "mx_nothing", "pandas_nothing", "async_nothing"), _MEASURE),
}


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw a run.

    Args:
        results: Its results.
        path: The SVG to write. The same results make the same file.
    """
    mpl.rcParams["svg.hashsalt"] = "pyflink-triton"
    found = {name: each for name, each in results["throughput"].get("add", {}).items() if "rows_a_second" in each}
    figure = Figure(figsize=(12, 0.42 * len(found) + 1.6))
    left, right = figure.subplots(1, 2, sharey=True)
    left.set_yticks(range(len(found)), [each["title"] for each in found.values()])
    left.invert_yaxis()
    _rates(left, found)
    _cpu(right, found)
    about = results["machine"]
    figure.suptitle(f"Two floats a row, {about['cores']} cores shared by all ({about['date']})", fontsize=11)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _rates(axes: Axes, found: Mapping[str, Any]) -> None:
    for index, (name, each) in enumerate(found.items()):
        rate = each["rows_a_second"]
        error = [[rate["median"] - rate["low"]], [rate["high"] - rate["median"]]]
        axes.barh(index, rate["median"], xerr=error, color=_COLORS.get(name, _OURS), ecolor="#444444", capsize=2)
    if "raw" in found:
        axes.axvline(found["raw"]["rows_a_second"]["median"], color="#444444", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set_xlabel("rows a second, median of the turns with the lowest and the highest (logarithmic)", fontsize=8)


def _cpu(axes: Axes, found: Mapping[str, Any]) -> None:
    """Bars of CPU a row by part; those of the slow ones are cut, and their figures say how long they are."""
    micros = {
        name: {part: each["cpu_us_a_row"][part]["median"] for part in PARTS if part in each["cpu_us_a_row"]}
        for name, each in found.items()
    }
    end = 1.15 * max([sum(parts.values()) for name, parts in micros.items() if name not in _SLOW] or [1.0])
    for index, parts in enumerate(micros.values()):
        start = 0.0
        for part, length in parts.items():
            axes.barh(index, max(0.0, min(length, end - start)), left=min(start, end), color=PARTS[part][1])
            start += length
        axes.text(min(start, end) + 0.01 * end, index, f"{start:.1f}", va="center", fontsize=8)
    axes.set_xlim(0, end * 1.1)
    axes.set_xlabel("µs of CPU a row, of all processes", fontsize=8)
    axes.legend(handles=[Patch(color=color, label=label) for label, color in PARTS.values()], fontsize=8)
