"""Every fault of tests/faults.py, made by a proxy in front of a real Triton: the rows, the calls, the metrics."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from fault_proxy import FaultProxy, blackhole, nobody
from faults import CASES, DOCUMENT, OPTIONS, POISON, Case, document
from triton import Triton

from pyflink_triton.client import Client
from pyflink_triton.delivery import Delivery
from pyflink_triton.errors import JobError
from pyflink_triton.mapping import Column, map_columns
from pyflink_triton.metrics import Metrics
from pyflink_triton.option_parsing import parse_options
from pyflink_triton.predictor import Predictor

MODEL = "fails"
X, Y = [Column.parse("x", "BIGINT")], [Column.parse("y", "BIGINT")]


@dataclass
class Outcome:
    answers: list[int | None] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    failed_job: str | None = None
    counters: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    logged: int = 0
    seconds: float = 0.0


async def run(case: Case, triton: Triton) -> Outcome:
    """Send a case's rows through a predictor and a delivery of their own."""
    outcome = Outcome()
    address = urlsplit(triton.http_url)
    upstream = (address.hostname or "", address.port or 80)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(upstream, case.steps, case.always, case.poison))
        other = await stack.enter_async_context(FaultProxy(upstream))
        places = {"proxy": proxy.url, "other": other.url}
        places["nobody"] = stack.enter_context(nobody())
        places["blackhole"] = stack.enter_context(blackhole())
        options = parse_options(
            {**OPTIONS, **case.options, "endpoint": case.endpoint.format(**places), "model-name": MODEL}
        )
        async with Client(parse_options({"endpoint": triton.http_url, "model-name": MODEL})) as direct:
            signature = await direct.signature()
        client = await stack.enter_async_context(Client(options))
        metrics = Metrics()
        delivery = Delivery(options, client.transport, metrics)
        stack.push_async_callback(delivery.close)
        if options.max_batch_size is not None:
            signature = type(signature)(**{**vars(signature), "max_batch_size": options.max_batch_size})
        predictor = Predictor(delivery, signature, map_columns(signature, X, Y, None), options, metrics)
        began = time.monotonic()
        try:
            for rows in case.batches:
                batch = pa.record_batch([pa.array(list(rows), pa.int64())], names=["c0"])
                prediction = await predictor.predict(batch)
                outcome.answers += prediction.outputs.column(0).to_pylist()
                outcome.messages += prediction.errors.values()
        except JobError as error:
            outcome.failed_job = str(error)
        outcome.seconds = time.monotonic() - began
        outcome.logged = len(proxy.inferences) + len(other.inferences)
        taken = metrics.take()
        assert taken is not None
        outcome.counters.update(taken["counters"])
        outcome.in_flight = taken["gauges"]["in_flight"]
        assert len(taken["histograms"]["latency"]) == outcome.counters["http_requests"]
    return outcome


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
def test_a_fault(case: Case, triton: Triton) -> None:
    outcome = asyncio.run(asyncio.wait_for(run(case, triton), 30))
    rows = [x for batch in case.batches for x in batch]
    assert (outcome.failed_job is not None) == case.job, outcome.failed_job
    if case.job:
        assert outcome.failed_job is not None
        assert case.message in outcome.failed_job
        assert len(outcome.failed_job) < 700
    else:
        assert len(outcome.messages) == case.failed
        wrong = [(x, y) for x, y in zip(rows, outcome.answers, strict=True) if y is not None and y != x]
        assert wrong == []
        assert outcome.answers.count(None) == case.failed
        if case.failed < case.rows and case.failed:
            assert all(x == POISON or y == x for x, y in zip(rows, outcome.answers, strict=True)) or not case.poison
        assert not case.message or any(case.message in message for message in outcome.messages), outcome.messages
        assert outcome.counters["requests"] == case.rows
        assert outcome.counters["failure"] == case.failed
        assert outcome.counters["success"] == case.rows - case.failed
    if case.calls is not None:
        assert outcome.counters["http_requests"] == case.calls
        assert outcome.logged == case.calls - case.unlogged
    if case.retries is not None:
        assert outcome.counters["retries"] == case.retries
    assert outcome.counters["circuit_breaker_openings"] == case.openings
    assert outcome.in_flight == 0
    assert outcome.seconds >= case.seconds


def test_there_are_enough_faults_and_each_has_its_own_name() -> None:
    assert len({case.fault for case in CASES}) == len(CASES) >= 50


def test_the_table_in_the_docs_is_that_of_the_data() -> None:
    assert DOCUMENT.read_text() == document(), "run `python tests/faults.py`"
