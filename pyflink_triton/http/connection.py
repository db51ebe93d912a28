"""One HTTP/1.1 connection that carries one request at a time, on asyncio's or uvloop's transports."""

from __future__ import annotations

import asyncio
import math
import select
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyflink_triton.http.body_readers import BodyReader, EndlessBody, body_reader
from pyflink_triton.http.request_parts import JOIN_BYTES, bursts
from pyflink_triton.http.response_head import MAX_HEAD_BYTES, BadResponse, ResponseHead, read_again

#: Responses before the one that counts (100 Continue, 103 Early Hints).
_MAX_INTERIM = 16
#: Heads of at most so many bytes are kept, because most are that of a response before.
_KEPT_HEAD_BYTES = 1024
#: A body's buffer grows by at most this much beyond what has arrived, whatever Content-Length claims.
_GROWTH = 16 << 20
#: Of a body that is read in parts, at most about so many bytes wait for the reader.
_HELD_BYTES = 1 << 20
#: Before 3.12 asyncio's ``writelines`` joins what it gets, and before 3.12.9 nothing waits for a slow server
#: (CVE-2024-12254). uvloop gathers what is written one by one, too.
_WRITELINES_GATHERS = sys.version_info >= (3, 12, 9)


class TooLarge(Exception):
    """The body has more bytes than are allowed.

    Attributes:
        status: The HTTP status of the response.
        limit: The most bytes of such a response's body.
    """

    def __init__(self, status: int, limit: int) -> None:
        super().__init__()
        self.status = status
        self.limit = limit


class CutOff(ConnectionError):
    """The connection ended inside a response."""


