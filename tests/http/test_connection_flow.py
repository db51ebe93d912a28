"""What a connection does with time and memory: early answers, slow servers, large bodies, bodies in parts, timers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from certificates import Authority, serving
from event_loops import LOOPS, run_on

from pyflink_triton.http.connection import Connection, CutOff
from pyflink_triton.http.request_parts import BURST_BYTES, JOIN_BYTES, bursts

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Length: 5\r\n\r\nhello"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"
#: More than the sockets' buffers hold.
LARGE = bytes(64 << 20)
LIMITS = (1 << 30, 1 << 20)
#: Of the server and of the client.
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(handler: Handler, tls: Contexts | None = None) -> AsyncIterator[Connection]:
    """A connection to a handler; with TLS where there are contexts of the server and of the client."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls and tls[0])
    loop = asyncio.get_running_loop()
    host, port = server.sockets[0].getsockname()
    _, connection = await loop.create_connection(lambda: Connection(loop), host, port, ssl=tls and tls[1])
    try:
        yield connection
    finally:
        connection.close()
        server.close()


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("closes", ["stays", "closes", "resets"])
def test_an_answer_before_the_request_is_written(closes: str, loop: str) -> None:
    """It is delivered, or the connection's end is; never does the connection carry another request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()
        if closes == "stays":
            await asyncio.sleep(30)
        if closes == "resets":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def main() -> None:
        async with connected(answer) as connection:
            request = connection.request([HEAD, LARGE], soon(), LIMITS)
            if closes == "stays":
                response = await request
                assert (response.status, response.body) == (413, b"hello")
            else:
                with contextlib.suppress(ConnectionError):
                    assert (await request).status == 413
            assert not connection.is_reusable

    run_on(loop, asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("loop", LOOPS)
def test_of_a_large_request_little_waits_for_a_slow_server(loop: str) -> None:
    waiting = []

    async def main() -> None:
        async def read_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            left = len(LARGE)
            while left:
                left -= len(await reader.read(1 << 20))
                waiting.append(transport.get_write_buffer_size())
            writer.write(PLAIN)
            await writer.drain()

        async with connected(read_slowly) as connection:
            transport: Any = connection._transport
            response = await connection.request([HEAD, LARGE], soon(), LIMITS)
            assert response.body == b"hello"
            assert connection.is_reusable

    run_on(loop, asyncio.wait_for(main(), 60))
    assert max(waiting) <= 2 * BURST_BYTES


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    return serving(authority.sign("server"), None), ssl.create_default_context(cafile=str(authority.pem))


@pytest.mark.parametrize("loop", LOOPS)
def test_large_bodies_go_both_ways_by_tls(loop: str, contexts: Contexts) -> None:
    body = bytes(range(256)) * (40 << 12)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            came = await reader.readexactly(len(body))
            writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(came) + came)
            await writer.drain()

    async def main() -> None:
        async with connected(echo, contexts) as connection:
            for _ in range(2):
                response = await connection.request([HEAD, body], soon(20), LIMITS)
                assert response.body == body
                assert connection.is_reusable

    run_on(loop, asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("loop", LOOPS)
def test_the_time_is_over_while_the_request_is_written(loop: str) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def main() -> None:
        async with connected(hang) as connection:
            began = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await connection.request([HEAD, LARGE], soon(0.2), LIMITS)
            assert time.monotonic() - began >= 0.2
            assert connection.began
            assert connection.is_closed

    run_on(loop, asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("loop", LOOPS)
def test_a_request_that_is_cancelled_closes_its_connection(loop: str) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def main() -> None:
        async with connected(hang) as connection:
            request = asyncio.ensure_future(connection.request([HEAD, LARGE], soon(), LIMITS))
            await asyncio.sleep(0.05)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            assert connection.is_closed

    run_on(loop, asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("loop", LOOPS)
def test_a_length_that_is_not_kept_takes_no_memory(loop: str) -> None:
    async def boast(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % (1 << 40) + b"x" * 1000)
        await writer.drain()

    async def main() -> None:
        async with connected(boast) as connection:
            with pytest.raises(CutOff):
                await connection.request([HEAD], soon(), (1 << 41, 1))
            assert len(connection._body or b"") <= 17 << 20

    run_on(loop, asyncio.wait_for(main(), 60))


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the timers that are set."""

    timers = 0

    def call_at(self, when: float, callback: Any, *args: Any, **more: Any) -> asyncio.TimerHandle:  # type: ignore[override] # by Any
        self.timers += 1
        return super().call_at(when, callback, *args, **more)


