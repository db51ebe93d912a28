"""Every fault of support/faults.py, made by a proxy in front of a real Triton: the rows, the calls, the metrics."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from deliveries import model, upstream
from fault_proxy import FaultProxy, full_queue, nobody
from faults import CASES, DOCUMENT, OPTIONS, PASS, POISON, Case, Step, document
from triton import Triton

from pyflink_triton.errors import JobError
from pyflink_triton.metric_table import ErrorClass

#: The class under which a fault of the connection is counted, and an answer by its status; the words count more.
OF_KIND = {"reset": "connection", "close": "connection", "hang": "timeout", "drip": "timeout", "raw": "protocol"}
OF_STATUS = {
    **dict.fromkeys((400, 409, 413, 422), "request"),
    **dict.fromkeys((401, 403), "access"),
    **dict.fromkeys((404, 502), "unavailable"),
    **dict.fromkeys((204, 301, 302, 307, 405, 501), "protocol"),
    **dict.fromkeys((429, 503), "overload"),
    **dict.fromkeys((500, 504, 507, 520), "model"),
    408: "timeout",
}


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
    server = upstream(triton.http_url)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(server, case.steps, case.always, case.poison))
        other = await stack.enter_async_context(FaultProxy(server))
        places = {"nobody": stack.enter_context(nobody()), "full_queue": stack.enter_context(full_queue())}
        endpoint = case.endpoint.format(proxy=proxy.url, other=other.url, **places)
        one = await stack.enter_async_context(model(endpoint, triton.http_url, **{**OPTIONS, **case.options}))
        began = time.monotonic()
        try:
            for rows in case.batches:
                prediction = await one.predict(*rows)
                outcome.answers += prediction.outputs.column(0).to_pylist()
                outcome.messages += prediction.errors.values()
        except JobError as error:
            outcome.failed_job = str(error)
        outcome.seconds = time.monotonic() - began
        outcome.logged = len(proxy.inferences) + len(other.inferences)
        outcome.counters, gauges = one.taken()
        outcome.in_flight = gauges["in_flight"]
    return outcome


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
def test_a_fault(case: Case, triton: Triton) -> None:
    outcome = asyncio.run(asyncio.wait_for(run(case, triton), 60))
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
    errors = {name: count for name, count in outcome.counters.items() if name.startswith("errors_")}
    if errors_of(case) is not None:
        assert errors == errors_of(case)
    assert outcome.in_flight == 0
    assert outcome.seconds >= case.seconds


def errors_of(case: Case) -> dict[str, int] | None:
    """What is counted of a case's failed calls; None where the proxy does not say it."""
    always = case.always is not PASS
    steps = [case.always] if always else [step for step in case.steps if step is not PASS]
    kinds = {error_class(step) for step in steps}
    if len(kinds) != 1 or None in kinds or case.calls is None or case.poison is not None:
        return None
    return {f"errors_{kinds.pop()}": case.calls if always else len(steps)}


def error_class(step: Step) -> str | None:
    if b"Stub process" in step.body:
        return "model"
    return OF_STATUS.get(step.status) if step.kind == "status" else OF_KIND.get(step.kind)


def test_the_class_of_many_faults_is_known() -> None:
    known = [errors_of(case) for case in CASES]
    assert len([errors for errors in known if errors is not None]) >= 50
    assert {name for errors in known for name in errors or ()} == {kind.metric for kind in ErrorClass}


def test_there_are_enough_faults_and_each_has_its_own_name() -> None:
    assert len({case.fault for case in CASES}) == len(CASES) >= 50


def test_the_table_in_the_docs_is_that_of_the_data() -> None:
    assert DOCUMENT.read_text() == document(), "run `make pages`"
