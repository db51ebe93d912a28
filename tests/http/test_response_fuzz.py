"""Responses that are broken at random: however they are cut into reads, a connection makes the same of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from event_loops import run_on

from pyflink_triton.http.connection import Connection, CutOff, TooLarge
from pyflink_triton.http.response_head import MAX_HEAD_BYTES, BadResponse

OK = b"HTTP/1.1 200 OK\r\n"
SEEDS = (
    OK + b"Content-Type: application/json\r\nContent-Length: 12\r\n\r\nhello, world",
    OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
    OK + b"\r\nhello",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    OK + b"Content-Length: 0\r\n\r\n",
)
PIECES = (
    b"\r\n", b"\n", b"\r", b" ", b"\0", b":", b";", b"0\r\n\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"HTTP/1.1 ", b"HTTP/1.0 ",
    b"99999999999999999999",
    b"\xff", b"Connection: close\r\n", b" folded\r\n", b"f",
)  # fmt: skip
LIMIT = 1 << 10
#: The body and whether the connection may carry another request, or the error.
Outcome = tuple[bytes, bool] | type[BaseException]


class Wire(asyncio.Transport):
    """A transport without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def abort(self) -> None:
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        return 0


async def outcome(reads: Sequence[bytes]) -> Outcome:
    """What a connection makes of these reads and the end behind them."""
    wire, connection = Wire(), Connection(asyncio.get_running_loop())
    connection.connection_made(wire)
    request = asyncio.ensure_future(connection.request([b"GET"], time.monotonic() + 60, (LIMIT, LIMIT)))
    await asyncio.sleep(0)
    for read in reads:
        place = 0
        while place < len(read) and not wire.is_closed:
            buffer = connection.get_buffer(-1)
            assert len(buffer) > 0
            came = read[place : place + len(buffer)]
            buffer[: len(came)] = came
            del buffer
            connection.buffer_updated(len(came))
            place += len(came)
    may_stay = connection.is_reusable and not wire.is_closed
    if not wire.is_closed:
        connection.eof_received()
    connection.connection_lost(None)
    try:
        return bytes((await request).body), may_stay
    except (BadResponse, TooLarge, CutOff, ConnectionResetError) as error:
        return type(error)


def broken(rng: random.Random, response: bytes) -> bytes:
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        place = rng.randrange(len(response) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            response = response[:place] + rng.choice(PIECES) + response[place:]
        elif kind == 1:
            response = response[:place] + response[place + rng.randrange(1, 8) :]
        elif kind == 2:
            response = response[:place] + bytes([rng.randrange(256)]) + response[place + 1 :]
        else:
            response = response[:place]
    return response


def cuts(rng: random.Random, response: bytes) -> Iterator[list[bytes]]:
    yield [response[place : place + 1] for place in range(len(response))]
    for _ in range(3):
        places = sorted(rng.sample(range(len(response) + 1), min(4, len(response))))
        yield [response[a:b] for a, b in zip([0, *places], [*places, len(response)], strict=True)]


@pytest.mark.parametrize("seed", range(8))
def test_what_becomes_of_a_response_does_not_depend_on_how_it_is_cut(seed: int) -> None:
    rng = random.Random(seed)

    async def main() -> None:
        seen = set()
        for _ in range(500):
            response = broken(rng, rng.choice(SEEDS))
            whole = await outcome([response])
            for reads in cuts(rng, response):
                assert await outcome(reads) == whole, reads
            seen.add(whole if isinstance(whole, type) else whole[1])
        assert {True, False, BadResponse, CutOff} <= seen

    run_on("asyncio", main())


@pytest.mark.parametrize("response", SEEDS)
def test_nothing_that_is_added_behind_a_response_reaches_the_next(response: bytes) -> None:
    async def main() -> None:
        whole = await outcome([response])
        assert not isinstance(whole, type)
        if response == OK + b"\r\nhello":  # the connection's end ends it
            return
        for more in PIECES:
            assert await outcome([response + more]) == (whole[0], False)
            assert await outcome([response, more]) == (whole[0], False)

    run_on("asyncio", main())


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES - 1, MAX_HEAD_BYTES, MAX_HEAD_BYTES + 1])
def test_a_head_has_at_most_so_many_bytes(size: int) -> None:
    rest = b"\r\nContent-Length: 0\r\n\r\n"
    head = OK + b"X: "
    head += b"a" * (size - len(head) - len(rest)) + rest
    assert len(head) == size
    expected: Outcome = (b"", True) if size <= MAX_HEAD_BYTES else BadResponse
    assert run_on("asyncio", outcome([head])) == expected
