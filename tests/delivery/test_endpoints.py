"""The circuit breaker, the choice of an endpoint and the number of requests in flight, with a clock of their own."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from fakes import identity

from pyflink_triton.addresses import model_url
from pyflink_triton.delivery.circuit_breaker import CircuitBreaker, State
from pyflink_triton.delivery.concurrency_limit import ConcurrencyLimit
from pyflink_triton.delivery.endpoints import Endpoint, Endpoints
from pyflink_triton.delivery.route_endpoints import RouteEndpoints
from pyflink_triton.delivery.route_health import RouteHealth, Turns
from pyflink_triton.errors import RowError
from pyflink_triton.http.transport import HttpTransport
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.validation import parse_options


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock, threshold: float = 0.5, half_open_requests: int = 3) -> CircuitBreaker:
    return CircuitBreaker(threshold, 60.0, half_open_requests, clock)


def calls(one: CircuitBreaker, *failed: bool | None) -> None:
    for each in failed:
        ticket = one.enter()
        assert ticket is not None
        one.leave(ticket, each)


def opened(clock: Clock, half_open_requests: int = 3) -> CircuitBreaker:
    one = breaker(clock, half_open_requests=half_open_requests)
    calls(one, *[True] * 10)
    assert one.state is State.OPEN
    return one


def test_a_breaker_opens_at_its_share_of_at_least_ten_requests() -> None:
    one = breaker(Clock())
    calls(one, *[True] * 9)
    assert one.state is State.CLOSED
    calls(one, True)
    assert (one.state, one.openings, one.enter()) == (State.OPEN, 1, None)


def test_a_breaker_stays_closed_below_its_share_and_forgets_what_was_long_ago() -> None:
    one = breaker(Clock(), threshold=0.6)
    calls(one, *[True, False] * 50)
    assert one.openings == 0
    calls(one, *[False] * 1000, *[True] * 12)
    assert one.openings == 1


def test_calls_that_say_nothing_about_the_server_count_for_nothing() -> None:
    one = breaker(Clock())
    calls(one, *[None] * 100, *[True] * 9)
    assert one.state is State.CLOSED


def test_a_half_open_breaker_lets_some_through_and_closes_when_they_succeed() -> None:
    clock = Clock()
    one = opened(clock)
    clock.now = 59.9
    assert one.enter() is None
    clock.now = 60.0
    tickets = [one.enter() for _ in range(4)]
    assert one.state is State.HALF_OPEN
    assert tickets[3] is None
    for ticket in tickets[:3]:
        assert ticket is not None
        one.leave(ticket, False)
    assert (one.state, one.openings) == (State.CLOSED, 1)


def test_a_failure_opens_a_half_open_breaker_again_in_the_same_outage() -> None:
    clock = Clock()
    one = opened(clock)
    clock.now = 60.0
    calls(one, False, True)
    assert (one.state, one.openings) == (State.OPEN, 1)
    clock.now = 119.9
    assert one.enter() is None
    clock.now = 120.0
    calls(one, False, False, False)
    assert one.state is State.CLOSED


def test_a_half_open_slot_does_not_leak() -> None:
    clock = Clock()
    one = opened(clock, half_open_requests=1)
    clock.now = 60.0
    for _ in range(20):  # calls that were cancelled, or answered 429
        calls(one, None)
    assert one.admits
    calls(one, False)
    assert one.state is State.CLOSED


def test_a_call_of_an_earlier_state_says_nothing_about_this_one() -> None:
    clock = Clock()
    one = breaker(clock)
    late = [one.enter() for _ in range(3)]
    calls(one, *[True] * 10)
    clock.now = 60.0
    calls(one, False)
    for ticket in late:
        assert ticket is not None
        one.leave(ticket, True)
    assert (one.state, one.openings) == (State.HALF_OPEN, 1)
    calls(one, False, False)
    assert (one.state, one.openings) == (State.CLOSED, 1)


async def _never(_: Endpoint) -> bool:
    return False


def endpoints(
    clock: Clock, *, count: int = 3, probe: Callable[[Endpoint], Awaitable[bool]] = _never, **written: str
) -> Endpoints:
    bases = ",".join(f"http://triton-{number}:8000" for number in range(count))
    more = {key.replace("_", "-"): value for key, value in written.items()}
    options = parse_options({"endpoint": bases, "model-name": "v1:b@2%é", "model-version": "3", **more})
    return Endpoints(options, probe, Metrics(), clock)


def test_the_urls_of_a_model_have_its_name_as_it_is() -> None:
    assert model_url("http://h:1", "v1:b@2%é", "3") == "http://h:1/v2/models/v1:b@2%é/versions/3"


def test_the_endpoint_with_the_least_under_way_is_chosen() -> None:
    many = endpoints(Clock())
    for each, load in zip(many.all, (2, 1, 3), strict=True):
        each.in_flight = load
    assert [many.choose(None) for _ in range(3)] == [many.all[1]] * 3


def test_equal_endpoints_take_turns() -> None:
    many = endpoints(Clock())
    assert {many.choose(None) for _ in range(3)} == set(many.all)


def test_the_endpoint_that_failed_last_is_avoided_where_there_are_others() -> None:
    many = endpoints(Clock(), count=2)
    many.all[1].in_flight = 9
    assert many.choose(None, avoid=many.all[0]) is many.all[1]
    assert endpoints(Clock(), count=1).choose(None, avoid=many.all[0]) is not None


def test_a_request_that_is_bound_to_an_endpoint_goes_there_or_nowhere() -> None:
    many = endpoints(Clock())
    bound = many.all[2]
    bound.in_flight = 9
    assert many.choose(bound.base) is bound
    bound.reachable = False
    assert many.choose(bound.base) is None


def test_an_endpoint_that_keeps_failing_is_put_aside_for_longer_and_longer_and_taken_back() -> None:
    clock = Clock()
    many = endpoints(clock, count=2)
    bad, good = many.all
    good.in_flight = 5
    for _ in range(3):
        assert many.choose(None) is bad
        many.failed(bad)
    assert many.choose(None) is good
    clock.now = 1.1
    assert many.choose(None) is bad
    many.failed(bad)
    clock.now = 3.0
    assert many.choose(None) is good
    clock.now = 3.2
    many.answered(bad)
    many.failed(bad)
    assert many.choose(None) is bad


def test_one_request_at_a_time_tries_an_endpoint_that_was_put_aside() -> None:
    """A server whose backend is dead takes a second to say so of each call: no more may queue there meanwhile."""
    clock = Clock()
    many = endpoints(clock, count=2)
    tried, good = many.all
    good.in_flight = 5
    for _ in range(3):
        many.failed(tried)
    clock.now = 1.1
    assert many.choose(None) is tried
    tried.in_flight = 1
    assert many.choose(None) is good
    many.answered(tried)
    assert many.choose(None) is tried


def test_the_last_endpoint_is_never_put_aside() -> None:
    one = endpoints(Clock(), count=1)
    for _ in range(100):
        one.failed(one.all[0])
    assert one.choose(None) is one.all[0]


def test_one_probe_at_a_time_asks_until_an_endpoint_is_back() -> None:
    asked: list[Endpoint] = []
    under_way = 0

    async def probe(endpoint: Endpoint) -> bool:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        asked.append(endpoint)
        await asyncio.sleep(0.005)
        under_way -= 1
        return len(asked) == 4

    async def main() -> None:
        many = endpoints(Clock(), count=2, probe=probe, retry_initial_backoff="1 ms")
        away = many.all[0]
        for _ in range(50):
            many.unreachable(away)
        assert away.returns == 1  # those calls were under way together, and must not make the next pause long
        assert many.choose(None) is many.all[1]
        await many.change(10)
        assert (away.reachable, asked) == (True, [away] * 4)
        await many.close()

    asyncio.run(main())


def test_an_opening_breaker_tells_those_that_wait() -> None:
    async def main() -> None:
        many = endpoints(Clock(), count=1, circuit_breaker_enabled="true")
        (only,) = many.all
        many.unreachable(only)
        waiting = asyncio.ensure_future(many.change(30))
        await asyncio.sleep(0)
        fail(many, only, 10)
        await asyncio.wait_for(waiting, 10)
        assert many.waits_for_breakers(None)
        await many.close()

    asyncio.run(main())


def test_a_breaker_stays_open_while_probes_find_the_endpoint_away() -> None:
    clock, asked = Clock(), 0

    async def probe(_: Endpoint) -> bool:
        nonlocal asked
        asked += 1
        return False

    async def main() -> None:
        many = endpoints(clock, count=1, probe=probe, circuit_breaker_enabled="true", retry_initial_backoff="1 ms")
        (only,) = many.all
        fail(many, only, 10)
        many.unreachable(only)
        for _ in range(3):
            clock.now += 60.0  # its time is over: half-open, which a probe that fails ends
            before = asked
            while asked == before or not only.is_open:
                await asyncio.sleep(0.001)
            assert many.waits_for_breakers(None)
        assert only.breaker is not None
        assert only.breaker.openings == 1
        await many.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def fail(many: Endpoints, endpoint: Endpoint, times: int) -> None:
    """Let so many calls fail by the server's fault."""
    assert endpoint.breaker is not None
    tickets = [endpoint.breaker.enter() for _ in range(times)]
    for ticket in tickets:
        assert ticket is not None
        many.leave(endpoint, ticket, True)


