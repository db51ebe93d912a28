"""The option `max-requests-per-second`: whatever sends requests keeps it, rows wait for it together, and none fails."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from deliveries import upstream
from fault_proxy import Call, FaultProxy
from faults import PASS, Step, page
from loops import in_a_loop
from slow_requests import MODEL, counted, slow_requests
from triton import Triton

from pyflink_triton._arrow import Ints
from pyflink_triton.delivery.concurrency_limit import ConcurrencyLimit
from pyflink_triton.delivery.pace import Pace
from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.messages import Task
from pyflink_triton.runtime.open_model import OpenedModel, open_model

BATCH = 8
#: So much later may a request be stamped by a busy machine than it was sent.
LATE_SECONDS = 1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with slow_requests(tmp_path_factory.mktemp("paced"), 0.0, BATCH) as url:
        yield url


@asynccontextmanager
async def opened(
    url: str,
    rate: str,
    model: str = MODEL,
    columns: Mapping[str, str] | None = None,
    output: Mapping[str, str] | None = None,
    task: Task | None = None,
    **options: Any,
) -> AsyncIterator[OpenedModel]:
    """A model that is opened as the worker does; the options have `_` for `-`."""
    sides = {"input": columns or {"x": "BIGINT"}, "output": output or {"answered": "BIGINT"}}
    written = {key.replace("_", "-"): value for key, value in options.items()}
    request: Any = {
        "model": "m",
        "options": {"endpoint": url, "model-name": model, "max-requests-per-second": rate, **written},
        **{side: [{"name": name, "type": type_} for name, type_ in each.items()] for side, each in sides.items()},
    }
    request["task"] = task or {}
    made = await open_model(request, Metrics())
    try:
        yield made
    finally:
        await made.close()


async def predict(model: OpenedModel, *columns: list[Any]) -> list[Any]:
    """The answers to rows, each of which has one."""
    types = [type_.arrow for type_ in model.columns.argument_types]
    arrays = [pa.array(values, type_) for values, type_ in zip(columns, types, strict=True)]
    found = await model.predict(pa.record_batch(arrays, names=[f"c{place}" for place in range(len(arrays))]))
    assert found.errors == {}
    return list(found.outputs.column(0).to_pylist())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("rate", [0.2, 3.0, 50.0, 2000.0])
def test_no_stretch_of_time_has_more_and_a_long_one_has_hardly_fewer(rate: float) -> None:
    random, clock = Random(rate), Clock()
    pace = Pace(rate, clock)
    sent: list[float] = []
    while len(sent) < 300:
        if random.random() < 0.02:  # nothing is to be sent for a while
            clock.now += random.uniform(0.0, 20.0 / rate)
        if pace.wait() <= 0.0:
            pace.take()
            sent.append(clock.now)
        else:  # a timer rings late
            clock.now += pace.wait() + random.uniform(0.0, 0.01)
    for first, begin in enumerate(sent):
        for last in range(first, len(sent)):
            assert last - first + 1 <= rate * (sent[last] - begin + 0.05) + 1 + 1e-6
    began, left = clock.now, 300
    while left:
        clock.now += pace.wait() + random.uniform(0.0, 0.01)
        while left and pace.wait() <= 0.0:
            pace.take()
            left -= 1
    assert clock.now - began <= 300 / rate + 0.02


def test_what_was_not_sent_does_not_count() -> None:
    pace = Pace(1.0, clock := Clock())
    for _ in range(10):
        pace.take()
        pace.put_back()
    assert pace.wait() == 0.0
    pace.take()
    assert pace.wait() == pytest.approx(0.95)
    clock.now = 100.0
    pace.take()
    assert pace.wait() == pytest.approx(0.95)


@in_a_loop
async def test_a_turn_that_is_given_up_gives_nobody_the_time_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    pace, waits = Pace(10.0, Clock()), dict[Any, float]()

    async def never(seconds: float) -> None:
        waits[asyncio.current_task()] = seconds
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "sleep", never)
    first = [asyncio.ensure_future(pace.turn()) for _ in range(20)]
    await asyncio.wait(first, timeout=0.05)
    for task in first[:10]:
        task.cancel()
    await asyncio.gather(*first[:10], return_exceptions=True)
    pace.put_back()
    left = [*first[10:], *(asyncio.ensure_future(pace.turn()) for _ in range(10))]
    await asyncio.wait(left, timeout=0.05)
    times = sorted(waits[task] for task in left)
    assert all(later - earlier > 0.09 for earlier, later in itertools.pairwise(times))
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@in_a_loop
async def test_a_place_that_is_free_waits_for_the_pace_and_those_that_were_sent_before_go_first() -> None:
    slots = ConcurrencyLimit(4, 30.0, Pace(20.0))
    order: list[str] = []
    began = time.monotonic()
    while slots.try_take():
        slots.give()

    async def work(name: str, first: bool) -> None:
        assert await slots.take(first, None)
        order.append(name)
        slots.give()

    tasks = [asyncio.create_task(work(name, name == "c")) for name in "abc"]
    impatient = asyncio.create_task(slots.take(True, 0.001))
    await asyncio.sleep(0)
    given_up = asyncio.create_task(slots.take(False, None))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(*tasks)
    assert not await impatient
    assert order == ["c", "a", "b"]
    # Two may go at once, and each of the others a twentieth of a second later.
    assert time.monotonic() - began >= 2 * 0.05
    assert slots.taken == 0
    slots.close()


@in_a_loop
async def test_requests_come_evenly_by_the_servers_own_clock(server: str) -> None:
    before, _ = counted(server)
    async with opened(server, "20", max_batch_size="1") as model:
        stamps = sorted(await predict(model, list(range(50))))
    assert counted(server)[0] - before == 50
    most = 20 * ((stamps[-1] - stamps[0]) / 1000 + 0.05 + LATE_SECONDS) + 1
    assert len(stamps) <= most


@in_a_loop
async def test_a_subtask_has_its_share(server: str) -> None:
    async with opened(server, "40", task={"subtask": 1, "parallelism": 4}, max_batch_size="1") as model:
        began = time.monotonic()
        await predict(model, list(range(11)))
    assert time.monotonic() - began >= 10 / 10 - 0.05


@in_a_loop
async def test_rows_that_wait_leave_in_fewer_and_fuller_requests(server: str) -> None:
    before = counted(server)
    loop = asyncio.get_running_loop()
    async with opened(server, "5") as model:
        done, left = loop.create_future(), 41

        def deliver(rows: Ints, columns: list[pa.Array], errors: dict[int, str]) -> None:
            nonlocal left
            assert not errors
            left -= len(rows)
            if not left:
                done.set_result(None)

        began = time.monotonic()
        for number in range(41):
            model.submit(pa.record_batch([pa.array([number])], names=["c0"]), deliver, done.set_exception)
            await asyncio.sleep(0.002)
        seconds = time.monotonic() - began
        await done
    requests, rows = (after - each for after, each in zip(counted(server), before, strict=True))
    assert rows == 41
    # While they came, those of the rate; then full ones.
    assert requests <= 5 * (seconds + 0.05) + 2 + 41 // BATCH
    assert requests < 41


@in_a_loop
async def test_the_wait_is_not_the_rows_time_and_a_rate_may_be_below_one(server: str) -> None:
    async with opened(server, "0.4", max_batch_size="1", timeout="2 s", total_timeout="2 s") as model:
        began = time.monotonic()
        await predict(model, [1, 2])
        assert time.monotonic() - began >= 1 / 0.4 - 0.05
        taken = model.predictor._metrics.take()
    assert taken is not None
    assert max(taken["histograms"]["queue_time"]) >= 1000 * (1 / 0.4 - 0.05)


@in_a_loop
async def test_retries_count(server: str) -> None:
    options: dict[str, Any] = {"retry_initial_backoff": "1 ms", "retry_max_backoff": "2 ms"}
    async with (
        FaultProxy(upstream(server), [page(503)] * 4) as proxy,
        opened(proxy.url, "5", max_batch_size="1", **options) as model,
    ):
        began = time.monotonic()
        await predict(model, [1])
        assert time.monotonic() - began >= 4 / 5 - 0.05
        assert len(proxy.inferences) == 5


@in_a_loop
async def test_a_retry_waits_no_longer_than_its_row_may_take(server: str) -> None:
    async with (
        FaultProxy(upstream(server), always=page(503)) as proxy,
        opened(proxy.url, "0.01", total_timeout="1500 ms", timeout="1500 ms") as model,
    ):
        found = await model.predict(pa.record_batch([pa.array([1])], names=["c0"]))
        assert len(proxy.inferences) == 1
    assert "HTTP 503" in found.errors[0]
    assert "sent 1 time; the option 'total-timeout' allows 1500ms" in found.errors[0]


@in_a_loop
async def test_a_server_that_is_away_costs_no_turn(server: str) -> None:
    """A request that was held back goes when the server is there, and not a turn later for each time that it asked."""
    async with (
        FaultProxy(upstream(server), [Step("away", seconds=0.5)]) as proxy,
        opened(proxy.url, "2", max_batch_size="1") as model,
    ):
        began = time.monotonic()
        await predict(model, [1, 2, 3])
        assert time.monotonic() - began >= 3 / 2 - 0.05  # four calls: the first found the server away


@in_a_loop
async def test_sequences_keep_it(triton: Triton) -> None:
    """Requests that go on with a sequence have no place of their own, and wait all the same."""
    columns = {"x": "BIGINT", "id": "STRING"}
    options: dict[str, Any] = {"sequence_id": "${id}", "sequence_start": "true"}
    async with opened(triton.http_url, "10", "sequence", columns, {"sum": "BIGINT"}, **options) as model:
        began = time.monotonic()
        assert await predict(model, [1, 1, 1, 1, 5, 5], ["a", "a", "a", "a", "b", "b"]) == [1, 2, 3, 4, 5, 10]
        assert time.monotonic() - began >= 5 / 10 - 0.05
        assert model.delivery.in_flight == 0


class Stamped(list[Call]):
    """Calls, and when each came."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: list[float] = []

    def append(self, call: Call) -> None:
        super().append(call)
        if call.is_stream:
            self.streams.append(time.monotonic())


