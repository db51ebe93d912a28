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
    Of decoupled models: the counters ``responses`` and ``cancelled`` (streams that were ended here), and the histogram
    ``first_response_latency`` (milliseconds). ``tokens`` counts what the option `tokens-column` names.
    Gauges: ``in_flight``; ``circuit_breaker_state`` (0 closed, 1 half-open, 2 open; the worst endpoint's), only
    where there is a breaker; ``live_sequences``, only of a stateful model; ``batch_limit`` (rows in a request at the
    most, at the endpoint that takes the fewest), only of a model with a batch axis.
    """

    def __init__(self) -> None:
        self._counters: Counter[str] = Counter()
        # What each call and each request changes is put together when it is handed over.
        self._calls: list[int] = []
        self._seconds: list[float] = []
        self._first_responses: list[float] = []
        self._settled = 0
        self._rows = self._failed = self._answered = self._defaults = 0
        self._in_flight = 0
        self._breaker: int | None = None
        self._batch_limit: int | None = None
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

    def first_response(self, seconds: float) -> None:
        """The first response of a stream came."""
        self._first_responses.append(round(seconds * 1000, 3))

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
        self._settled += 1
        self._rows += rows
        if failed:
            self._failed += failed
            self._answered += answered
            self._defaults += defaults

    def lose_sequence(self) -> None:
        """A sequence was lost before its end."""
        self._counters["sequences_lost"] += 1

    def take(self) -> MetricDeltas | None:
        """Hand over what was counted since the last time; None when nothing was."""
        counters, histograms = self._take_counters(), self._take_histograms()
        if not counters and not histograms and not self._gauges_changed:
            return None
        self._gauges_changed = False
        gauges = {"in_flight": self._in_flight}
        if self._breaker is not None:
            gauges["circuit_breaker_state"] = self._breaker
        if self._batch_limit is not None:
            gauges["batch_limit"] = self._batch_limit
        if self.live_sequences is not None:
            gauges["live_sequences"] = self.live_sequences
        return {"counters": counters, "histograms": histograms, "gauges": gauges}

    def _take_counters(self) -> dict[str, int]:
        counters = dict(self._counters)
        if self._calls:
            counters["http_requests"] = len(self._calls)
        if self._settled:
            good = self._rows - self._failed
            counters |= {"requests": self._rows, "success": good, "failure": self._failed}
            counters["output_rows"] = good + self._answered
            if self._defaults:
                counters["default_values"] = self._defaults
        self._counters.clear()
        self._settled = self._rows = self._failed = self._answered = self._defaults = 0
        return counters

    def _take_histograms(self) -> dict[str, list[float]]:
        latency = [round(seconds * 1000, 3) for seconds in self._seconds]
        samples: dict[str, list[float]] = {"batch_size": list(self._calls), "latency": latency}
        if self._first_responses:
            samples["first_response_latency"], self._first_responses = self._first_responses, []
        self._calls, self._seconds = [], []
        return {name: values for name, values in samples.items() if values}
