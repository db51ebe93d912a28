"""What the core counted, in the metric group of a PyFlink function.

PyFlink has no histogram: a distribution stands for each, and levels for the latency's percentiles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from pyflink.metrics import Counter, Distribution, MetricGroup
from pyflink.table.udf import FunctionContext

#: Calls that the percentiles look back on.
_WINDOW = 1024
_PERCENTILES = (50, 95, 99)


class MetricFeed:
    """Feeds a metric group; used from the thread of Flink's bundle alone, to which PyFlink's metrics are bound.

    Args:
        context: Where the group is from; nothing is fed where PyFlink's metrics are off.
    """

    def __init__(self, context: FunctionContext) -> None:
        self._group = _group(context)
        self._counters: dict[str, Counter] = {}
        self._distributions: dict[str, Distribution] = {}
        self._levels: dict[str, int] = {}
        self._latencies: deque[float] = deque(maxlen=_WINDOW)

    def feed(self, taken: Mapping[str, Any] | None) -> None:
        """Add what ``Metrics.take`` handed over."""
        if taken is None or self._group is None:
            return
        for name, delta in taken["counters"].items():
            self._count(name, delta)
        for name, samples in taken["histograms"].items():
            if name not in self._distributions:
                self._distributions[name] = self._group.distribution(name)
            for sample in samples:
                self._distributions[name].update(round(sample))
        for name, value in taken["gauges"].items():
            self._set(name, value)
        latencies = taken["histograms"].get("latency", ())
        if latencies:
            self._latencies.extend(latencies)
            for percentile, value in zip(_PERCENTILES, np.percentile(self._latencies, _PERCENTILES), strict=True):
                self._set(f"latency_p{percentile}", value)

    def _count(self, name: str, delta: int) -> None:
        assert self._group is not None
        if name not in self._counters:
            self._counters[name] = self._group.counter(name)
        self._counters[name].inc(delta)

    def _set(self, name: str, value: float) -> None:
        """Show a level as a counter that goes up and down: with any gauge PyFlink 2.3 shows no metric at all."""
        level = round(value)
        self._count(name, level - self._levels.get(name, 0))
        self._levels[name] = level


def _group(context: FunctionContext) -> MetricGroup | None:
    try:
        return context.get_metric_group()
    except RuntimeError:  # python.metric.enabled is false
        return None
