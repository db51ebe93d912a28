"""Counts rows, calls and their times, and hands them on as deltas."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict

from pyflink_triton.metric_table import ErrorClass, MetricType, names
from pyflink_triton.process_usage import ProcessUsage


class MetricDeltas(TypedDict):
    """What was counted since the last hand-over: deltas of counters, samples, and the values of gauges."""

    counters: dict[str, int]
    histograms: dict[str, list[float]]
    gauges: dict[str, int]


class Metrics:
    """Counts since they were last taken. Only one event loop may use it, because it is not safe for threads.

    ``metric_table`` says what each metric means.

    Args:
        usage: Reads what the process uses. With it every counter is handed over from the start, as 0: a monitoring
            system sees no growth in a counter that begins above 0.
    """

    def __init__(self, usage: ProcessUsage | None = None) -> None:
        self._usage = usage
        self._counters: Counter[str] = Counter()
        self._is_announced = usage is None
        # What each call and each request changes is put together when it is handed over.
        self._calls: list[int] = []
        self._seconds: list[float] = []
        self._queued: list[float] = []
        self._first_responses: list[float] = []
        self._settled = 0
        self._rows = self._nulls = self._failed = self._answered = self._defaults = self._kept = 0
        self._in_flight = 0
        self._memory: int | None = None
        #: Of each model, where rows name theirs.
        self._breakers: dict[object, int] = {}
        self._batch_limits: dict[object, int] = {}
        self._cache_bytes: int | None = None
        self._gauges_changed = False
        #: Sequences that the server is taken to have; None for a stateless model.
        self.live_sequences: int | None = None

    def begin(self, rows: int) -> None:
        """A call goes out with so many rows."""
        self._calls.append(rows)
        self._in_flight += 1

    def end(self, seconds: float) -> None:
        """A call came back, or failed."""
        self._seconds.append(seconds)
        self._in_flight -= 1

    def queued(self, seconds: float) -> None:
        """A request is sent for the first time, whose first row came so long ago."""
        self._queued.append(seconds)

    def error(self, kind: ErrorClass) -> None:
        """A call failed."""
        self._counters[kind.metric] += 1

    def first_response(self, seconds: float) -> None:
        """The first response of a stream came."""
        self._first_responses.append(seconds)

    def stream(self, responses: int, *, cancelled: bool) -> None:
        """A stream that had begun has ended.

        Args:
            responses: How many responses came.
            cancelled: Whether it was ended here, and not by the server.
        """
        self._counters["responses"] += responses
        if cancelled:
            self._counters["cancelled"] += 1

    def count_tokens(self, tokens: int) -> None:
        """Rows were answered that report so many tokens."""
        self._counters["tokens"] += tokens

    def retry(self) -> None:
        """A call sends a request again."""
        self._counters["retries"] += 1

    def breaker(self, state: int, opened: int, whose: object = None) -> None:
        """Circuit breakers changed.

        Args:
            state: The worst endpoint's.
            opened: How many opened.
            whose: The endpoints of one model.
        """
        if opened:
            self._counters["circuit_breaker_openings"] += opened
        if state != self._breakers.get(whose):
            self._breakers[whose] = state
            self._gauges_changed = True

    def set_batch_limit(self, rows: int, whose: object = None) -> None:
        """Requests to one model have so many rows at the most."""
        if rows != self._batch_limits.get(whose):
            self._batch_limits[whose] = rows
            self._gauges_changed = True

    def forget(self, whose: object) -> None:
        """Show nothing of a model any more: of its endpoints, or of its limits."""
        for gauge in (self._breakers, self._batch_limits):
            if len(gauge) > 1 and gauge.pop(whose, None) is not None:
                self._gauges_changed = True

    def count_repeats(self, hits: int = 0, misses: int = 0) -> None:
        """Rows were answered with what an equal one was, or have to be sent, although there is a cache."""
        self._counters["cache_hits"] += hits
        self._counters["cache_misses"] += misses

    def set_cache_bytes(self, size: int) -> None:
        """Kept answers have so many bytes."""
        if size != self._cache_bytes:
            self._cache_bytes = size
            self._gauges_changed = True

    def reject(self, rows: int) -> None:
        """Rows have failed that are not sent."""
        self._counters["rejected_rows"] += rows

    def settle(
        self, rows: int, failed: int, answered: int = 0, defaults: int = 0, nulls: int = 0, kept: int = 0
    ) -> None:
        """A batch is done.

        Args:
            rows: Its rows that held no NULL, without those that are ``kept``.
            failed: Those of them that failed.
            answered: Those that failed and gave an output row all the same.
            defaults: Those that took the default value.
            nulls: The rows that held a NULL.
            kept: The rows for which nothing was asked, because an equal one was answered.
        """
        self._settled += 1
        self._rows += rows
        self._nulls += nulls
        self._kept += kept
        if failed:
            self._failed += failed
            self._answered += answered
            self._defaults += defaults

    def lose_sequence(self) -> None:
        """A sequence was lost before its end."""
        self._counters["sequences_lost"] += 1

    def take(self) -> MetricDeltas | None:
        """Hand over what was counted since the last time; None when nothing was."""
        self._read_usage()
        counters, histograms = self._take_counters(), self._take_histograms()
        if not counters and not histograms and not self._gauges_changed:
            return None
        self._gauges_changed = False
        gauges = {
            "in_flight": self._in_flight,
            "circuit_breaker_state": max(self._breakers.values(), default=None),
            "batch_limit": min(self._batch_limits.values(), default=None),
            "live_sequences": self.live_sequences,
            "cache_bytes": self._cache_bytes,
            "worker_memory": self._memory,
        }
        known = {name: value for name, value in gauges.items() if value is not None}
        return {"counters": counters, "histograms": histograms, "gauges": known}

    def _read_usage(self) -> None:
        used = None if self._usage is None else self._usage.read()
        if used is not None:
            self._memory, spent = used
            self._counters["worker_cpu_time"] += spent
            self._gauges_changed = True

    def _take_counters(self) -> dict[str, int]:
        counters = dict(self._counters)
        if not self._is_announced:
            self._is_announced = True
            counters = {**dict.fromkeys(names(MetricType.COUNTER), 0), **counters}
        if self._calls:
            counters["http_requests"] = len(self._calls)
        if self._settled:
            good = self._rows - self._failed
            counters |= {"requests": self._rows, "success": good, "failure": self._failed}
            counters["output_rows"] = good + self._answered + self._kept
            if self._nulls:
                counters["null_rows"] = self._nulls
            if self._defaults:
                counters["default_values"] = self._defaults
        self._counters.clear()
        self._settled = self._rows = self._nulls = self._failed = self._answered = self._defaults = self._kept = 0
        return counters

    def _take_histograms(self) -> dict[str, list[float]]:
        samples: dict[str, list[float]] = {
            "batch_size": list(self._calls),
            "latency": _milliseconds(self._seconds),
            "queue_time": _milliseconds(self._queued),
            "first_response_latency": _milliseconds(self._first_responses),
        }
        self._calls, self._seconds, self._queued, self._first_responses = [], [], [], []
        return {name: values for name, values in samples.items() if values}


def _milliseconds(seconds: list[float]) -> list[float]:
    return [round(each * 1000, 3) for each in seconds]
