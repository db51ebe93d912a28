"""HTTP bodies, compressed and decompressed, with a limit on the bytes that a response may become."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

from pyflink_triton.errors import ContractError

#: zlib's window bits for each Content-Encoding.
_WINDOW = {"gzip": 31, "deflate": 15}
#: The fastest level: tensors compress little more at the others, and rows wait for it.
_LEVEL = 1
#: A body of more bytes is compressed or decompressed in another thread, so that the event loop goes on.
_THREAD_BYTES = 1 << 17


async def compress(buffers: Sequence[bytes | memoryview], encoding: str) -> bytes:
    """Compress a request's body.

    Args:
        buffers: The body, in parts.
        encoding: ``gzip`` or ``deflate``.
    """
    if sum(map(len, buffers)) > _THREAD_BYTES:
        return await asyncio.to_thread(_compress, buffers, encoding)
    return _compress(buffers, encoding)


def _compress(buffers: Sequence[bytes | memoryview], encoding: str) -> bytes:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW[encoding])
    return b"".join([*(compressor.compress(buffer) for buffer in buffers), compressor.flush()])


async def decompress(body: bytes | bytearray, encoding: str, limit: int) -> bytes:
    """Decompress a response's body.

    Args:
        body: As it came.
        encoding: Its Content-Encoding.
        limit: Bytes that it may become.

    Raises:
        ContractError: It is not of that encoding, is cut off, or would be larger.
    """
    if len(body) > _THREAD_BYTES:
        return await asyncio.to_thread(_decompress, body, encoding, limit)
    return _decompress(body, encoding, limit)


def _decompress(body: bytes | bytearray, encoding: str, limit: int) -> bytes:
    window = _WINDOW.get(encoding)
    if window is None:
        raise ContractError(f"the server's answer has the unknown Content-Encoding {encoding[:40]!r}")
    decompressor = zlib.decompressobj(window)
    try:
        found = decompressor.decompress(body, limit + 1)
    except zlib.error:
        raise ContractError(f"the server's answer is marked {encoding} and cannot be decompressed") from None
    if len(found) > limit:
        raise ContractError(
            f"the server's answer has more than {limit} bytes decompressed (the option 'max-response-bytes')"
        )
    if not decompressor.eof or decompressor.unused_data:
        raise ContractError(f"the server's answer is marked {encoding} and does not end as {encoding} ends")
    return found
