"""A request's bytes as they are written: small parts joined, large ones never, and none too large to wait behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

#: A request of at most so many bytes, and small parts of a larger one, are joined: one write costs less than several.
JOIN_BYTES = 1 << 16
#: The bytes that are written at once, before it is known whether the server takes more.
BURST_BYTES = 1 << 20


def bursts(parts: Sequence[bytes | memoryview]) -> Iterator[list[bytes | memoryview]]:
    """Cut a request into what is written at once.

    Args:
        parts: The request, in parts.
    """
    burst: list[bytes | memoryview] = []
    size = 0
    for part in _joined(parts):
        for start in range(0, len(part), BURST_BYTES):
            burst.append(memoryview(part)[start : start + BURST_BYTES])
            size += len(burst[-1])
            if size >= BURST_BYTES:
                yield burst
                burst, size = [], 0
    if burst:
        yield burst


def _joined(parts: Sequence[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Join what is small."""
    small: list[bytes | memoryview] = []
    size = 0
    for part in parts:
        if size + len(part) > JOIN_BYTES:
            yield b"".join(small)
            small, size = [], 0
        if len(part) > JOIN_BYTES:
            yield part
        else:
            small.append(part)
            size += len(part)
    yield b"".join(small)
