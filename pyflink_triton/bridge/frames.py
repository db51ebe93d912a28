"""Reads frames of the bridge protocol from a pipe, and writes them."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pyflink_triton.errors import TritonError

PROTOCOL = 6
_LENGTHS = struct.Struct("<IQ")
#: ``json.dumps`` would make an encoder for each frame.
_encode = json.JSONEncoder(separators=(",", ":")).encode
_MAX_HEADER = 64 << 20
#: The shim reads a body into a Java array.
MAX_BODY = (1 << 31) - 9


class FrameError(TritonError):
    """The input is not a frame of the protocol, or not one that may come now."""


@dataclass(frozen=True)
class Frame:
    """A header and a body."""

    header: dict[str, Any]
    body: memoryview

    @property
    def kind(self) -> str:
        """The message's kind."""
        return str(self.header["kind"])


class FrameReader(asyncio.Protocol):
    """Reads frames from a pipe.

    Args:
        receive: Takes each frame, and None at the end of the pipe.
        fail: Takes the error when the input is not a frame.
    """

    def __init__(self, receive: Callable[[Frame | None], None], fail: Callable[[FrameError], None]) -> None:
        self._receive = receive
        self._fail = fail
        self._chunks: list[memoryview] = []
        self._available = 0
        self._needed = _LENGTHS.size
        self._parse = self._lengths
        self._header: dict[str, Any] = {}
        self._body_length = 0

    def data_received(self, data: bytes) -> None:
        """Take a part of the pipe's input."""
        self._chunks.append(memoryview(data))
        self._available += len(data)
        try:
            while self._available >= self._needed:
                self._parse(self._take(self._needed))
        except FrameError as error:
            self._fail(error)

    def eof_received(self) -> None:
        """The pipe ended."""
        if self._available or self._parse != self._lengths:
            self._fail(FrameError("the input ended inside a frame"))
        self._receive(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The pipe broke, or was closed after its end."""
        if error is not None:
            self._fail(FrameError(f"the input broke: {error}"))

    def _take(self, size: int) -> memoryview:
        """Take bytes from the front: a view where one chunk holds them all."""
        self._available -= size
        first = self._chunks[0] if self._chunks else memoryview(b"")
        if len(first) >= size:
            self._chunks[:1] = [first[size:]] if len(first) > size else []
            return first[:size]
        # Of a pool that keeps its pages, and not zeroed.
        joined = memoryview(pa.allocate_buffer(size)).cast("B")
        filled = 0
        while filled < size:
            chunk = self._chunks.pop(0)
            part = chunk[: size - filled]
            joined[filled : filled + len(part)] = part
            filled += len(part)
            if len(part) < len(chunk):
                self._chunks.insert(0, chunk[len(part) :])
        return joined

    def _lengths(self, data: memoryview) -> None:
        self._needed, self._body_length = _LENGTHS.unpack(data)
        if self._needed > _MAX_HEADER or self._body_length > MAX_BODY:
            raise FrameError(
                f"a frame announces a header of {self._needed} bytes and a body of {self._body_length} bytes, "
                "more than a frame can hold"
            )
        self._parse = self._head

    def _head(self, data: memoryview) -> None:
        try:
            header = json.loads(bytes(data))
        except ValueError:
            header = None
        if not isinstance(header, dict) or "kind" not in header:
            raise FrameError("a frame's header is not a JSON object with a 'kind'")
        self._header, self._needed, self._parse = header, self._body_length, self._body

    def _body(self, data: memoryview) -> None:
        self._needed, self._parse = _LENGTHS.size, self._lengths
        self._receive(Frame(self._header, data))


def write_frame(header: Mapping[str, object], body: memoryview | bytes = b"") -> tuple[bytes, memoryview | bytes]:
    """Write a frame.

    Returns:
        The bytes before the body, and the body itself, not copied.
    """
    text = _encode(header).encode()
    return _LENGTHS.pack(len(text), len(body)) + text, body
