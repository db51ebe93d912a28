"""Counts rows, calls and their times, and hands them on as deltas."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict


class MetricDeltas(TypedDict):
    """What was counted since the last hand-over: deltas of counters, samples, and the values of gauges."""

    counters: dict[str, int]
    histograms: dict[str, list[float]]
    gauges: dict[str, int]


class Metrics:
    """Counts since they were last taken. Only one event loop may use it, because it is not safe for threads.

    Counters: ``requests``, ``success``, ``failure``, ``output_rows`` and ``default_values`` count rows;
    ``http_requests`` counts inference calls, ``retries`` those of them that sent a request again,
    ``circuit_breaker_openings`` outages: a breaker that opens again from half-open is still in the same one;
    ``sequences_lost`` counts sequences that had not ended.
    Histograms: ``latency`` (one HTTP call, milliseconds), ``batch_size`` (rows of a call).
    Gauges: ``in_flight``; ``circuit_breaker_state`` (0 closed, 1 half-open, 2 open; the worst endpoint's), only
    where there is a breaker; ``live_sequences``, only of a stateful model; ``batch_limit`` (rows in a request at the
    most, at the endpoint that takes the fewest), only of a model with a batch axis.
    """

    def __init__(self) -> None:
        self._counters: Counter[str] = Counter()
        self._histograms: dict[str, list[float]] = {}
        self._in_flight = 0
        self._breaker: int | None = None
        self._batch_limit: int | None = None
        self._gauges_changed = False
        #: Sequences that the server is taken to have; None for a stateless model.
        self.live_sequences: int | None = None

    def begin(self, rows: int) -> None:
        """A call goes out with so many rows."""
        self._counters["http_requests"] += 1
        self._histograms.setdefault("batch_size", []).append(rows)
        self._in_flight += 1

    def end(self, seconds: float) -> None:
        """A call came back, or failed."""
        self._histograms.setdefault("latency", []).append(round(seconds * 1000, 3))
        self._in_flight -= 1

    def retry(self) -> None:
        """A call sends a request again."""
        self._counters["retries"] += 1

    def breaker(self, state: int, opened: int) -> None:
        """Circuit breakers changed.

        Args:
            state: The worst endpoint's.
            opened: How many opened.
        """
        if opened:
            self._counters["circuit_breaker_openings"] += opened
        if state != self._breaker:
            self._breaker = state
            self._gauges_changed = True

    def set_batch_limit(self, rows: int) -> None:
        """Requests have so many rows at the most."""
        if rows != self._batch_limit:
            self._batch_limit = rows
            self._gauges_changed = True

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

    def lose_sequence(self) -> None:
        """A sequence was lost before its end."""
        self._counters["sequences_lost"] += 1

    def take(self) -> MetricDeltas | None:
        """Hand over what was counted since the last time; None when nothing was."""
        if not self._counters and not self._histograms and not self._gauges_changed:
            return None
        gauges = {"in_flight": self._in_flight}
        if self._breaker is not None:
            gauges["circuit_breaker_state"] = self._breaker
        if self._batch_limit is not None:
            gauges["batch_limit"] = self._batch_limit
        if self.live_sequences is not None:
            gauges["live_sequences"] = self.live_sequences
        taken: MetricDeltas = {"counters": dict(self._counters), "histograms": self._histograms, "gauges": gauges}
        self._counters, self._histograms, self._gauges_changed = Counter(), {}, False
        return taken
