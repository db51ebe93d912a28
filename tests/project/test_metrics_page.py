"""The table of metrics in the docs, and what both front ends are tested against, come from the declaration.

Run this file as a program to write them again.
"""

from __future__ import annotations

import json
import re
import time

import pytest
from places import ROOT

from pyflink_triton.delivery.failure_policy import BEHAVIOURS
from pyflink_triton.metric_table import METRICS, ErrorClass, Metric, MetricType
from pyflink_triton.metrics import Metrics
from pyflink_triton.process_usage import ProcessUsage
from pyflink_triton.protocol.failures import Cause, Fault

PAGE = ROOT / "docs" / "metrics.md"
#: What the shim's test reads.
FOR_THE_SHIM = ROOT / "java-shim" / "src" / "test" / "resources" / "metrics.json"
BEGIN, END = "<!-- metrics: written by `make pages` -->\n", "<!-- /metrics -->"


def table() -> str:
    rows = ["| metric | type | unit | what |", "| --- | --- | --- | --- |"]
    rows += [f"| `{each.name}` | {each.type.value} | {each.unit} | {each.meaning} |" for each in METRICS.values()]
    return "\n".join(rows)


def written(text: str) -> str:
    begin = text.index(BEGIN) + len(BEGIN)
    return f"{text[:begin]}{table()}\n{text[text.index(END) :]}"


def for_the_shim() -> str:
    types = {each.name: each.type.value for each in METRICS.values()}
    return f"{json.dumps(types, indent=2)}\n"


def test_the_table_is_that_of_the_declaration() -> None:
    assert PAGE.read_text() == written(PAGE.read_text()), "run `make pages`"


def test_the_shim_is_tested_with_the_metrics_of_the_declaration() -> None:
    assert FOR_THE_SHIM.read_text() == for_the_shim(), "run `make pages`"


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_metric_can_be_a_name_in_prometheus_and_has_a_sentence(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", metric.name)
    assert metric.meaning.endswith(".")
    assert metric.unit


def test_each_declared_metric_is_counted_and_no_other() -> None:
    metrics = Metrics(ProcessUsage())
    metrics.begin(3)
    metrics.end(0.1)
    metrics.queued(0.1)
    metrics.first_response(0.1)
    metrics.breaker(1, 1)
    metrics.set_batch_limit(8)
    metrics.set_cache_bytes(100)
    metrics.live_sequences = 1
    taken = metrics.take()
    assert taken is not None
    types = {
        **dict.fromkeys(taken["counters"], MetricType.COUNTER),
        **dict.fromkeys(taken["histograms"], MetricType.HISTOGRAM),
        **dict.fromkeys(taken["gauges"], MetricType.GAUGE),
    }
    assert types == {each.name: each.type for each in METRICS.values()}


def test_what_is_counted_later_has_a_declared_name() -> None:
    metrics = Metrics()
    for kind in ErrorClass:
        metrics.error(kind)
    metrics.stream(2, cancelled=True)
    metrics.count_tokens(7)
    metrics.retry()
    metrics.reject(1)
    metrics.lose_sequence()
    metrics.breaker(2, 1)
    metrics.count_repeats(hits=2, misses=3)
    metrics.settle(3, 1, answered=1, defaults=1, nulls=4, kept=2)
    taken = metrics.take()
    assert taken is not None
    assert taken["counters"] == {
        **{kind.metric: 1 for kind in ErrorClass},
        "responses": 2,
        "cancelled": 1,
        "tokens": 7,
        "retries": 1,
        "rejected_rows": 1,
        "sequences_lost": 1,
        "circuit_breaker_openings": 1,
        "requests": 3,
        "success": 2,
        "failure": 1,
        "output_rows": 5,
        "cache_hits": 2,
        "cache_misses": 3,
        "default_values": 1,
        "null_rows": 4,
    }
    assert taken["counters"].keys() <= METRICS.keys()


def test_every_failure_of_a_call_has_a_class() -> None:
    assert BEHAVIOURS.keys() == {*Fault, *Cause}
    assert {behaviour.kind for behaviour in BEHAVIOURS.values()} == set(ErrorClass)


def test_what_was_used_before_a_model_is_not_its() -> None:
    usage = ProcessUsage()
    while time.process_time() < 0.2:
        pass
    usage.begin()
    _, used = usage.read() or (0, 1000)
    assert used < 1000 * time.process_time() - 100


def test_usage_is_read_once_a_second() -> None:
    now = [5.0]
    usage = ProcessUsage(lambda: now[0])
    memory, first = usage.read() or (0, 0)
    assert memory > 10 << 20
    assert first > 0
    now[0] = 5.9
    assert usage.read() is None
    now[0] = 6.0
    _, since = usage.read() or (0, -1)
    assert 0 <= since < 10_000


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    FOR_THE_SHIM.write_text(for_the_shim())