def test_health_checks_find_an_endpoint_that_is_away_before_a_request_does() -> None:
    async def main() -> None:
        many = endpoints(Clock(), count=1, health_check_interval="10 ms")
        many.watch()
        for _ in range(500):
            await asyncio.sleep(0.01)
            if not many.all[0].reachable:
                break
        assert many.choose(None) is None
        await many.close()

    asyncio.run(main())


def test_fewer_are_in_flight_when_the_server_is_busy_and_more_again_when_it_answers() -> None:
    slots = ConcurrencyLimit(64, 30.0)
    assert sum(slots.try_take() for _ in range(100)) == 4
    for _ in range(60):
        slots.answered(slots.round, 64, 0.001)
    assert sum(slots.try_take() for _ in range(100)) == 60
    begun = slots.round
    for _ in range(64):  # one fall for all the calls of a round
        slots.slower(begun)
    assert slots.limit == 32
    slots.slower(slots.round)
    assert slots.limit == 16
    for _ in range(10_000):
        slots.answered(slots.round, 64, 0.001)
    assert slots.limit == 64
    for _ in range(64):
        slots.give()
        slots.slower(slots.round)
    assert slots.limit == 1


@pytest.mark.parametrize("seconds", [0.5, 2.0, 6.4])
def test_a_server_that_works_on_one_request_at_a_time_answers_all_in_time(seconds: float) -> None:
    slots = ConcurrencyLimit(64, 30.0)
    now, queue, waits = 0.0, deque[tuple[float, int]](), []
    for _ in range(200):
        while slots.try_take():
            queue.append((now, slots.round))
        sent, begun = queue.popleft()
        now += seconds
        slots.give()
        slots.answered(begun, 64, now - sent)
        waits.append(now - sent)
    assert max(waits) <= 30.0 + seconds
    assert max(waits[100:]) <= 16.0 + seconds


