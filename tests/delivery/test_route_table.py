"""How many models get requests at once, and how they share the requests that may be in flight."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from pyflink_triton.delivery.concurrency_limit import ConcurrencyLimit
from pyflink_triton.delivery.pace import Pace
from pyflink_triton.delivery.shared_places import SharedPlaces
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.routes import Route
from pyflink_triton.runtime.answer_cache import AnswerCache, RouteAnswers
from pyflink_triton.runtime.route_table import OpenRoute, RouteTable


class FakeLane:
    """A lane that is busy until it is told otherwise, and its queue."""

    def __init__(self, name: str, closed: list[str]) -> None:
        self.name, self._closed = name, closed
        self.is_idle = False
        self.on_idle: Callable[[], object] = lambda: None
        self.queue = self

    def rest(self) -> None:
        self.is_idle = True
        self.on_idle()

    async def close(self) -> None:
        self._closed.append(self.name)


class Nothing:
    async def close(self) -> None:
        pass


class Table:
    """A table of two routes: their lanes by their names, which were closed, and what was sent: for whom, and where."""

    def __init__(self) -> None:
        self.lanes: dict[str, FakeLane] = {}
        self.closed: list[str] = []
        self.sent: list[str] = []
        self.table = RouteTable(self._begin, most=2)

    def _begin(self, route: Route) -> OpenRoute:
        self.lanes[route.model] = FakeLane(route.model, self.closed)
        return OpenRoute(cast(Any, Nothing()), cast(Any, self.lanes[route.model]))

    def send(self, name: str) -> None:
        self.table.use(Route(name, None), lambda lane: self.sent.append(f"{name}:{cast(Any, lane).name}"))


def test_the_least_used_route_that_rests_makes_room_and_others_wait() -> None:
    async def main() -> None:
        made = Table()
        table, lanes, closed, sent, send = made.table, made.lanes, made.closed, made.sent, made.send

        for name in "abab":
            send(name)
        assert sent == ["a:a", "b:b", "a:a", "b:b"]
        for name in "ccda":  # both are busy
            send(name)
        assert sent[4:] == ["a:a"]
        lanes["b"].rest()
        await asyncio.sleep(0.01)
        assert (sent[5:], closed) == (["c:c", "c:c"], ["b"])
        lanes["a"].rest()
        await asyncio.sleep(0.01)
        assert (sent[7:], closed) == (["d:d"], ["b", "a"])
        lanes["c"].is_idle = lanes["d"].is_idle = True
        send("c")
        send("e")  # c was used after d
        await asyncio.sleep(0.01)
        assert closed == ["b", "a", "d"]
        await table.close()
        assert closed == ["b", "a", "d", "c", "e"]

    asyncio.run(main())


def test_routes_that_always_have_rows_make_room_in_time() -> None:
    async def main() -> None:
        made = Table()
        table, lanes, closed, sent, send = made.table, made.lanes, made.closed, made.sent, made.send

        for name in "abca":
            send(name)
        assert sent == ["a:a", "b:b", "a:a"]
        table._waits_since -= 10.0
        for name in "abb":  # b was not used for longest
            send(name)
        assert sent[3:] == ["a:a"]
        lanes["b"].rest()
        await asyncio.sleep(0.01)
        assert (sent[4:], closed) == (["c:c"], ["b"])
        send("a")
        assert sent[5:] == ["a:a"]  # c waited for longer than b has now
        lanes["a"].rest()
        await asyncio.sleep(0.01)
        assert (sent[6:], closed) == (["b:b", "b:b"], ["b", "a"])
        await table.close()

    asyncio.run(main())


def test_rows_that_wait_for_a_route_that_is_still_open_go_there() -> None:
    """It was to make room, and another one did before it."""

    async def main() -> None:
        made = Table()
        table, lanes, closed, sent, send = made.table, made.lanes, made.closed, made.sent, made.send

        for name in "abc":
            send(name)
        table._waits_since -= 10.0
        send("a")
        assert sent == ["a:a", "b:b"]
        lanes["b"].rest()
        await asyncio.sleep(0.01)
        assert (sent[2:], closed) == (["c:c", "a:a"], ["b"])
        send("a")
        assert sent[4:] == ["a:a"]
        await table.close()

    asyncio.run(main())


async def _work(limit: ConcurrencyLimit, done: Counter[str], name: str, places: SharedPlaces, most: list[int]) -> None:
    """Take places one after the other, as long as it goes."""
    while True:
        await limit.take(False, None)
        most[0] = max(most[0], places.taken)
        await asyncio.sleep(0.001)
        done[name] += 1
        limit.give()


@pytest.mark.parametrize("rate", [None, 400.0])
def test_models_share_the_places_and_none_starves(rate: float | None) -> None:
    done: Counter[str] = Counter()

    async def main() -> None:
        places = SharedPlaces(3, None if rate is None else Pace(rate))
        limits = {name: ConcurrencyLimit(64, 30.0, None, places) for name in "abcd"}
        most = [0]
        tasks = [
            asyncio.create_task(_work(limits[name], done, name, places, most)) for name in "abcd" for _ in range(4)
        ]
        began = time.monotonic()
        while sum(done.values()) < 400:
            await asyncio.sleep(0.01)
        took = time.monotonic() - began
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most == [3] if rate is None else most[0] <= 3
        assert places.taken <= 3
        if rate is not None:
            assert took >= (400 - 1) / rate - 0.05 - 0.1
        places.close()

    asyncio.run(main())
    assert min(done[name] for name in "abcd") > 50, done


def test_a_model_with_rows_without_end_leaves_places_to_another() -> None:
    """Rows wait in queues, which look for places only when they are told that one is free."""

    async def main() -> None:
        loop, places = asyncio.get_running_loop(), SharedPlaces(2)
        done: Counter[str] = Counter()
        tasks: set[asyncio.Task[None]] = set()

        def queue(name: str, rows: int) -> Callable[[], object]:
            limit, left = ConcurrencyLimit(64, 30.0, None, places), [rows]

            async def send() -> None:
                await asyncio.sleep(0.001)
                done[name] += 1
                limit.give()

            def pump() -> None:
                while left[0] and limit.try_take():
                    left[0] -= 1
                    task = loop.create_task(send())
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)

            def wake() -> None:
                loop.call_soon(pump)

            limit.on_free = wake
            return pump

        queue("hot", 10_000)()
        queue("seldom", 5)()
        while done["seldom"] < 5:
            assert done["hot"] < 50
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        places.close()

    asyncio.run(main())


def test_places_that_are_put_back_are_free_again() -> None:
    async def main() -> None:
        places = SharedPlaces(1)
        one, other = (ConcurrencyLimit(4, 30.0, None, places) for _ in range(2))
        woken: list[str] = []
        other.on_free = lambda: woken.append("other")
        assert one.try_take()
        assert not other.try_take()
        one.put_back()
        await asyncio.sleep(0.01)
        assert woken == ["other"]
        assert other.try_take()
        one.close()
        other.close()

    asyncio.run(main())


def test_the_answers_of_models_are_kept_apart_in_one_cache() -> None:
    cache = AnswerCache(1 << 16, 60.0)
    one, other = RouteAnswers(cache, 0), RouteAnswers(cache, 1)
    for answers in (one, other):
        assert answers.meet("1", 0.0)
    one.put(b"k", (100.0, None, b"one"))
    other.put(b"k", (100.0, None, b"other"))
    assert [answers.find([b"k"], 0.0)[0] for answers in (one, other)] == [
        (100.0, None, b"one"),
        (100.0, None, b"other"),
    ]
    assert one.meet("2", 1.0)
    assert not one.meet("1", 0.5), "a late answer of the version before"
    assert one.find([b"k"], 0.0) == [None]
    assert other.find([b"k"], 0.0) == [(100.0, None, b"other")]
    assert one.bytes == other.bytes == cache.bytes > 0


def test_gauges_are_those_of_the_worst_model() -> None:
    metrics = Metrics()
    one, other = object(), object()
    metrics.set_batch_limit(8, one)
    metrics.set_batch_limit(2, other)
    metrics.breaker(0, 0, one)
    metrics.breaker(2, 1, other)
    taken = metrics.take()
    assert taken is not None
    assert (taken["gauges"]["batch_limit"], taken["gauges"]["circuit_breaker_state"]) == (2, 2)
    metrics.forget(other)
    taken = metrics.take()
    assert taken is not None
    assert (taken["gauges"]["batch_limit"], taken["gauges"]["circuit_breaker_state"]) == (8, 0)
