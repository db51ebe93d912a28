"""A request's body that knows what became of it."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractStreamWriter

#: Below this a request's buffers are joined, because one write costs less than several.
_JOIN_BYTES = 1 << 16


class Body(aiohttp.payload.Payload):
    """A request's body, in parts that are written one after the other, and what became of it.

    Attributes:
        began: Whether a byte of the request may have been sent.
        fresh: Whether its connection was made for it.
    """

    def __init__(self, buffers: Sequence[bytes | memoryview]) -> None:
        super().__init__(buffers, content_type="application/octet-stream")
        self._bytes = sum(map(len, buffers))
        self._buffers = buffers if self._bytes > _JOIN_BYTES else (b"".join(buffers),)
        self.began = False
        self.fresh = False

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self._bytes

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: aiohttp asks for this to print a body."""
        raise TypeError("tensors are not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the parts."""
        first, *others = self._buffers
        self.began = True
        try:
            await writer.write(first)
        except aiohttp.ClientConnectionResetError:
            # The connection was closed before: a server that shuts down accepts connections and closes them.
            self.began = False
            raise
        for buffer in others:
            await writer.write(buffer)