def test_a_model_that_is_slow_by_itself_is_no_busy_server() -> None:
    slots = ConcurrencyLimit(64, 30.0)
    for _ in range(100):
        slots.answered(slots.round, 64, 17.0)
    assert slots.limit == 64


def test_slots_are_given_in_order_and_first_to_those_that_were_sent_before() -> None:
    async def main() -> list[str]:
        slots = ConcurrencyLimit(1, 30.0)
        assert slots.try_take()
        order: list[str] = []

        async def work(name: str, first: bool) -> None:
            assert await slots.take(first, None)
            order.append(name)
            slots.give()

        tasks = [asyncio.ensure_future(work(name, name in "cd")) for name in "abcd"]
        await asyncio.sleep(0)
        slots.give()
        await asyncio.gather(*tasks)
        assert slots.taken == 0
        return order

    assert asyncio.run(main()) == ["c", "d", "a", "b"]


def test_a_cancellation_that_comes_with_the_slot_is_not_forgotten() -> None:
    async def main() -> None:
        slots = ConcurrencyLimit(1, 30.0)
        assert slots.try_take()
        task = asyncio.ensure_future(slots.take(True, 10.0))
        await asyncio.sleep(0)
        slots.give()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert slots.taken == 0

    asyncio.run(main())


@pytest.mark.parametrize("how", ["time", "cancel"])
def test_who_no_longer_waits_takes_no_slot(how: str) -> None:
    async def main() -> None:
        slots = ConcurrencyLimit(1, 30.0)
        assert slots.try_take()
        if how == "time":
            assert not await slots.take(True, 0.01)
        else:
            task = asyncio.ensure_future(slots.take(False, None))
            await asyncio.sleep(0)
            slots.give()  # given in the same turn of the loop in which it is cancelled
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert slots.try_take()
        slots.give()
        assert slots.taken == 0
        assert slots.try_take()

    asyncio.run(main())