@dataclass(slots=True)
class Response:
    """A response as it came.

    Attributes:
        status: The HTTP status.
        headers: The headers by their names in lower case; other responses may have the same object.
        body: The body; empty where it is read in parts. Nothing changes it any more.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray = b""


class Connection(asyncio.BufferedProtocol):
    """A connection, from when it is made until it is closed.

    It carries another request only after a whole response with nothing behind it. Anything else closes it. Times are
    those of ``time.monotonic``, because uvloop's clock stands still while its loop is busy.

    Args:
        loop: The event loop.
        on_lost: Called with the connection when it is closed.

    Attributes:
        made: When it was made.
        is_reused: Whether it carried a request before the present one.
        began: Whether a byte of the present request may have been sent.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None] | None = None) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self.made = time.monotonic()
        self.is_reused = False
        self.began = False
        self._is_whole = False
        self._was_used = False
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        #: What came and is not read yet: ``_view[:_filled]``, of which the head's parser has ``_fed`` bytes.
        self._buffer = bytearray(MAX_HEAD_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = self._fed = 0
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._is_paused = self._is_written = False
        self._deadline = self._timer_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None
        # The response under way; no head where none is.
        self._head: ResponseHead | None = None
        self._interim = 0
        self._response: Response | None = None
        self._limits = (0, 0)
        self._is_streamed = False
        #: A body of known length that is read in place, and how much of it is there.
        self._body: bytearray | None = None
        self._received = 0
        self._reader: BodyReader | None = None
        self._parts: deque[bytes] = deque()
        self._part_bytes = 0
        self._is_held = False

    # What its owner calls.

    @property
    def is_closed(self) -> bool:
        """Whether it can carry no request any more."""
        return self._transport is None or self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether it may carry another request: the response was whole, and every part of its body was taken."""
        return self._is_whole and not self._parts

    @property
    def has_input(self) -> bool:
        """Whether something came to it while it is open and free that the event loop has not read yet."""
        if self._poll is None:
            assert self._transport is not None
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return bool(self._poll.poll(0))

    def close(self) -> None:
        """Close it at once; a request under way fails."""
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def rest(self, until: float) -> None:
        """Close it at this time unless it gets another request before."""
        self._limit_time(until)

    def request(
        self, parts: Sequence[bytes | memoryview], deadline: float, limits: tuple[int, int]
    ) -> Coroutine[Any, Any, Response]:
        """Send a request and read its response.

        Args:
            parts: The head and the body, as they are written.
            deadline: When the time is over.
            limits: The most bytes of the body where the status is 200, and else.

        Raises:
            asyncio.TimeoutError: The time was over.
            CutOff: The connection ended inside the response.
            ConnectionError: The connection ended before the response.
            BadResponse: What came is not HTTP/1.1.
            TooLarge: The body is larger than allowed.
        """
        self._limits, self._is_streamed = limits, False
        return self._exchange(parts, deadline)

    async def stream(self, parts: Sequence[bytes | memoryview], deadline: float) -> Response:
        """Send a request and read the head of its response; ``part`` reads the body. See ``request``."""
        self._is_streamed = True
        response = await self._exchange(parts, deadline)
        self._limit_time(math.inf)
        return response

    async def part(self, deadline: float) -> bytes | None:
        """Wait for the next part of a body that is read in parts; what has come meanwhile waits in the server.

        Args:
            deadline: When the time for this part is over.

        Returns:
            The part; None behind the last one.
        """
        self._limit_time(deadline)
        try:
            while not self._parts:
                if self._head is None:
                    return None
                if self._error is not None:
                    raise self._error
                self._waiter = self._loop.create_future()
                await self._waiter
        except BaseException:
            self.close()
            raise
        self._limit_time(math.inf)
        part = self._parts.popleft()
        self._part_bytes -= len(part)
        if self._is_held and self._part_bytes < _HELD_BYTES // 2 and self._transport is not None:
            self._is_held = False
            self._transport.resume_reading()
        return part

    async def _exchange(self, parts: Sequence[bytes | memoryview], deadline: float) -> Response:
        self.is_reused, self._was_used = self._was_used, True
        self.began = self._is_whole = self._is_written = False
        if self._error is not None or self._transport is None or self._transport.is_closing():
            raise self._error or ConnectionResetError("the connection was closed")
        assert self._head is None, "one request at a time"
        assert not self._parts, "parts of another response"
        self._head, self._interim, self._part_bytes = ResponseHead(), 0, 0
        self._waiter = waiter = self._loop.create_future()
        self._limit_time(deadline)
        try:
            if sum(map(len, parts)) <= JOIN_BYTES:
                self.began = self._is_written = True
                self._transport.write(b"".join(parts))
            else:
                await self._write(self._transport, parts, waiter)
            await waiter
        except BaseException:
            waiter.cancel()  # nobody takes what becomes of it
            self.close()
            raise
        response = self._response
        if not self._is_streamed:
            self._response = None
        assert response is not None
        return response

    async def _write(
        self, transport: asyncio.Transport, parts: Sequence[bytes | memoryview], waiter: asyncio.Future[None]
    ) -> None:
        """Write the parts, as fast as they go out; stop where the server answers before."""
        for burst in bursts(parts):
            while self._is_paused and not waiter.done():
                self._drained = self._loop.create_future()
                await self._drained
            if waiter.done():
                return
            self.began = True
            if _WRITELINES_GATHERS:
                transport.writelines(burst)
            else:
                for buffer in burst:
                    transport.write(buffer)
        self._is_written = True

    # One timer for a connection: it is set anew when it fires too early, and not for each request.

    def _limit_time(self, deadline: float) -> None:
        self._deadline = deadline
        if deadline < self._timer_at:
            self._stop_timer()
            self._start_timer(deadline)

    def _start_timer(self, at: float) -> None:
        self._timer_at = at
        self._timer = self._loop.call_later(max(at - time.monotonic(), 0.0), self._check_time)

    def _stop_timer(self) -> None:
        self._timer_at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_time(self) -> None:
        self._stop_timer()
        if time.monotonic() >= self._deadline:
            self._fail(asyncio.TimeoutError())
        elif self._deadline < math.inf:
            self._start_timer(self._deadline)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment] # uvloop's are no subclass of asyncio's

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the request under way, or end a body that the end of the connection ends."""
        self._transport = None
        self._stop_timer()
        self._end(error)
        # An error's traceback may keep this object until the garbage collector comes by.
        self._buffer, self._view = bytearray(), memoryview(b"")
        self._filled = self._fed = 0
        if self._on_lost is not None:
            self._on_lost(self)

    def eof_received(self) -> bool:
        """The server sends no more: nothing waits for what is still to be written."""
        self._end(None)
        return False

    def pause_writing(self) -> None:
        """Note that the transport's buffer is full."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._is_paused = False
        _wake(self._drained)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the place for what comes next: in the body where it is read in place."""
        body = self._body
        if body is None:
            return self._view[self._filled :]
        if self._received == len(body):
            assert self._head is not None
            assert self._head.length is not None
            body += bytes(min(self._head.length - len(body), _GROWTH))
        return memoryview(body)[self._received :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came."""
        try:
            if self._body is not None:
                self._received += nbytes
                assert self._head is not None
                if self._received == self._head.length:
                    self._finish(self._body)
                return
            self._filled += nbytes
            if self._head is None:
                words = "bytes that no request waits for"
                raise ConnectionResetError(words) if self._was_used else BadResponse(words)
            if self._reader is None:
                self._read_head(self._head)
            else:
                self._read_body(self._reader, 0)
        except (BadResponse, TooLarge, ConnectionResetError) as error:
            self._fail(error)

    # Reading.

    def _read_head(self, head: ResponseHead) -> None:
        while True:
            end = self._buffer.find(b"\r\n\r\n", max(self._fed - 3, 0), self._filled)
            stop = self._filled if end < 0 else end + 4
            if end >= 0 and not self._fed and stop <= _KEPT_HEAD_BYTES:
                self._head = head = read_again(bytes(self._view[:stop]))
            else:
                head.feed(self._view[self._fed : stop])
            self._fed = stop
            if head.is_read != (end >= 0):
                raise BadResponse("lines that do not end as those of HTTP do")
            if end < 0:
                if self._filled == len(self._buffer):
                    raise BadResponse("the head is too large")
                return
            if head.status >= 200:
                self._begin_body(head, stop)
                return
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise BadResponse("too many responses before the one that counts")
            self._buffer[: self._filled - stop] = self._buffer[stop : self._filled]
            self._filled, self._fed = self._filled - stop, 0
            self._head = head = ResponseHead()
            if not self._filled:
                return

    def _begin_body(self, head: ResponseHead, start: int) -> None:
        self._response = Response(head.status, head.headers)
        length, came = head.length, self._filled - start
        if not self._is_streamed and length is not None:
            limit = self._limits[head.status != 200]
            if length > limit:
                raise TooLarge(head.status, limit)
            if came >= length:
                self._finish(bytes(self._view[start : start + length]), extra=came - length)
                return
            self._body = bytearray(min(length, came + _GROWTH))
            self._body[:came] = self._view[start : self._filled]
            self._received, self._filled = came, 0
            return
        self._reader = body_reader(head)
        if self._is_streamed:
            _wake(self._waiter)
        self._read_body(self._reader, start)

    def _read_body(self, reader: BodyReader, start: int) -> None:
        data = bytes(self._view[start : self._filled])
        self._filled = 0
        assert self._response is not None
        limit = self._limits[self._response.status != 200]
        for part in reader.feed(data):
            self._parts.append(part)
            self._part_bytes += len(part)
        if self._is_streamed:
            _wake(self._waiter)
            if self._part_bytes > _HELD_BYTES and not self._is_held and self._transport is not None:
                self._is_held = True
                self._transport.pause_reading()
        elif self._part_bytes > limit:
            raise TooLarge(self._response.status, limit)
        if reader.is_complete:
            self._finish_parts(extra=reader.extra)

    def _finish_parts(self, extra: int = 0) -> None:
        body = b""
        if not self._is_streamed:
            body = b"".join(self._parts)
            self._parts.clear()
        self._finish(body, extra)

    def _finish(self, body: bytes | bytearray, extra: int = 0) -> None:
        """End the response: what comes from now on has no request."""
        head, self._head = self._head, None
        self._reader = self._body = None
        self._filled = self._fed = 0
        assert head is not None
        assert self._response is not None
        self._response.body = body
        transport = self._transport
        self._is_whole = (
            head.keeps_alive
            and not extra
            and self._is_written
            and transport is not None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )
        self._wake_all()

    def _end(self, error: Exception | None) -> None:
        """Say what the end of the connection means for the request under way."""
        if self._head is None:
            self._error = self._error or ConnectionResetError("the connection was closed")
        elif error is None and isinstance(self._reader, EndlessBody):
            self._finish_parts()
        elif self._response is not None or self._filled:
            self._fail(CutOff())
        else:
            self._fail(error or ConnectionResetError("the connection was closed"))

    def _fail(self, error: Exception) -> None:
        """Close it, because of the first error."""
        self._error = self._error or error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._error)
        self._wake_all()
        self.close()

    def _wake_all(self) -> None:
        _wake(self._waiter)
        _wake(self._drained)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
