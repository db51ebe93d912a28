"""What the core counts: rows, HTTP calls and their times, handed on as deltas."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Metrics:
    """Counts since the last hand-over; not safe for threads: one event loop counts.

    Counters: ``requests``, ``success``, ``failure``, ``output_rows`` and ``default_values`` count rows,
    ``http_requests`` calls.
    Histograms: ``latency`` (one HTTP call, milliseconds), ``batch_size`` (rows of a call). Gauge: ``in_flight``.
    """

    def __init__(self) -> None:
        self._counters: Counter[str] = Counter()
        self._histograms: dict[str, list[float]] = {}
        self._in_flight = 0

    def begin(self, rows: int) -> None:
        """A call goes out with so many rows."""
        self._counters["http_requests"] += 1
        self._histograms.setdefault("batch_size", []).append(rows)
        self._in_flight += 1

    def end(self, seconds: float) -> None:
        """A call came back, or failed."""
        self._histograms.setdefault("latency", []).append(round(seconds * 1000, 3))
        self._in_flight -= 1

    def settle(self, rows: int, failed: int, answered: int = 0, defaults: int = 0) -> None:
        """A batch is done.

        Args:
            rows: Its rows that held no NULL.
            failed: Those of them that failed.
            answered: Those that failed and gave an output row all the same.
            defaults: Those that took the default value.
        """
        self._counters["requests"] += rows
        self._counters["success"] += rows - failed
        self._counters["failure"] += failed
        self._counters["output_rows"] += rows - failed + answered
        if defaults:
            self._counters["default_values"] += defaults

    def take(self) -> dict[str, Any] | None:
        """Hand over what was counted since the last time; None when nothing was."""
        if not self._counters and not self._histograms:
            return None
        taken = {
            "counters": dict(self._counters),
            "histograms": self._histograms,
            "gauges": {"in_flight": self._in_flight},
        }
        self._counters, self._histograms = Counter(), {}
        return taken
