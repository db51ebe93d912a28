"""Connections that are kept and renewed, and bodies that know what became of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler

#: Below this a request's buffers are joined: one write costs less than several.
_JOIN_BYTES = 1 << 16
#: Whether the call makes a connection of its own: a server that shuts down may still answer on those that are kept.
ANEW: ContextVar[bool] = ContextVar("anew", default=False)


class Body(aiohttp.payload.Payload):
    """A request's body, in parts that are written one after the other, and what became of it.

    Attributes:
        began: Whether a byte of the request may have been sent.
        fresh: Whether its connection was made for it.
    """

    def __init__(self, buffers: Sequence[bytes | memoryview]) -> None:
        super().__init__(buffers, content_type="application/octet-stream")
        self._size = sum(map(len, buffers))
        self._buffers = buffers if self._size > _JOIN_BYTES else (b"".join(buffers),)
        self.began = False
        self.fresh = False

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
            self.began = False  # it was closed before: a server that shuts down takes connections and ends them
            raise
        for buffer in others:
            await writer.write(buffer)


class Connector(aiohttp.TCPConnector):
    """Knows when each connection was made, tells its request, and ends it when it is too old."""

    def __init__(self, max_age: float, **more: Any) -> None:
        super().__init__(force_close=max_age == 0.0, **more)
        self._max_age = max_age
        self._made: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()
        self._kept_since = 0.0

    async def _get(self, key: Any, traces: Any) -> Any:
        return None if ANEW.get() else await super()._get(key, traces)

    async def _create_connection(self, req: Any, *args: Any) -> ResponseHandler:
        connection = await super()._create_connection(req, *args)
        # A call that wants a connection of its own leaves none behind.
        self._made[connection] = float("-inf") if ANEW.get() else time.monotonic()
        if isinstance(req.body, Body):
            req.body.fresh = True
        return connection

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        made = self._made.get(protocol, 0.0)
        is_old = made < self._kept_since or time.monotonic() - made > self._max_age
        super()._release(key, protocol, should_close=should_close or is_old)

    def renew(self) -> None:
        """Keep no connection that there is now: where one broke, others of its age will."""
        self._kept_since = time.monotonic()
        for kept in self._conns.values():
            for connection, _ in kept:
                connection.close()
