"""What the core counted, in the metric group of a PyFlink function.

PyFlink has no histogram: a distribution stands for each, and gauges for the latency's percentiles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from pyflink.metrics import Counter, Distribution, MetricGroup
from pyflink.table.udf import FunctionContext

from pyflink_triton.metrics import MetricDeltas

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
        self._gauges: dict[str, float] = {}
        self._latencies: deque[float] = deque(maxlen=_WINDOW)
        if self._group is not None:
            for percentile in _PERCENTILES:
                self._group.gauge(f"latency_p{percentile}", self._percentile(percentile))

    def feed(self, taken: MetricDeltas | None) -> None:
        """Add what ``Metrics.take`` handed over."""
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