def test_an_endpoint_that_answered_a_model_does_not_lack_it() -> None:
    """Where probes see no model, one endpoint may lack it now, another one later."""

    async def main() -> None:
        async def ask(_: Endpoint) -> bool:
            return True

        options = parse_options({"endpoint": "http://a,http://b", "model-name": "m"})
        routed = RouteEndpoints(options, ask, Metrics(), asyncio.get_running_loop().time)
        routed.begin("not seen yet")
        a, b = routed.all
        gone = RowError("gone", status=404)
        routed.miss(b, gone)
        assert routed.failure is None
        routed.answered(b)
        routed.miss(a, gone)
        assert routed.failure is None
        routed.miss(b, gone)
        assert routed.failure is gone
        await routed.close()

    asyncio.run(main())


def test_a_model_that_only_one_endpoint_has_is_seldom_looked_for_at_the_others() -> None:
    """There may be hundreds of such models."""
    asked: Counter[str] = Counter()

    async def main() -> None:
        async def ask(endpoint: Endpoint) -> bool:
            asked[endpoint.base] += 1
            endpoint.is_missing = endpoint.base == "http://b"
            return not endpoint.is_missing

        options = parse_options(
            {
                "endpoint": "http://a,http://b",
                "model-name": "m",
                "retry-initial-backoff": "1 ms",
                "retry-max-backoff": "1 ms",
            }
        )
        routed = RouteEndpoints(options, ask, Metrics(), asyncio.get_running_loop().time)
        routed.begin("not seen yet")
        while asked["http://b"] < 4:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.5)
        await routed.close()

    asyncio.run(main())
    assert asked["http://a"] == 1
    assert asked["http://b"] < 15  # each pause is twice the last


class Silent:
    """A server that answers nothing."""

    asked = 0

    async def ready(self, base: str, seconds: float) -> None:
        self.asked += 1
        await asyncio.sleep(60)

    def server(self, base: str) -> str:
        return "Triton"


def test_of_many_models_a_few_wait_for_a_server_that_is_silent() -> None:
    """Else the last of some hundred would go to another server minutes later."""
    options = parse_options({"endpoint": "http://a", "model-name": "m", "timeout": "200 ms"})
    server, turns = Silent(), Turns()

    async def main() -> list[bool]:
        transport = cast(HttpTransport, server)
        models = [RouteHealth(options, "the model", transport, identity(), turns) for _ in range(100)]
        return await asyncio.gather(*[each.ask(Endpoint("http://a", None)) for each in models])

    assert not any(asyncio.run(main()))
    assert server.asked < 50
