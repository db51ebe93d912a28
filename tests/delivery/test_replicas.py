"""A host name with several addresses, and a second list of endpoints: who gets requests when, and what is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, serving
from deliveries import header, upstream
from event_loops import LOOPS, run_on
from fault_proxy import Call, FaultProxy
from faults import PASS, Step
from loops import in_a_loop
from names import Names, answers, opened, with_names
from triton import Triton

from pyflink_triton.delivery.endpoints import Endpoint, Endpoints
from pyflink_triton.delivery.replicas import Replicas
from pyflink_triton.errors import SignatureError
from pyflink_triton.http.connection_pool import ConnectionPool, Origin
from pyflink_triton.http.transport import HttpTransport
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.validation import parse_options

COLUMNS = (["x BIGINT"], ["y BIGINT"])


async def _ready(_: Endpoint) -> bool:
    return True


class Hosts:
    """Endpoints, and the addresses that a look-up finds for each URL."""

    def __init__(self, **options: str) -> None:
        written = {key.replace("_", "-"): value for key, value in options.items()}
        self.options = parse_options({"endpoint": "http://triton:8000", "model-name": "m", **written})
        self.found: dict[str, Sequence[str]] = {}
        self.asked = 0
        self.gone: list[str] = []

    async def __aenter__(self) -> Hosts:
        loop = asyncio.get_running_loop()
        self.endpoints = Endpoints(self.options, _ready, Metrics(), loop.time)
        self.endpoints.on_gone = self.gone.append
        self.replicas = Replicas(self.options, self.endpoints, self._look_up)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.replicas.close()
        await self.endpoints.close()

    async def _look_up(self, url: str) -> Sequence[str]:
        self.asked += 1
        return self.found.get(url, ())

    async def find(self, *addresses: str) -> list[str]:
        """Wait until a look-up has found these and each endpoint is ready; the endpoints."""
        self.found["http://triton:8000"] = addresses
        before = self.asked
        self.endpoints.on_change()
        while self.asked == before or not all(each.reachable for each in self.endpoints.all):
            await asyncio.sleep(0.01)
        return [each.base for each in self.endpoints.all]


@in_a_loop
async def test_a_host_with_one_address_is_one_endpoint_whatever_the_address() -> None:
    async with Hosts() as hosts:
        await hosts.replicas.begin(5)
        whole = hosts.endpoints.choose(None)
        for addresses in (["10.0.0.1"], ["10.0.0.2"], []):
            assert await hosts.find(*addresses) == ["http://triton:8000"]
        assert hosts.endpoints.choose(None) is whole
        assert hosts.gone == []


@in_a_loop
async def test_addresses_that_come_and_go_are_endpoints_that_come_and_go() -> None:
    async with Hosts() as hosts:
        hosts.found["http://triton:8000"] = ["10.0.0.1", "10.0.0.2"]
        await hosts.replicas.begin(5)
        first, second = hosts.endpoints.all
        assert [first.base, second.base] == ["http://triton:8000 (10.0.0.1)", "http://triton:8000 (10.0.0.2)"]
        assert await hosts.find("10.0.0.2", "10.0.0.3") == [second.base, "http://triton:8000 (10.0.0.3)"]
        assert hosts.endpoints.all[0] is second
        assert first.is_gone
        assert hosts.endpoints.is_gone(first.base)
        assert hosts.endpoints.choose(first.base) is None
        hosts.endpoints.unreachable(first)  # a call that was under way: nobody probes it
        assert await hosts.find() == [second.base, "http://triton:8000 (10.0.0.3)"]  # a look-up that fails
        assert await hosts.find("10.0.0.9") == ["http://triton:8000 (10.0.0.9)"]
        assert hosts.endpoints.choose(None) is hosts.endpoints.all[0]
        assert hosts.gone == ["http://triton:8000", first.base, second.base, "http://triton:8000 (10.0.0.3)"]


@in_a_loop
async def test_the_only_address_that_gets_a_neighbour_keeps_its_sequences() -> None:
    async with Hosts() as hosts:
        hosts.found["http://triton:8000"] = ["10.0.0.1"]
        await hosts.replicas.begin(5)
        whole = hosts.endpoints.all[0]
        assert len(await hosts.find("10.0.0.1", "10.0.0.2")) == 2
        assert hosts.endpoints.choose("http://triton:8000") is whole
        assert whole.base == "http://triton:8000 (10.0.0.1)"
        await hosts.find("10.0.0.2")
        assert hosts.endpoints.is_gone("http://triton:8000")


@in_a_loop
async def test_an_address_in_the_option_is_never_looked_up() -> None:
    async with Hosts(endpoint="http://127.0.0.1:8000,http://[::1]:8000") as hosts:
        await hosts.replicas.begin(5)
        hosts.endpoints.on_change()
        assert hosts.asked == 0


@with_names
async def test_addresses_of_two_families_are_one_server(names: Names) -> None:
    names.hosts["triton"] = ["127.0.0.1", "::1"]
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        origin = Origin("http", "triton", server.sockets[0].getsockname()[1])
        pool = ConnectionPool(300.0, None)
        assert list(await pool.addresses(origin)) == []  # nobody knows which family works
        (await pool.connect(origin, 5)).close()
        assert list(await pool.addresses(origin)) == ["127.0.0.1"]
        names.hosts["triton"] = ["::1", "::2"]  # the host moved to the other family
        assert list(await pool.addresses(origin)) == ["::1", "::2"]
        pool.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_localhost_is_one_server(triton: Triton, loop: str) -> None:
    async def main() -> None:
        transport = HttpTransport(parse_options({"endpoint": url, "model-name": "fails"}))
        await transport.ready(url)
        assert len(await transport.addresses(url)) == 1
        await transport.close()

    url = f"http://localhost:{upstream(triton.http_url)[1]}"
    run_on(loop, main())


@with_names
async def test_behind_a_proxy_nothing_is_looked_up(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    names.hosts["triton"] = ["127.0.0.1", "127.0.0.2"]
    written = {"endpoint": "http://triton:8000", "model-name": "m", "proxy-from-environment": "true"}
    transport = HttpTransport(parse_options(written))
    assert list(await transport.addresses("http://triton:8000")) == []
    assert not names.asked
    await transport.close()


def grouped(**options: str) -> Endpoints:
    written = {
        "endpoint": "http://a:1,http://b:1",
        "endpoint-groups": "http://c:1,http://d:1;http://e:1",
        "model-name": "m",
        **{key.replace("_", "-"): value for key, value in options.items()},
    }
    return Endpoints(parse_options(written), _ready, Metrics(), lambda: 0.0)


def test_a_later_list_gets_requests_only_while_nobody_before_it_can_be_reached() -> None:
    many = grouped()
    a, b, c, d, e = many.all
    a.in_flight = b.in_flight = 50
    assert {many.choose(None) for _ in range(9)} == {a, b}
    a.reachable = False
    assert {many.choose(None) for _ in range(9)} == {b}
    b.reachable = False
    assert {many.choose(None) for _ in range(9)} == {c, d}
    c.reachable = d.reachable = False
    assert many.choose(None) is e
    b.reachable = True
    assert many.choose(None) is b


def test_a_broken_connection_alone_sends_nothing_to_a_later_list() -> None:
    many = grouped()
    a, b, c, _, _ = many.all
    a.reachable = b.reachable = False
    b.is_in_doubt = True  # until its first probe says more
    assert many.choose(None) is None
    b.is_in_doubt = False
    assert many.choose(None) in (c, many.all[3])


def test_an_open_circuit_breaker_sends_requests_to_the_next_list() -> None:
    async def main() -> None:
        many = grouped(endpoint="http://a:1", circuit_breaker_enabled="true")
        first, *others = many.all
        assert first.breaker is not None
        for ticket in [first.breaker.enter() for _ in range(10)]:
            many.leave(first, ticket, True)
        assert many.choose(None) in others[:2]
        await many.close()

    asyncio.run(main())


@asynccontextmanager
async def proxies(
    triton: Triton, hosts: Sequence[str], **more: Any
) -> AsyncIterator[tuple[int, dict[str, FaultProxy]]]:
    """A proxy in front of the Triton at each of these addresses, all at one port."""
    made: dict[str, FaultProxy] = {}
    port = 0
    try:
        for host in hosts:
            made[host] = proxy = FaultProxy(upstream(triton.http_url), host=host, port=port, **more)
            await proxy.__aenter__()
            port = int(proxy.url.rpartition(":")[2])
        yield port, made
    finally:
        for proxy in made.values():
            await proxy.__aexit__()


def shares(servers: dict[str, FaultProxy]) -> list[int]:
    return [len(server.inferences) for server in servers.values()]


def assert_even(counts: Sequence[int]) -> None:
    mean = sum(counts) / len(counts)
    assert all(abs(count - mean) <= 0.2 * mean for count in counts), counts


FIRST, SECOND, THIRD, FOURTH = (f"127.0.0.{n}" for n in range(1, 5))


@with_names
async def test_each_address_gets_its_share_while_one_is_killed_and_one_comes(names: Names, triton: Triton) -> None:
    async with proxies(triton, [FIRST, SECOND, THIRD, FOURTH]) as (port, servers):
        names.hosts["triton"] = [FIRST, SECOND, THIRD]
        model = await opened("fails", *COLUMNS, endpoint=f"http://triton:{port}", max_batch_size="1")

        async def ask(rows: int) -> None:
            assert await answers(model, range(rows)) == list(range(rows))

        try:
            await ask(300)
            assert_even([len(servers[each].inferences) for each in (FIRST, SECOND, THIRD)])
            await asyncio.gather(ask(300), servers[FIRST].__aexit__(None, None, None))
            assert not servers[FOURTH].inferences
            names.hosts["triton"] = [SECOND, THIRD, FOURTH]
            while not servers[FOURTH].inferences:
                await ask(10)
            for server in servers.values():
                server.calls.clear()
            await ask(300)
            assert not servers.pop(FIRST).calls  # not even a probe
            assert_even(shares(servers))
            assert {header(call, "Host") for server in servers.values() for call in server.calls} == {f"triton:{port}"}
        finally:
            await model.close()


@with_names
async def test_a_certificate_is_that_of_the_name(names: Names, triton: Triton, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = serving(authority.sign("triton", "DNS:triton.test"))
    async with proxies(triton, [FIRST, SECOND], tls=tls) as (port, servers):
        names.hosts["triton.test"] = [FIRST, SECOND]
        url, options = f"https://triton.test:{port}", {"tls_ca_file": str(authority.pem), "max_batch_size": "1"}
        model = await opened("fails", *COLUMNS, endpoint=url, **options)
        assert await answers(model, range(20)) == list(range(20))
        await model.close()
        assert_even(shares(servers))


@pytest.mark.parametrize("lost", ["restart", "fail"])
@with_names
async def test_sequences_of_an_address_that_goes_away_are_lost_as_by_a_restart(
    names: Names, triton: Triton, lost: str
) -> None:
    async with proxies(triton, [FIRST, SECOND]) as (port, servers):
        names.hosts["triton"] = [FIRST, SECOND]
        columns = (["x BIGINT", "id STRING", "first BOOLEAN"], ["sum BIGINT"])
        options = {"sequence_id": "${id}", "sequence_start": "${first}", "sequence_lost": lost}
        model = await opened("sequence", *columns, endpoint=f"http://triton:{port}", **options)
        ids = [f"{lost}-{n}" for n in range(20)]
        assert await answers(model, [1] * 20, ids, [True] * 20) == [1] * 20
        assert_even(shares(servers))
        names.hosts["triton"] = [SECOND]
        await names.looked_up("triton")
        gone = len(servers[FIRST].inferences)
        found = await answers(model, [10] * 20, ids, [False] * 20)
        begun = [each for each in found if each != 11]
        assert found.count(11) == 20 - gone
        assert len(begun) == gone
        assert all(each == 10 if lost == "restart" else "Sequence not found" in each for each in begun)
        assert len(servers[FIRST].inferences) == gone
        assert await answers(model, [1] * 20, ids, [True] * 20) == [1] * 20
        await model.close()


@with_names
async def test_another_model_at_a_new_address_fails_the_job_before_it_gets_a_row(names: Names, triton: Triton) -> None:
    class Other(FaultProxy):
        """Its model takes another type."""

        def _step(self, call: Call) -> Step:
            is_described = call.path.endswith("/fails")
            return Step("edit", replace=((b"INT64", b"INT32"),)) if is_described else super()._step(call)

    async with AsyncExitStack() as stack:
        port, _ = await stack.enter_async_context(proxies(triton, [FIRST]))
        other = await stack.enter_async_context(Other(upstream(triton.http_url), host=SECOND, port=port))
        names.hosts["triton"] = [FIRST]
        model = await opened("fails", *COLUMNS, endpoint=f"http://triton:{port}")
        assert await answers(model, [1]) == [1]
        names.hosts["triton"] = [FIRST, SECOND]
        await names.looked_up("triton")

        async def until_it_fails() -> None:
            while True:
                assert await answers(model, [1]) == [1]

        with pytest.raises(SignatureError, match=rf"has changed at http://triton:{port} \(127\.0\.0\.2\)"):
            await until_it_fails()
        await model.close()
        with pytest.raises(SignatureError):
            await opened("fails", *COLUMNS, endpoint=f"http://triton:{port}")
        assert not other.inferences


@in_a_loop
async def test_a_list_falls_and_returns_and_no_row_is_lost(triton: Triton) -> None:
    """A reset alone does not move the rows; a server that is away does, until it is back."""
    steps = [PASS, Step("reset"), PASS, Step("away", seconds=1.0)]
    near, far = (FaultProxy(upstream(triton.http_url), made) for made in (steps, []))
    async with near, far:
        groups = {"endpoint": near.url, "endpoint_groups": far.url}
        model = await opened("fails", *COLUMNS, **groups, connection_max_age="0s")
        assert await answers(model, [1]) == [1]
        assert await answers(model, [2]) == [2]
        assert (len(near.inferences), len(far.inferences)) == (3, 0)
        while not far.inferences:
            assert await answers(model, [3]) == [3]
        near.calls.clear()
        while not near.inferences:
            assert await answers(model, [4]) == [4]
        far.calls.clear()
        assert await answers(model, [5]) == [5]
        assert not far.inferences
        await model.close()


@in_a_loop
async def test_sequences_that_move_to_a_later_list_are_lost_and_stay_there(triton: Triton) -> None:
    near, far = (FaultProxy(upstream(triton.http_url)) for _ in range(2))
    async with near, far:
        options = {"sequence_id": "${id}", "sequence_start": "true", "total_timeout": "1s", "timeout": "500 ms"}
        groups = {"endpoint": near.url, "endpoint_groups": far.url}
        model = await opened("sequence", ["x BIGINT", "id STRING"], ["sum BIGINT"], **groups, **options)
        assert await answers(model, [1], ["moves"]) == [1]
        await near.__aexit__()
        assert await answers(model, [1], ["new"]) == [1]
        (late,) = await answers(model, [10], ["moves"])
        assert "Failed to connect" in late  # its server may come back, so it waits for the row's whole time
        assert await answers(model, [100], ["moves"]) == [100]
        away = FaultProxy(upstream(triton.http_url), port=int(near.url.rpartition(":")[2]))
        async with away:
            while not away.inferences:
                assert await answers(model, [1], [f"other-{len(far.calls)}"]) == [1]
            assert await answers(model, [1000, 10], ["moves", "new"]) == [1100, 11]
        await model.close()
