"""Responses as no server should send them, and as they may be cut: what a connection makes of each, on both loops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from event_loops import LOOPS, run_on

from pyflink_triton.http.connection import Connection, CutOff, TooLarge
from pyflink_triton.http.response_head import BadResponse

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def chunked(size: bytes, data: bytes, trailer: bytes = b"") -> bytes:
    return OK + b"Transfer-Encoding: chunked\r\n\r\n%b\r\n%b\r\n0\r\n%b\r\n" % (size, data, trailer)


#: Closes the connection, in a script.
CLOSE = None
Piece = bytes | float | None
Script = Sequence[Piece]
#: The body of each answer and whether the connection stays, or the error.
Outcome = tuple[bytes, bool] | type[BaseException]


async def serve(script: Script) -> asyncio.Server:
    """A server that plays a script to each request: bytes, pauses in seconds, the end."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in script:
                    if piece is None:
                        return
                    if isinstance(piece, float):
                        await asyncio.sleep(piece)
                    else:
                        writer.write(piece)
                        await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0)


async def outcomes(script: Script, requests: int = 2, limit: int = 1 << 20, seconds: float = 1.0) -> list[Outcome]:
    """What becomes of requests, one after the other, on one connection."""
    server = await serve(script)
    loop, found = asyncio.get_running_loop(), list[Outcome]()
    host, port = server.sockets[0].getsockname()
    _, connection = await loop.create_connection(lambda: Connection(loop), host, port)
    try:
        for _ in range(requests):
            deadline = time.monotonic() + seconds
            response = await connection.request([GET], deadline, (limit, limit))
            found.append((bytes(response.body), connection.is_reusable))
            if not connection.is_reusable:
                break
            await asyncio.sleep(0.02)
    except (OSError, asyncio.TimeoutError, BadResponse, TooLarge) as error:
        found.append(type(error))
        assert connection.is_closed
    finally:
        connection.close()
        server.close()
    return found


