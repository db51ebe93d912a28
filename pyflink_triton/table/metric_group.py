"""The core's metrics, in the metric group of a PyFlink function.

PyFlink has no histogram, and its distributions are nothing that a reporter of Flink's can write. So a histogram becomes
a counter and gauges, as Flink's REST interface shows the parts of a histogram. The counter does not end in `_count`:
Flink's Prometheus reporter would lose it where a histogram of that name is in the same process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from pyflink.metrics import Counter, MetricGroup
from pyflink.table.udf import FunctionContext

from pyflink_triton.metric_table import MetricType, names
from pyflink_triton.metrics import MetricDeltas

#: The gauges are of so many of the latest samples.
_WINDOW = 1024
_PERCENTILES = (50, 95, 99)
_PARTS = ("min", "max", "mean", *(f"p{percentile}" for percentile in _PERCENTILES))


class MetricFeed:
    """Feeds a metric group; used from the bundle's thread alone, because PyFlink binds metrics to it.

    Args:
        context: Has the metric group. Nothing is fed where PyFlink's metrics are off.
    """

    def __init__(self, context: FunctionContext) -> None:
        self._group = _group(context)
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, _Histogram] = {}
        self._gauges: dict[str, float] = {}
        if self._group is not None:
            self._counters = {name: self._group.counter(name) for name in names(MetricType.COUNTER)}

    def feed(self, taken: MetricDeltas | None) -> None:
        """Add the counts that ``Metrics.take`` returned."""
        if taken is None or self._group is None:
            return
        for name, delta in taken["counters"].items():
            self._counters[name].inc(delta)
        for name, samples in taken["histograms"].items():
            if name not in self._histograms:
                self._histograms[name] = _Histogram(self._group, name)
            self._histograms[name].update(samples)
        for name, value in taken["gauges"].items():
            if name not in self._gauges:
                self._group.gauge(name, self._gauge(name))
            self._gauges[name] = value

    def _gauge(self, name: str) -> Callable[[], int]:
        return lambda: round(self._gauges[name])


class _Histogram:
    """What stands for a histogram: a counter of its samples, and gauges of the latest."""

    def __init__(self, group: MetricGroup, name: str) -> None:
        self._samples: deque[float] = deque(maxlen=_WINDOW)
        self._parts: dict[str, int] = {}
        self._count = group.counter(f"{name}_samples")
        for part in _PARTS:
            group.gauge(f"{name}_{part}", self._gauge(part))

    def update(self, samples: Sequence[float]) -> None:
        self._count.inc(len(samples))
        self._samples.extend(samples)
        self._parts.clear()

    def _gauge(self, part: str) -> Callable[[], int]:
        return lambda: self._computed()[part]

    def _computed(self) -> dict[str, int]:
        """All parts: they are asked for one after the other, at the end of a bundle."""
        if not self._parts:
            samples = np.array(self._samples)
            values = (samples.min(), samples.max(), samples.mean(), *np.percentile(samples, _PERCENTILES))
            self._parts.update({part: round(float(value)) for part, value in zip(_PARTS, values, strict=True)})
        return self._parts


def _group(context: FunctionContext) -> MetricGroup | None:
    try:
        return context.get_metric_group()
    except RuntimeError:  # python.metric.enabled is false
        return None