def test_a_connection_has_one_timer_and_not_one_for_each_request() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(PLAIN)

    async def main() -> int:
        async with connected(answer) as connection:
            before = loop.timers
            for _ in range(100):
                await connection.request([HEAD], soon(30), LIMITS)
                connection.rest(soon(15))
            return loop.timers - before

    loop = CountingLoop()
    try:
        assert loop.run_until_complete(main()) <= 2
    finally:
        loop.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_connection_that_rests_is_closed_in_time_unless_it_is_used(loop: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(PLAIN)

    async def main() -> None:
        async with connected(answer) as connection:
            connection.rest(soon(0.2))
            for _ in range(4):
                await asyncio.sleep(0.1)
                await connection.request([HEAD], soon(), LIMITS)
                connection.rest(soon(0.2))
            await asyncio.sleep(0.1)
            assert not connection.is_closed
            await asyncio.sleep(0.3)
            assert connection.is_closed

    run_on(loop, asyncio.wait_for(main(), 60))


#: The head, what stands before and behind a part of three bytes, and what ends the body.
PARTED: dict[str, tuple[bytes, bytes, bytes, bytes | None]] = {
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\n", b"\r\n", b"0\r\n\r\n"),
    "a length": (OK + b"Content-Length: 9\r\n\r\n", b"", b"", b""),
    "the end": (OK + b"\r\n", b"", b"", None),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("form", PARTED)
def test_a_body_in_parts_arrives_part_by_part(form: str, loop: str) -> None:
    head, before, behind, end = PARTED[form]

    async def main() -> None:
        taken = asyncio.Semaphore(0)

        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            for part in (b"one", b"two", b"six"):
                writer.write(before + part + behind)
                await taken.acquire()  # no part waits for the next
            if end is not None:
                writer.write(end)
                await asyncio.sleep(30)

        async with connected(stream) as connection:
            response = await connection.stream([HEAD], soon())
            assert response.status == 200
            found = []
            while (part := await connection.part(soon())) is not None:
                found.append(part)
                taken.release()
            assert found == [b"one", b"two", b"six"]
            assert connection.is_reusable == (form != "the end")

    run_on(loop, asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("loop", LOOPS)
def test_each_part_has_its_own_time_and_what_came_before_is_delivered(loop: str) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(0.15)
            writer.write(b"1\r\nx\r\n")
        await asyncio.sleep(30)

    async def main() -> None:
        async with connected(drip) as connection:
            await connection.stream([HEAD], soon(0.3))
            await asyncio.sleep(0.4)  # the time of the reader is not that of the server
            for _ in range(4):
                assert await connection.part(soon(0.3)) == b"x"
            with pytest.raises(asyncio.TimeoutError):
                await connection.part(soon(0.3))
            assert connection.is_closed

    run_on(loop, asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("loop", LOOPS)
def test_of_a_body_in_parts_little_waits_for_a_slow_reader(loop: str) -> None:
    sent = 0
    size = 64 << 20

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(64):
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1 << 20

    async def main() -> None:
        async with connected(flood) as connection:
            await connection.stream([HEAD], soon())
            await asyncio.sleep(0.5)
            assert sent < size // 2
            came = 0
            while (part := await connection.part(soon())) is not None:
                came += len(part)
            assert came == size
            assert connection.is_reusable

    run_on(loop, asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("loop", LOOPS)
def test_a_body_in_parts_that_is_cut_off_says_so_behind_what_came(loop: str) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 9\r\n\r\none")
        await writer.drain()

    async def main() -> None:
        async with connected(cut) as connection:
            await connection.stream([HEAD], soon())
            await asyncio.sleep(0.1)
            assert await connection.part(soon()) == b"one"
            with pytest.raises(CutOff):
                await connection.part(soon())

    run_on(loop, asyncio.wait_for(main(), 60))


def test_small_parts_are_joined_and_large_ones_never() -> None:
    large = bytes(3 * BURST_BYTES)
    parts = [b"a", b"b", large, b"c", bytes(JOIN_BYTES), b"d"]
    cut = list(bursts(parts))
    assert b"".join(bytes(piece) for burst in cut for piece in burst) == b"".join(parts)
    assert cut[0][0] == b"ab"
    assert all(sum(map(len, burst)) <= 2 * BURST_BYTES for burst in cut)
    shared = [piece for burst in cut for piece in burst if isinstance(piece, memoryview) and piece.obj is large]
    assert sum(map(len, shared)) == len(large)
    many = list(bursts([bytes(1000)] * 10_000))
    assert all(len(piece) <= JOIN_BYTES for burst in many for piece in burst)