TWICE: list[Outcome] = [(b"hello", True), (b"hello", True)]
CASES: dict[str, tuple[Script, list[Outcome]]] = {
    "plain": ([PLAIN], TWICE),
    "a byte at a time": ([bytes([byte]) for byte in PLAIN], TWICE),
    "chunks": ([CHUNKED], TWICE),
    "chunks, a byte at a time": ([bytes([byte]) for byte in CHUNKED], TWICE),
    "an interim response": ([b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN], TWICE),
    "an interim response before": ([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 0.01, PLAIN], TWICE),
    "an empty body": ([OK + b"Content-Length: 0\r\n\r\n"], [(b"", True), (b"", True)]),
    "no body": ([b"HTTP/1.1 204 No Content\r\n\r\n"], [(b"", True), (b"", True)]),
    "something behind the body": ([PLAIN + b"XX"], [(b"hello", False)]),
    "something behind the last chunk": ([CHUNKED + b"XX"], [(b"hello", False)]),
    "an empty line behind the body": ([PLAIN + b"\r\n"], [(b"hello", False)]),
    "an empty line behind the last chunk": ([CHUNKED + b"\r\n"], [(b"hello", False)]),
    "a second response": ([PLAIN + PLAIN], [(b"hello", False)]),
    "a body where there is none": ([b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"], [(b"", False)]),
    "chunks with extensions": ([chunked(b"5;a=b;c", b"hello")], TWICE),
    "chunks with a trailer": ([chunked(b"5", b"hello", b"X: y\r\nZ: \r\n")], TWICE),
    "chunks with a bad trailer": ([chunked(b"5", b"hello", b" folded\r\n")], [BadResponse]),
    "chunks with a long trailer": ([chunked(b"5", b"hello", b"X: aaaaaaaa\r\n" * 6000)], [BadResponse]),
    "chunks with a long extension": ([chunked(b"5;" + b"a" * 70000, b"hello")], [BadResponse]),
    "a chunk that is longer than its size": ([chunked(b"4", b"hello")], [BadResponse]),
    "a chunk that is shorter than its size": ([chunked(b"6", b"hello")], [BadResponse]),
    "a chunk of a negative size": ([chunked(b"-5", b"hello")], [BadResponse]),
    "a chunk of no size": ([chunked(b"", b"hello")], [BadResponse]),
    "a chunk of a size with a prefix": ([chunked(b"0x5", b"hello")], [BadResponse]),
    "a chunk of a size without end": ([chunked(b"f" * 16, b"hello")], [BadResponse]),
    "chunks without a carriage return": ([CHUNKED.replace(b"5\r\n", b"5\n")], [BadResponse]),
    "an empty line before": ([b"\r\n\r\n" + PLAIN], [BadResponse]),
    "two lengths in one": ([OK + b"Content-Length: 5, 5\r\n\r\nhello"], [BadResponse]),
    "a length of no digits": ([OK + b"Content-Length: \r\n\r\nhello"], [BadResponse]),
    "a length in hexadecimal": ([OK + b"Content-Length: 0x5\r\n\r\nhello"], [BadResponse]),
    "a length that is too short": ([OK + b"Content-Length: 4\r\n\r\nhello"], [(b"hell", False)]),
    "one line without a carriage return": ([OK + b"X: a\nContent-Length: 5\r\n\r\nhello"], [BadResponse]),
    "the last line without a carriage return": ([OK + b"Content-Length: 5\r\n\nhello", 1.0], [BadResponse]),
    "interim responses without end": ([b"HTTP/1.1 100 Continue\r\n\r\n"] * 100, [BadResponse]),
    "an unknown version": ([b"HTTP/3.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"], [BadResponse]),
    "a bad status": ([b"HTTP/1.1 2OO OK\r\nContent-Length: 5\r\n\r\nhello"], [BadResponse]),
    "something behind, later": ([PLAIN, 0.003, b"XX"], [(b"hello", True), ConnectionResetError]),
    "the length twice": ([OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"], [BadResponse]),
    "another length": ([OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"], [BadResponse]),
    "a length and chunks": ([OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello"], [BadResponse]),
    "an unknown encoding": ([OK + b"Transfer-Encoding: gzip, chunked\r\n\r\nhello"], [BadResponse]),
    "a negative length": ([OK + b"Content-Length: -5\r\n\r\nhello"], [BadResponse]),
    "a length with a sign": ([OK + b"Content-Length: +5\r\n\r\nhello"], [BadResponse]),
    "a length that is too large": ([OK + b"Content-Length: 99999999999999999999\r\n\r\n"], [BadResponse]),
    "a folded header": ([OK + b"X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello"], [BadResponse]),
    "a space behind a name": ([OK + b"Content-Length : 5\r\n\r\nhello"], [BadResponse]),
    "a zero byte in a header": ([OK + b"X: a\0b\r\nContent-Length: 5\r\n\r\nhello"], [BadResponse]),
    "lines without a carriage return": ([b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"], [BadResponse]),
    "not HTTP": ([b"SSH-2.0-x\r\n\r\n"], [BadResponse]),
    "another protocol": ([b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"], [BadResponse]),
    "long headers": ([OK + b"X: " + b"a" * 70000 + b"\r\n\r\n"], [BadResponse]),
    "many headers": ([OK + b"X: a\r\n" * 300 + b"Content-Length: 0\r\n\r\n"], [BadResponse]),
    "a bad chunk": ([OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello"], [BadResponse]),
    "no length": ([OK + b"\r\nhello", CLOSE], [(b"hello", False)]),
    "closed by the server": ([OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello"], [(b"hello", False)]),
    "HTTP/1.0": ([b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"], [(b"hello", False)]),
    "cut in the body": ([OK + b"Content-Length: 50\r\n\r\nhello", CLOSE], [CutOff]),
    "cut in the headers": ([OK + b"Content-Le", CLOSE], [CutOff]),
    "cut in a chunk": ([CHUNKED[:-9], CLOSE], [CutOff]),
    "closed before": ([CLOSE], [ConnectionResetError]),
    "too large": ([OK + b"Content-Length: 3000000\r\n\r\n"], [TooLarge]),
    "too large in chunks": (
        [OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"FFFF\r\n" + b"x" * 65535 + b"\r\n"] * 17],
        [TooLarge],
    ),
    "too slow": ([OK + b"Content-Length: 5\r\n\r\nhe", 2.0], [asyncio.TimeoutError]),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("case", CASES)
def test_a_response(case: str, loop: str) -> None:
    script, expected = CASES[case]
    assert run_on(loop, outcomes(script, seconds=0.5)) == expected


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("response", [PLAIN, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN])
def test_a_response_is_the_same_wherever_it_is_cut(response: bytes, loop: str) -> None:
    async def cut() -> None:
        for place in range(1, len(response)):
            assert await outcomes([response[:place], 0.002, response[place:]], 1) == TWICE[:1], place

    run_on(loop, cut())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_large_body_is_read_in_place_and_grows_with_what_arrives(loop: str) -> None:
    size = 40 << 20
    body = bytes(range(256)) * (size // 256)

    async def read() -> Any:
        return await outcomes([OK + b"Content-Length: %d\r\n\r\n" % size, body], 2, size, 20.0)

    assert run_on(loop, read()) == [(body, True), (body, True)]
