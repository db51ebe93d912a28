"""Calls over connections of our own: which connection and which address a call takes, and what is read in parts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from event_loops import LOOPS, run_on
from fault_proxy import full_queue

from pyflink_triton.errors import ContractError
from pyflink_triton.http.connection_pool import ConnectionPool, Origin
from pyflink_triton.http.direct_client import DirectClient
from pyflink_triton.http.host_addresses import HostAddresses
from pyflink_triton.options.validation import parse_options
from pyflink_triton.protocol.failures import Fault, NoResponseError

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#: Takes a request's number on its connection, and the stream to answer on; False ends the connection.
Answer = Callable[[int, asyncio.StreamWriter], Awaitable[bool]]


class Server:
    """Answers as it is told, and counts connections."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.heads: list[tuple[int, bytes]] = []
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection, number = self.connections, 0
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                self.heads.append((connection, await reader.readuntil(b"\r\n\r\n")))
                number += 1
                if not await self._answer(number, writer):
                    break
        writer.close()


async def plain(_: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(PLAIN)
    return True


@asynccontextmanager
async def client(answer: Answer = plain, **options: str) -> AsyncIterator[tuple[DirectClient, str, Server]]:
    server = Server(answer)
    async with await asyncio.start_server(server.handle, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        written = {key.replace("_", "-"): value for key, value in options.items()}
        made = DirectClient(parse_options({"endpoint": url, "model-name": "m", **written}))
        try:
            yield made, url, server
        finally:
            await made.close()


def run(main: Callable[[], Any], loop: str = "asyncio") -> None:
    run_on(loop, asyncio.wait_for(main(), 60))


def test_what_a_request_says() -> None:
    async def main() -> None:
        async with client(auth_token="secret-token", custom_headers="X-A: b") as (one, url, server):
            await one.call("GET", f"{url}/v2/models/café")
            host = url.removeprefix("http://")
            head = f"GET /v2/models/café HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\nX-A: b\r\n"
            assert server.heads[0][1].decode() == head + "Authorization: Bearer secret-token\r\n\r\n"
            await one.call("POST", f"{url}/v2/repository/index")
            assert server.heads[1][1].endswith(b"\r\nContent-Length: 0\r\n\r\n")

    run(main)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_get_that_meets_a_stale_connection_is_sent_once_more(method: str) -> None:
    async def first_only(number: int, writer: asyncio.StreamWriter) -> bool:
        return number == 1 and await plain(number, writer)

    async def main() -> None:
        async with client(first_only) as (one, url, server):
            assert (await one.call(method, url)).body == b"ok"
            if method == "GET":
                assert (await one.call(method, url)).body == b"ok"
                assert [connection for connection, _ in server.heads] == [1, 1, 2]
                return
            with pytest.raises(NoResponseError) as error:
                await one.call(method, url)
            assert (error.value.fault, error.value.stale, error.value.sent) == (Fault.RESET, True, True)

    run(main)


def test_a_connection_that_the_server_closed_while_it_was_idle_is_not_used() -> None:
    async def last(number: int, writer: asyncio.StreamWriter) -> bool:
        await plain(number, writer)
        return False

    async def main() -> None:
        async with client(last) as (one, url, server):
            for _ in range(3):
                assert (await one.call("POST", url)).body == b"ok"
                await asyncio.sleep(0.05)
            assert [connection for connection, _ in server.heads] == [1, 2, 3]

    run(main)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_comes_behind_a_body_is_not_the_response_to_the_next_request(loop: str) -> None:
    """The body is read in place, so the rest waits in the system when the next request is made."""
    body = b"x" * 300_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def too_much(_: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(head + body + PLAIN)
        return True

    async def main() -> None:
        async with client(too_much) as (one, url, _):
            for _ in range(10):
                assert (await one.call("POST", url)).body == body

    run(main, loop)


def test_connections_take_turns_and_a_probe_has_its_own() -> None:
    async def slowly(number: int, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(0.05)
        return await plain(number, writer)

    async def main() -> None:
        async with client(slowly) as (one, url, server):
            await asyncio.gather(*[one.call("GET", url) for _ in range(3)])
            for _ in range(3):
                await one.call("GET", url)
            assert sorted(connection for connection, _ in server.heads[3:]) == [1, 2, 3]
            await one.probe(url, 1.0)
            assert server.heads[-1][0] == 4
            await asyncio.gather(*[one.call("GET", url) for _ in range(3)])
            assert server.connections == 4

    run(main)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_response_is_read_in_parts(loop: str) -> None:
    async def stream(number: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(STREAM)
        for part in (b"a", b"b", b"c"):
            writer.write(b"1\r\n%b\r\n" % part)
            await writer.drain()
            await asyncio.sleep(0.05)
        if number == 2:
            await asyncio.sleep(1)  # longer than a part may take
        writer.write(b"0\r\n\r\n")
        return True

    async def main() -> None:
        async with client(stream) as (one, url, server):
            async with one.stream("POST", url, body=[b"x"], timeout=0.5, total=5.0) as (response, parts):
                assert response.status == 200
                assert [part async for part in parts] == [b"a", b"b", b"c"]
            with pytest.raises(NoResponseError) as error:
                async with one.stream("POST", url, body=[b"x"], timeout=0.5, total=5.0) as (_, parts):
                    assert [part async for part in parts] == []
            assert error.value.fault is Fault.TIMEOUT
            async with one.stream("POST", url, body=[b"x"], timeout=0.5, total=5.0) as (_, parts):
                assert await anext(parts) == b"a"  # the rest is not wanted
            assert (await one.call("GET", url)).body == b"abc"
            assert [connection for connection, _ in server.heads] == [1, 1, 2, 3]

    run(main, loop)


@pytest.mark.parametrize("taken", [0, 1, 2])
@pytest.mark.parametrize("loop", LOOPS)
def test_parts_that_came_and_were_not_taken_belong_to_no_other_call(loop: str, taken: int) -> None:
    async def stream(number: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(STREAM + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
        return True

    async def main() -> None:
        async with client(stream) as (one, url, server):
            for _ in range(2):
                async with one.stream("POST", url, body=[b"x"], timeout=0.5, total=5.0) as (_, parts):
                    assert [await anext(parts) for _ in range(taken)] == [b"a", b"b"][:taken]
                    await asyncio.sleep(0.05)  # the whole body is there
            assert (await one.call("GET", url)).body == b"ab"
            # A connection is kept only where all was taken.
            assert server.connections == (1 if taken == 2 else 3)

    run(main, loop)


def test_a_body_that_is_too_large_is_refused_by_its_status() -> None:
    async def large(_: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + bytes(2000))
        return True

    async def main() -> None:
        async with client(large, max_response_bytes="1 kb") as (one, url, _):
            with pytest.raises(ContractError, match="HTTP 200 with more than 1024 bytes"):
                await one.call("POST", url, body=[b"x"])
            assert len((await one.call("GET", url)).body) == 2000

    run(main)


def test_the_systems_time_out_is_a_broken_connection() -> None:
    """Not the end of the call's own time, though Python has one class for both."""

    async def main() -> None:
        async with client() as (one, _, _):
            error = one._failed(TimeoutError(110, "Connection timed out"), None, 30.0)
            assert isinstance(error, NoResponseError)
            assert error.fault is Fault.REFUSED
            assert error.details == "Connection timed out"

    run(main)


class Names(asyncio.SelectorEventLoop):
    """Knows the addresses of one host, and counts how often it is asked."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self.addresses = addresses
        self.asked = 0

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        await asyncio.sleep(0.01)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in self.addresses]


def test_the_addresses_of_a_host_take_turns_and_are_asked_for_once() -> None:
    async def main() -> None:
        addresses = HostAddresses()
        found = await asyncio.gather(*[addresses.of("triton", 8000) for _ in range(4)])
        assert [each[0][4][0] for each in found] == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]
        assert all(len({each[4] for each in one}) == 3 for one in found)
        assert loop.asked == 1
        assert [each[4][0] for each in await addresses.of("127.0.0.9", 8000)] == ["127.0.0.9"]
        assert loop.asked == 1
        loop.addresses = ()
        for _ in range(2):
            with pytest.raises(socket.gaierror):
                await addresses.of("nowhere", 8000)
        assert loop.asked == 3  # what failed is asked again

    loop = Names("127.0.0.1", "127.0.0.2", "127.0.0.3")
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_an_address_that_stays_silent_is_passed_over() -> None:
    async def main(port: int) -> None:
        async with await asyncio.start_server(Server(plain).handle, "127.0.0.2", port):
            pool = ConnectionPool(300.0, None)
            began = time.monotonic()
            connection = await pool.connect(Origin("http", "triton", port), 60.0)
            assert time.monotonic() - began < 30.0
            connection.close()
            pool.close()

    with full_queue() as url:  # nobody answers at 127.0.0.1
        loop = Names("127.0.0.1", "127.0.0.2")
        try:
            loop.run_until_complete(main(int(url.rpartition(":")[2])))
        finally:
            loop.close()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("host", ["a" * 64, "a..b", "nobody.invalid"])
def test_a_name_that_no_host_can_have_has_no_address(host: str, loop: str) -> None:
    async def main() -> None:
        one = DirectClient(parse_options({"endpoint": f"http://{host}:8000", "model-name": "m"}))
        with pytest.raises(NoResponseError) as error:
            await one.call("GET", f"http://{host}:8000/v2")
        assert error.value.fault is Fault.DNS
        await one.close()

    run(main, loop)
