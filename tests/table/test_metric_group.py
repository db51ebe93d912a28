"""The metrics of a PyFlink function: all that are declared, by the names that REST gives to the shim's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyflink_triton.metric_table import METRICS, MetricType, names
from pyflink_triton.metrics import MetricDeltas
from pyflink_triton.table.metric_group import MetricFeed

PARTS = ("min", "max", "mean", "p50", "p95", "p99")


class Counter:
    def __init__(self) -> None:
        self.count: int | None = None

    def inc(self, by: int = 1) -> None:
        self.count = (self.count or 0) + by


class Group:
    """A metric group, as PyFlink's."""

    def __init__(self) -> None:
        self.counters: dict[str, Counter] = {}
        self.gauges: dict[str, Callable[[], int]] = {}

    def counter(self, name: str) -> Counter:
        return self.counters.setdefault(name, Counter())

    def gauge(self, name: str, value: Callable[[], int]) -> None:
        assert name not in self.gauges
        self.gauges[name] = value


class Context:
    """A function's context with its group; None: metrics are off."""

    def __init__(self, group: Group | None) -> None:
        self.group = group

    def get_metric_group(self) -> Any:
        if self.group is None:
            raise RuntimeError("Metric has not been enabled. You can enable metric with 'python.metric.enabled'.")
        return self.group


def deltas(samples: list[float]) -> MetricDeltas:
    """Something of each metric that is declared."""
    return {
        "counters": dict.fromkeys(names(MetricType.COUNTER), 2),
        "histograms": {name: list(samples) for name in names(MetricType.HISTOGRAM)},
        "gauges": dict.fromkeys(names(MetricType.GAUGE), 7),
    }


def test_each_declared_metric_arrives() -> None:
    group = Group()
    feed = MetricFeed(Context(group))
    feed.feed(deltas([1.0, 2.0, 30.4]))
    feed.feed(deltas([4.0]))
    feed.feed(None)
    counted = {name: counter.count for name, counter in group.counters.items()}
    shown = {name: value() for name, value in group.gauges.items()}
    assert counted == {
        **dict.fromkeys(names(MetricType.COUNTER), 4),
        **{f"{name}_samples": 4 for name in names(MetricType.HISTOGRAM)},
    }
    parts = dict(zip(PARTS, (1, 30, 9, 3, 26, 30), strict=True))
    assert shown == {
        **dict.fromkeys(names(MetricType.GAUGE), 7),
        **{f"{name}_{part}": value for name in names(MetricType.HISTOGRAM) for part, value in parts.items()},
    }
    assert not counted.keys() & shown.keys()
    assert not [name for name in counted if name.endswith("_count")], "what Prometheus has of a histogram of the shim's"
    assert not (counted.keys() | shown.keys()) & set(names(MetricType.HISTOGRAM)), "a histogram of the shim's"
    assert set(names(MetricType.COUNTER)) | set(names(MetricType.GAUGE)) <= METRICS.keys()


def test_nothing_is_fed_where_metrics_are_off() -> None:
    MetricFeed(Context(None)).feed(deltas([1.0]))
