"""Frames of the bridge protocol: read from a file by a thread, written to a pipe without blocking."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from pyflink_triton.errors import TritonError

PROTOCOL = 1
_LENGTHS = struct.Struct("<IQ")
_MAX_HEADER = 64 << 20
_MAX_BODY = 2 << 30


class FrameError(TritonError):
    """What came is no frame."""


@dataclass(frozen=True)
class Frame:
    """A header and a body."""

    header: dict[str, Any]
    body: memoryview

    @property
    def kind(self) -> str:
        """What the frame is."""
        return str(self.header["kind"])


def read_frame(source: BinaryIO) -> Frame | None:
    """Read the next frame, waiting for it.

    Args:
        source: An unbuffered file.

    Returns:
        The frame; None at the end of the file.

    Raises:
        FrameError: What came is no frame, or ends inside one.
    """
    lengths = _read(source, _LENGTHS.size, may_end=True)
    if not lengths:
        return None
    header_length, body_length = _LENGTHS.unpack(lengths)
    if header_length > _MAX_HEADER or body_length > _MAX_BODY:
        raise FrameError(f"a frame claims {header_length} and {body_length} bytes")
    try:
        header = json.loads(bytes(_read(source, header_length)))
    except ValueError:
        header = None
    if not isinstance(header, dict) or "kind" not in header:
        raise FrameError("a frame's header is no JSON object with a kind")
    return Frame(header, _read(source, body_length))


def _read(source: BinaryIO, size: int, may_end: bool = False) -> memoryview:
    buffer = memoryview(bytearray(size))
    filled = 0
    while filled < size:
        count = source.readinto(buffer[filled:])  # type: ignore[attr-defined] # raw files have it
        if not count:
            if may_end and filled == 0:
                return buffer[:0]
            raise FrameError(f"the input ended {size - filled} bytes before a frame did")
        filled += count
    return buffer


def write_frame(header: Mapping[str, Any], body: memoryview | bytes = b"") -> tuple[bytes, memoryview | bytes]:
    """Write a frame.

    Returns:
        What goes before the body, and the body itself, not copied.
    """
    text = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(text), len(body)) + text, body
