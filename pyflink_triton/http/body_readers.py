"""The body of an HTTP/1.1 response, taken out of what comes: by its length, by its chunks, or up to the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from pyflink_triton.http.response_head import MAX_HEAD_BYTES, BadResponse, ResponseHead

#: The line before a chunk: its size, and perhaps extensions, which mean nothing here.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")


class CountedBody:
    """A body whose length is known.

    Attributes:
        is_complete: Whether all of it came.
        extra: The bytes that came behind it.
    """

    def __init__(self, length: int) -> None:
        self._left = length
        self.is_complete = not length
        self.extra = 0

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take what came, and return the body's part of it."""
        part = data[: self._left]
        self._left -= len(part)
        self.is_complete = not self._left
        self.extra = len(data) - len(part)
        return (part,) if part else ()


class EndlessBody:
    """A body that the connection's end ends; see ``CountedBody``."""

    is_complete = False
    extra = 0

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take what came; all of it is the body."""
        return (data,) if data else ()


class _Next(Enum):
    """What comes next in a body of chunks."""

    SIZE = "a chunk's size"
    DATA = "a chunk"
    END_OF_DATA = "the line's end behind a chunk"
    TRAILER = "a header behind the last chunk, or an empty line"
    NOTHING = "nothing"


class ChunkedBody:
    """A body in chunks; see ``CountedBody``. Headers behind the last chunk are passed over."""

    def __init__(self) -> None:
        self._next = _Next.SIZE
        self._line = b""
        self._left = 0
        self._trailer_bytes = 0
        self.extra = 0

    @property
    def is_complete(self) -> bool:
        """Whether all of it came."""
        return self._next is _Next.NOTHING

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take what came, and return the body's parts of it.

        Raises:
            BadResponse: What came is not a body in chunks.
        """
        parts, place, size = [], 0, len(data)
        while place < size and self._next is not _Next.NOTHING:
            if self._next is _Next.DATA:
                part = data[place : place + self._left]
                parts.append(part)
                place += len(part)
                self._left -= len(part)
                if not self._left:
                    self._next = _Next.END_OF_DATA
                continue
            end = data.find(b"\n", place) + 1
            self._line += data[place : end or size]
            place = end or size
            if len(self._line) > MAX_HEAD_BYTES:
                raise BadResponse("a line between chunks is too long")
            if end:
                line, self._line = self._line, b""
                self._read_line(line)
        self.extra = size - place
        return parts

    def _read_line(self, line: bytes) -> None:
        if self._next is _Next.SIZE:
            found = _SIZE_LINE.fullmatch(line)
            if found is None:
                raise BadResponse("a bad size of a chunk")
            self._left = int(found.group(1), 16)
            self._next = _Next.DATA if self._left else _Next.TRAILER
        elif self._next is _Next.END_OF_DATA:
            if line != b"\r\n":
                raise BadResponse("a chunk is longer than its size")
            self._next = _Next.SIZE
        elif line == b"\r\n":
            self._next = _Next.NOTHING
        else:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > MAX_HEAD_BYTES or not line.endswith(b"\r\n") or line[:1] in b" \t\r:":
                raise BadResponse("bad headers behind the last chunk")


BodyReader = CountedBody | ChunkedBody | EndlessBody


def body_reader(head: ResponseHead) -> BodyReader:
    """What reads the body of a response with this head."""
    if head.is_chunked:
        return ChunkedBody()
    return EndlessBody() if head.length is None else CountedBody(head.length)
