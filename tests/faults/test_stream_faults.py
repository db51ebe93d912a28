"""Streams that break in the middle, stop, or never begin: rows, requests and time in the core, against real servers."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import pyarrow as pa
import pytest
from deliveries import upstream
from fault_proxy import FaultProxy
from faults import PASS, Step, triton_says
from scripted import Outcome, Scripted, ScriptModel, delayed, part, parts, script_model, scripted, stream, until
from shim import Shim
from soak import some

from pyflink_triton.remedies import Remedy

__all__ = ["scripted"]

Start = Callable[[], Scripted]
QUICK = {"retry_initial_backoff": "20 ms", "retry_max_backoff": "100 ms", "max_retries": "3"}
#: What a test waits for at the most.
LIMIT_SECONDS = 90


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, LIMIT_SECONDS))


async def meanwhile(
    prediction: Awaitable[Outcome], servers: Sequence[Scripted], answered: int, fault: Callable[[], object]
) -> Outcome:
    """Make a fault once so many streams have answered once."""
    task = asyncio.ensure_future(prediction)
    try:
        await until(lambda: sum(server.noted("answered") for server in servers) == answered, 20, "streams under way")
        await asyncio.get_running_loop().run_in_executor(None, fault)
        return await task
    finally:
        task.cancel()


#: What a row becomes whose model is dead, for each policy: its outputs, and whether its message is in a column.
POLICIES: dict[str, tuple[dict[str, str], list[Any]]] = {
    "fail": ({}, [[None], [None]]),
    "default": ({"default_value": "none"}, [["none"], [None]]),
    "error column": ({"error_column": "why"}, [[None], [None]]),
    "both": ({"default_value": "none", "error_column": "why"}, [["none"], [None]]),
}


@pytest.mark.parametrize("policy", some(list(POLICIES), 2))
def test_a_backend_that_dies_in_mid_stream_fails_its_rows_by_their_policy(policy: str, scripted: Start) -> None:
    """The streams hang until `timeout`; then each call says that the backend is dead, a second after the one before."""
    server = scripted()
    options, outputs = POLICIES[policy]

    async def main() -> None:
        async with script_model(server.url, timeout="3 s", **{**QUICK, "max_retries": "2"}, **options) as model:
            scripts = [stream(n, 3, between=0.8) for n in range(2)]
            outcome = await meanwhile(model.predict(scripts), [server], 2, server.kill_backend)
            assert [row[:2] for row in outcome.rows] == [outputs] * 2
            messages = list(outcome.errors.values()) if policy == "fail" else [row[-1] for row in outcome.rows]
            if policy != "default":
                assert all("Stub process 'script" in message for message in messages), messages
                assert all("'max-retries' is 2" in message for message in messages), messages
            assert outcome.seconds >= 3.0
            assert outcome.counted["cancelled"] == 2
            assert outcome.counted["retries"] == 2 * 2

    run(main())


def test_rows_of_a_backend_that_died_are_answered_by_the_other_endpoint(scripted: Start) -> None:
    servers = [scripted(), scripted()]
    dead, alive = servers

    async def main() -> None:
        endpoints = ",".join(server.url for server in servers)
        async with script_model(endpoints, timeout="2 s", **QUICK) as model:
            scripts = [stream(n, 3, between=0.8) for n in range(24)]
            outcome = await meanwhile(model.predict(scripts), servers, 24, dead.kill_backend)
            lost = dead.noted("begun")
            assert 8 <= lost <= 16
            assert outcome.errors == {}
            assert outcome.rows == [[parts(n, 3), [0, 1, 2]] for n in range(24)]
            assert alive.noted("begun") == 24
            assert outcome.counted["errors_timeout"] == lost
            # Rows that come later cost no time-out, because a dead backend says so.
            later = await model.predict([stream(n, 2, between=0.1) for n in range(100)])
            assert later.rows == [[parts(n, 2), [0, 1]] for n in range(100)]
            assert later.counted["errors_timeout"] == 0
            assert later.counted["retries"] < 20

    run(main())


def test_a_breaker_holds_rows_back_until_the_backend_is_back(scripted: Start) -> None:
    server = scripted()
    breaker = {"circuit_breaker_enabled": "true", "circuit_breaker_timeout": "1 s"}

    async def main() -> None:
        async with script_model(server.url, timeout="2 s", total_timeout="60 s", **QUICK, **breaker) as model:
            scripts = [stream(n, 3, between=0.8) for n in range(24)]

            def kill_and_bring_back() -> None:
                server.kill_backend()
                time.sleep(3.5)  # the streams run into their time-outs, and the breaker opens
                assert server.triton.server is not None
                server.triton.server.kill()
                server.triton.server.start()

            outcome = await meanwhile(model.predict(scripts), [server], 24, kill_and_bring_back)
            assert outcome.errors == {}
            assert outcome.rows == [[parts(n, 3), [0, 1, 2]] for n in range(24)]
            assert outcome.counted["circuit_breaker_openings"] == 1

    run(main())


def test_with_a_default_no_row_waits_for_an_open_breaker(scripted: Start) -> None:
    server = scripted()
    breaker = {"circuit_breaker_enabled": "true", "circuit_breaker_timeout": "60 s"}

    async def main() -> None:
        async with script_model(server.url, timeout="2 s", default_value="none", **QUICK, **breaker) as model:
            scripts = [stream(n, 3, between=0.8) for n in range(24)]
            outcome = await meanwhile(model.predict(scripts), [server], 24, server.kill_backend)
            assert outcome.rows == [[["none"], [None]]] * 24
            assert outcome.seconds < 30.0
            later = await model.predict(scripts)
            assert later.rows == [[["none"], [None]]] * 24
            assert later.counted["http_requests"] == 0
            assert later.seconds < 30.0

    run(main())


@pytest.mark.parametrize("endpoints", [1, 2])
def test_a_server_killed_in_mid_stream_costs_its_absence_and_no_part(endpoints: int, scripted: Start) -> None:
    servers = [scripted() for _ in range(endpoints)]
    killed = servers[0].triton.server
    assert killed is not None

    async def main() -> None:
        async with script_model(",".join(server.url for server in servers), timeout="10 s", **QUICK) as model:
            scripts = [stream(n, 4, between=0.4) for n in range(30)]

            def kill() -> None:
                killed.kill()
                if endpoints == 1:
                    killed.start()

            outcome = await meanwhile(model.predict(scripts), servers, 30, kill)
            assert outcome.errors == {}
            assert outcome.rows == [[parts(n, 4), [0, 1, 2, 3]] for n in range(30)]
            assert outcome.counted["retries"] >= 30 / endpoints / 2
            assert outcome.counted["errors_timeout"] == 0

    run(main())


def broken(calls: int) -> list[Step]:
    """What becomes of so many calls: a third of them break, in an order of a fixed seed."""
    chance = random.Random(13)
    faults = [
        Step("reset"),
        Step("close"),
        *(Step("reset", events=events) for events in (1, 2, 5, 12)),
        triton_says(503, "Exceeds maximum queue size"),
        triton_says(400, "Stub process 'x' is not healthy."),
    ]
    steps = [chance.choice(faults) if chance.random() < 1 / 3 else PASS for _ in range(calls)]
    steps[calls // 2] = Step("away", seconds=0.3)
    steps[calls // 4] = Step("hang")
    return steps


def test_connections_cut_anywhere_cost_no_part_and_double_none(scripted: Start) -> None:
    server = scripted()
    made = [delayed(n, 20, 0.1) for n in range(400)]

    async def main() -> None:
        async with (
            FaultProxy(upstream(server.url), broken(500)) as proxy,
            script_model(proxy.url, timeout="5 s", **{**QUICK, "max_retries": "20"}) as model,
        ):
            outcome = await model.predict([script for script, _ in made])
            assert outcome.errors == {}
            assert outcome.rows == [[parts(n, count), list(range(count))] for n, (_, count) in enumerate(made)]
            # A third of the calls was in vain.
            assert outcome.counted["retries"] >= 150
            assert outcome.counted["http_requests"] == 400 + outcome.counted["retries"]

    run(main())


@pytest.mark.parametrize(
    ("steps", "is_answered"),
    [("reset hang pass", True), ("hang reset pass", True), ("reset hang hang pass", False), ("hang reset hang", False)],
)
def test_a_stream_that_does_not_begin_is_tried_once_more_whatever_else_fails(
    steps: str, is_answered: bool, scripted: Start
) -> None:
    server = scripted()
    made = [Step(kind, events=2 * (kind == "reset")) for kind in steps.split()]

    async def main() -> None:
        async with (
            FaultProxy(upstream(server.url), made) as proxy,
            script_model(proxy.url, timeout="500 ms", **QUICK) as model,
        ):
            outcome = await model.predict([stream(0, 3)])
            assert outcome.parts == [parts(0, 3) if is_answered else [None]]
            assert len(proxy.inferences) == 3
            assert is_answered or "before a first response" in outcome.errors[0]

    run(main())


async def quick_rows(model: ScriptModel, count: int) -> None:
    """Predict rows that take no time."""
    outcome = await model.predict([stream(n, 1) for n in range(count)])
    assert outcome.rows == [[parts(n, 1), [0]] for n in range(count)]


async def grow(model: ScriptModel, limit: int) -> None:
    """Let the limit of concurrency grow."""
    for _ in range(10):
        if model.limit < limit:
            await quick_rows(model, 2 * limit)
    assert model.limit == limit


def test_streams_that_do_not_begin_are_sent_twice_at_most_and_halve_the_limit(scripted: Start) -> None:
    server, limits = scripted(), {"max_in_flight_requests": "64"}

    async def main() -> None:
        async with script_model(server.url, timeout="1 s", total_timeout="60 s", **{**QUICK, **limits}) as model:
            await grow(model, 64)
            before = server.noted("begun")
            scripts = [stream(n, 1, first=4.0) for n in range(64)]
            task = asyncio.ensure_future(model.predict(scripts))
            await until(lambda: model.limit < 64, 5, "a smaller limit")
            assert model.limit == 32
            outcome = await task
            assert outcome.rows == [[[None], [None]]] * 64
            assert all("before a first response" in message for message in outcome.errors.values()), outcome.errors
            assert server.noted("begun") - before == 2 * 64
            assert outcome.counted["retries"] == 64
            assert model.limit < 32

    run(main())


def test_the_limit_recovers_while_streams_are_long(scripted: Start) -> None:
    """It rises by one in the time that a first response takes, and not in that of a stream."""
    server, limits = scripted(), {"max_in_flight_requests": "64"}

    async def main() -> None:
        async with script_model(server.url, timeout="4 s", **{**QUICK, **limits}) as model:
            await grow(model, 64)
            model.delivery.limit.slower(model.delivery.limit.round)
            before = model.limit
            assert before <= 32
            outcome = await model.predict([stream(n, 2, between=1.0) for n in range(400)])
            assert outcome.rows == [[parts(n, 2), [0, 1]] for n in range(400)]
            assert model.limit == 64

    run(main())


def test_streams_that_stop_say_nothing_about_load(scripted: Start) -> None:
    """The limit learns from the time to the first response alone; a stream that stops is tried again all the same."""
    server = scripted()

    async def main() -> None:
        limits = {"max_in_flight_requests": "64", **QUICK, "max_retries": "1"}
        async with script_model(server.url, timeout="1 s", **limits) as model:
            await grow(model, 64)
            before = server.noted("begun")
            outcome = await model.predict([stream(n, 2, between=4.0) for n in range(64)])
            assert all("Request timed out after 1s" in message for message in outcome.errors.values())
            assert len(outcome.errors) == 64
            assert server.noted("begun") - before == 128
            assert model.limit == 64

    run(main())


def test_long_answers_say_nothing_about_the_server(scripted: Start) -> None:
    """A row whose time is over while its parts come says nothing about the server."""
    server = scripted()
    breaker = {"circuit_breaker_enabled": "true", "circuit_breaker_timeout": "60 s"}

    async def main() -> None:
        async with script_model(server.url, timeout="1 s", total_timeout="1500 ms", **QUICK, **breaker) as model:
            await quick_rows(model, 1)
            outcome = await model.predict([stream(n, 600, between=0.1) for n in range(20)])
            assert all("'total-timeout' allows 1500ms" in message for message in outcome.errors.values()), (
                outcome.errors
            )
            assert len(outcome.errors) == 20
            assert outcome.counted["http_requests"] == 20
            assert outcome.seconds < 30.0
            assert all(Remedy.RAISE_TOTAL() in message for message in outcome.errors.values())
            await quick_rows(model, 20)
            assert outcome.counted["circuit_breaker_openings"] == 0
        async with script_model(server.url, timeout="1 s", total_timeout="20 s", **QUICK, **breaker) as model:
            outcome = await model.predict([stream(n, 60, between=0.1) for n in range(20)])
            assert outcome.rows == [[parts(n, 60), list(range(60))] for n in range(20)]

    run(main())


def test_hundreds_of_streams_at_once(scripted: Start) -> None:
    """Slow to begin and slow between."""
    server = scripted()

    async def main() -> None:
        # The limit of concurrency grows as long as first responses take less than an eighth of `timeout`.
        async with script_model(server.url, max_in_flight_requests="300", timeout="60 s", **QUICK) as model:
            await grow(model, 300)
            outcome = await model.predict([stream(n, 8, first=1.0, between=0.5) for n in range(300)])
            assert outcome.rows == [[parts(n, 8), list(range(8))] for n in range(300)]
            assert outcome.counted["retries"] == 0
            assert server.most_at_once() == 300

    run(main())


def test_streams_that_are_too_slow_fail_alone(scripted: Start) -> None:
    """Some never begin, some stop, some never end; their neighbours are a little faster than the time-outs."""
    server = scripted()
    late = {n: stream(n, 2, first=12.0) for n in (3, 33)}
    stop = {n: stream(n, 2, between=12.0) for n in (7, 47)}
    endless = {n: stream(n, 200, first=0.5, between=0.5) for n in (20, 40)}
    slow = {**late, **stop, **endless}
    # First responses within an eighth of `timeout` raise the limit of concurrency.
    scripts = [slow.get(n) or stream(n, 6, first=0.1, between=0.8) for n in range(60)]

    async def main() -> None:
        limits = {"timeout": "4 s", "total_timeout": "16 s"}
        async with script_model(server.url, **limits, **{**QUICK, "max_retries": "1"}) as model:
            outcome = await model.predict(scripts)
            assert outcome.errors.keys() == slow.keys()
            for n, row in enumerate(outcome.rows):
                assert row == ([[None], [None]] if n in slow else [parts(n, 6), list(range(6))])
            assert all("before a first response" in outcome.errors[n] for n in late)
            assert all("between two responses" in outcome.errors[n] for n in stop)
            assert all("'total-timeout' allows 16s" in outcome.errors[n] for n in endless)
            assert outcome.counted["retries"] == 4

    run(main())


def test_closing_a_model_ends_its_streams(scripted: Start) -> None:
    server = scripted()

    async def main() -> None:
        async with script_model(server.url, max_in_flight_requests="100", **QUICK) as model:
            task = asyncio.ensure_future(model.predict([stream(n, 300, between=0.1) for n in range(100)]))
            await until(lambda: server.noted("answered") == 100, 20, "all streams under way")
            assert server.connections() >= 100
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await until(lambda: server.noted("cancelled") == 100 and not server.connections(), 5, "the end of all streams")

    run(main())


def test_the_worker_beats_while_hundreds_of_streams_hurry(scripted: Start) -> None:
    """Many parts a second: the worker's process has time for heartbeats."""
    server = scripted()
    rows, count = 300, 40
    with Shim() as shim:
        outputs = [{"name": "text", "type": "STRING"}]
        options = {"endpoint": server.url, "model-name": "script", "responses": "join", "max-in-flight-requests": "300"}
        inputs = [{"name": "script", "type": "STRING"}]
        shim.hello().send("open", model="m", options=options, input=inputs, output=outputs, task={})
        opened = shim.receive()
        assert opened.kind == "opened", opened.header
        began = time.monotonic()
        for start in range(0, rows, 100):
            scripts = [stream(n, count, between=0.15) for n in range(start, start + 100)]
            shim.predict(pa.record_batch([pa.array(scripts)], names=["c0"]))
        answers, errors = shim.results(rows, pa.schema([("c0", pa.utf8())]))
        beats = [began, *(beat for beat in shim.heartbeats if beat > began), time.monotonic()]
    assert errors == {}
    assert answers == {n: ("".join(parts(n, count)),) for n in range(rows)}
    gaps = [after - before for before, after in itertools.pairwise(beats)]
    assert max(gaps) < 3.0, gaps


def test_the_parts_of_a_row_that_fails_late_are_dropped(scripted: Start) -> None:
    server = scripted()

    async def main() -> None:
        async with script_model(server.url, error_column="why", **QUICK) as model:
            late = json.dumps([*parts(0, 20), {"error": "out of tokens"}])
            outcome = await model.predict([late, stream(1, 20)])
            text, place, why = outcome.rows[0]
            assert (text, place) == ([None], [None])
            assert "out of tokens" in why
            assert outcome.rows[1] == [parts(1, 20), list(range(20)), None]
            assert server.noted("begun") == 2
            assert part(0, 19) not in str(outcome.rows)

    run(main())
