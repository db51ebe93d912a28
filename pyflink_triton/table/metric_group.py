"""The core's metrics, in the metric group of a PyFlink function.

PyFlink has no histogram: each is a distribution, and gauges show the percentiles of the latency.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from pyflink.metrics import Counter, Distribution, MetricGroup
from pyflink.table.udf import FunctionContext

from pyflink_triton.metrics import MetricDeltas

#: The percentiles are those of so many of the latest HTTP requests.
_WINDOW = 1024
_PERCENTILES = (50, 95, 99)


class MetricFeed:
    """Feeds a metric group; used from the bundle's thread alone, because PyFlink binds metrics to it.

    Args:
        context: Has the metric group. Nothing is fed where PyFlink's metrics are off.
    """

    def __init__(self, context: FunctionContext) -> None:
        self._group = _group(context)
        self._counters: dict[str, Counter] = {}
        self._distributions: dict[str, Distribution] = {}
        self._gauges: dict[str, float] = {}
        self._latencies: deque[float] = deque(maxlen=_WINDOW)
        if self._group is not None:
            for percentile in _PERCENTILES:
                self._group.gauge(f"latency_p{percentile}", self._percentile(percentile))

    def feed(self, taken: MetricDeltas | None) -> None:
        """Add the counts that ``Metrics.take`` returned."""
        if taken is None or self._group is None:
            return
        for name, delta in taken["counters"].items():
            if name not in self._counters:
                self._counters[name] = self._group.counter(name)
            self._counters[name].inc(delta)
        for name, samples in taken["histograms"].items():
            if name not in self._distributions:
                self._distributions[name] = self._group.distribution(name)
            for sample in samples:
                self._distributions[name].update(round(sample))
        self._latencies.extend(taken["histograms"].get("latency", ()))
        for name, value in taken["gauges"].items():
            if name not in self._gauges:
                self._group.gauge(name, self._gauge(name))
            self._gauges[name] = value

    def _gauge(self, name: str) -> Callable[[], int]:
        return lambda: round(self._gauges[name])

    def _percentile(self, percentile: int) -> Callable[[], int]:
        return lambda: round(float(np.percentile(self._latencies, percentile))) if self._latencies else 0


def _group(context: FunctionContext) -> MetricGroup | None:
    try:
        return context.get_metric_group()
    except RuntimeError:  # python.metric.enabled is false
        return None