@in_a_loop
async def test_streams_keep_it_also_when_there_is_room_for_their_responses_again(triton: Triton) -> None:
    large, small, text = [*["x" * 300_000] * 4, {"sleep": 1.5}, "!"], ["!"], {"text": "STRING"}
    options: dict[str, Any] = {"responses": "last", "max_in_flight_bytes": "1 mb"}
    calls = Stamped()
    async with (
        FaultProxy(upstream(triton.http_url), calls=calls) as proxy,
        opened(proxy.url, "4", "script", {"script": "STRING"}, text, **options) as model,
    ):
        assert await predict(model, [json.dumps(each) for each in (large, small, small, small)]) == ["!"] * 4
    first, *others = calls.streams
    assert others[0] - first > 1.0, "the others waited for room"
    assert others[2] - others[0] >= 2 / 4 - 0.3


@in_a_loop
async def test_the_end_of_a_job_ends_the_wait_and_health_checks_go_on(server: str) -> None:
    async with FaultProxy(upstream(server), always=PASS) as proxy:
        options: dict[str, Any] = {"health_check_enabled": "true", "health_check_interval": "10 ms"}
        async with opened(proxy.url, "0.001", max_batch_size="1", **options) as model:
            work = asyncio.create_task(predict(model, [1, 2]))
            while not proxy.inferences or model.delivery.in_flight:
                await asyncio.sleep(0.01)
            asked = len(proxy.calls)
            while len(proxy.calls) < asked + 5:
                await asyncio.sleep(0.01)
            assert not work.done()
            work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert len(proxy.inferences) == 1
