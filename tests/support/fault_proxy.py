"""A proxy on this machine in front of a real Triton that makes the faults it is told to, and logs every call."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from faults import PASS, POISON, Step

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEADER_LENGTH = re.compile(rb"\r\ninference-header-content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One call as it came: its request line and headers, its body, and which connection it came by."""

    head: bytes
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode()

    @property
    def is_inference(self) -> bool:
        return re.search(rb"/(infer|generate_stream) ", self.head.split(b"\r\n", 1)[0]) is not None

    @property
    def is_stream(self) -> bool:
        return b"/generate_stream " in self.head.split(b"\r\n", 1)[0]

    @property
    def holds_poison(self) -> bool:
        """Whether one of its int64 elements is the poison."""
        found = _HEADER_LENGTH.search(self.head)
        return found is not None and POISON in np.frombuffer(self.body[int(found.group(1)) :], "<i8")


@dataclass
class FaultProxy:
    """The proxy, as an asynchronous context manager.

    Attributes:
        upstream: Host and port of the Triton.
        steps: What becomes of the inference calls, one after the other.
        always: What becomes of all after those.
        poison: What becomes of a call that holds a poisoned row, in place of those.
        tls: Its TLS; None for plain HTTP.
        hidden: The status that calls are answered whose path these expressions find, the first that does.
        spared: Calls whose body holds these bytes pass, and take no step; empty: there are none.
        host: The address that it listens at.
        port: Its port; 0 for a free one.
        apart: Whether a connection ends with each call that is no inference, so that the first inference has a new
            one, whatever was asked before it.
        calls: Every call that it got.
        troubles: What went wrong between it and the Triton, which no test wants.
    """

    upstream: tuple[str, int]
    steps: Sequence[Step] = ()
    always: Step = PASS
    poison: Step | None = None
    tls: ssl.SSLContext | None = None
    hidden: Mapping[str, int] = field(default_factory=dict)
    spared: bytes = b""
    host: str = "127.0.0.1"
    port: int = 0
    apart: bool = False
    calls: list[Call] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    async def __aenter__(self) -> FaultProxy:
        self._pending = list(self.steps)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._port = self.port
        self._is_draining = False
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://{self.host}:{self._port}"

    @property
    def inferences(self) -> list[Call]:
        return [call for call in self.calls if call.is_inference]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, self.host, self._port, ssl=self.tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            _reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_draining:
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self._connections += 1
        try:
            await self._serve(reader, writer, self._connections)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            call = Call(head, await reader.readexactly(int(found.group(1))) if found else b"", connection)
            self.calls.append(call)
            step = self._step(call)
            if not await getattr(self, f"_{step.kind}")(step, call, writer):
                return

    def _step(self, call: Call) -> Step:
        if not call.is_inference:
            path = call.head.split(b" ")[1].decode()
            status = next((status for words, status in self.hidden.items() if re.search(words, path)), None)
            return PASS if status is None else Step("status", status, b"there is nothing here")
        if self.spared and self.spared in call.body:
            return PASS
        if self.poison is not None:
            return self.poison if call.holds_poison else PASS
        return self._pending.pop(0) if self._pending else self.always

    async def _answer(self, call: Call) -> tuple[bytes, bytes]:
        """What the Triton answers: head and body."""
        try:
            reader, writer = await asyncio.open_connection(*self.upstream)
            try:
                writer.write(call.head + call.body)
                head = await reader.readuntil(b"\r\n\r\n")
                found = _LENGTH.search(head)
                assert found is not None, head
                return head, await reader.readexactly(int(found.group(1)))
            finally:
                writer.close()
        except Exception as error:
            self.troubles.append(repr(error))
            raise

    async def _relay(self, call: Call, writer: asyncio.StreamWriter, events: int | None) -> None:
        """Hand on a stream as it comes, or its first events."""
        reader, upstream = await asyncio.open_connection(*self.upstream)
        try:
            upstream.write(call.head + call.body)
            came = b""
            while not re.search(rb"\r\n0\r\n\r\n$|\r\ncontent-length: *\d+\r\n.*\r\n\r\n", came, re.I | re.S):
                part = await reader.read(1 << 16)
                if not part:
                    raise ConnectionResetError("the Triton broke the stream")
                came += part
                if events is not None and came.count(b"data:") > events:
                    ends = [found.start() for found in re.finditer(b"data:", came)]
                    writer.write(came[len(came) - len(part) : ends[events]])
                    break
                writer.write(part)
                await writer.drain()
            found = _LENGTH.search(came)
            if found is not None and events is None:
                body = came.split(b"\r\n\r\n", 1)[1]
                writer.write(await reader.readexactly(int(found.group(1)) - len(body)))
            await writer.drain()
        finally:
            upstream.close()

    # Each kind of step: whether the connection goes on.

    async def _pass(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(step.seconds)
        if call.is_stream:
            await self._relay(call, writer, None)
            return True
        head, body = await self._answer(call)
        goes_on = call.is_inference or not self.apart
        writer.write((head if goes_on else head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)) + body)
        await writer.drain()
        return goes_on

    async def _whole(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        """A stream that arrives at once, when it has ended."""
        reader, upstream = await asyncio.open_connection(*self.upstream)
        try:
            upstream.write(call.head + call.body)
            writer.write(await reader.readuntil(b"\r\n0\r\n\r\n"))
        finally:
            upstream.close()
        await writer.drain()
        return True

    async def _status(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        lines = [f"HTTP/1.1 {step.status} Some Words", *step.headers, f"Content-Length: {len(step.body)}", "", ""]
        writer.write("\r\n".join(lines).encode() + step.body)
        await writer.drain()
        return True

    async def _edit(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        """The Triton's answer with something replaced in its head, and bytes cut off or added at its end."""
        head, body = await self._answer(call)
        for old, new in step.replace:
            assert re.search(old, head + body), (old, head, body)
            head, body = re.sub(old, new, head), re.sub(old, new, body)
        body = body[: len(body) + step.cut] if step.cut < 0 else body + b"\0" * step.cut
        if step.fits:
            head = _LENGTH.sub(b"\r\nContent-Length: %d" % len(body), head)
        writer.write(head + body)
        await writer.drain()
        return step.fits

    async def _raw(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        writer.write(step.body)
        await writer.drain()
        return False

    async def _reset(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        """A reset: before the answer, where `cut` is negative before so many bytes of its end, or behind events."""
        if step.events:
            await self._relay(call, writer, step.events)
            await asyncio.sleep(0.02)
        if step.cut:
            head, body = await self._answer(call)
            writer.write((head + body)[: step.cut])
            await writer.drain()
            await asyncio.sleep(0.02)  # what was written must arrive before the reset
        _reset(writer)
        return False

    async def _close(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        """An orderly end, before the answer or before so many bytes of its end."""
        if step.cut:
            head, body = await self._answer(call)
            writer.write((head + body)[: step.cut])
            await writer.drain()
        return False

    async def _drip(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        head, body = await self._answer(call)
        for byte in head + body:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(step.seconds)
        return True

    async def _ping(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        """A stream of comments, and no response."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(round(step.seconds / 0.05)):
            writer.write(b"8\r\n: ping\n\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
        return True

    async def _hang(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(60)
        return False

    async def _away(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        """The server goes away, connections and all, and comes back."""
        await self._stop()
        await asyncio.sleep(step.seconds)
        await self._listen()
        return False

    async def _drain(self, step: Step, call: Call, writer: asyncio.StreamWriter) -> bool:
        """The server shuts down as Triton does: it takes connections and ends them at once. Then it is back."""
        self._is_draining = True
        for each in list(self._writers):
            each.close()
        await asyncio.sleep(step.seconds)
        self._is_draining = False
        return False


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: Any = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def nobody() -> Any:
    """A URL where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextlib.contextmanager
def full_queue() -> Any:
    """A URL where nobody answers the connection: the queue of a listening socket is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(address)
        yield f"http://127.0.0.1:{address[1]}"
