"""What overrides the inside of aiohttp: its connector keeps connections, and does not say which is new or how old.

docs/compat.md has the entry. Versions of aiohttp that are not listed here are refused when a model is opened.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler

from pyflink_triton._internals import Library
from pyflink_triton.http.body import Body

AIOHTTP = Library("aiohttp", "aiohttp==3.14.5")
#: The minor versions whose connector was tested; pyproject.toml has the same bounds.
KNOWN_VERSIONS = ("3.11", "3.12", "3.13", "3.14")
#: Whether a request gets a connection that is made for it, and not one that was kept.
NEW_CONNECTION: ContextVar[bool] = ContextVar("new_connection", default=False)


def check_aiohttp() -> None:
    """Compare aiohttp with what is known of it.

    Raises:
        JobError: Its version is not listed, or what is overridden here looks different.
    """
    if ".".join(aiohttp.__version__.split(".")[:2]) not in KNOWN_VERSIONS:
        raise AIOHTTP.refused(f"its version is not one of {', '.join(KNOWN_VERSIONS)}")
    connector = aiohttp.TCPConnector
    AIOHTTP.function(connector, "_get", "self", "key", "traces", is_async=True)
    AIOHTTP.function(connector, "_create_connection", "self", "req", "traces", "timeout", is_async=True)
    AIOHTTP.function(connector, "_release", "self", "key", "protocol", "should_close")
    AIOHTTP.member(aiohttp.ClientRequest, "body")


class Connector(aiohttp.TCPConnector):
    """Knows when each connection was made, tells its request, and closes it when it is too old.

    Args:
        max_age: Seconds for which a connection may be kept; 0 for none that is kept.
        more: What aiohttp's own connector takes.

    Raises:
        JobError: aiohttp is not as it is known.
    """

    def __init__(self, max_age: float, **more: Any) -> None:
        check_aiohttp()
        super().__init__(force_close=max_age == 0.0, **more)
        if not isinstance(getattr(self, "_conns", None), dict):
            self._closed = True  # aiohttp's finalizer reads _conns of a connector that is open
            raise AIOHTTP.refused("TCPConnector._conns is not a dict")
        self._max_age = max_age
        self._made: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()
        self._kept_since = 0.0

    async def _get(self, key: Any, traces: Any) -> Any:
        # A server that shuts down may still answer on connections that are kept.
        return None if NEW_CONNECTION.get() else await super()._get(key, traces)

    async def _create_connection(self, req: Any, *args: Any) -> ResponseHandler:
        connection = await super()._create_connection(req, *args)
        # A request that wanted a connection of its own leaves none behind.
        self._made[connection] = float("-inf") if NEW_CONNECTION.get() else time.monotonic()
        if isinstance(req.body, Body):
            req.body.fresh = True
        return connection

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        made = self._made.get(protocol, 0.0)
        is_old = made < self._kept_since or time.monotonic() - made > self._max_age
        super()._release(key, protocol, should_close=should_close or is_old)

    def renew(self) -> None:
        """Close every connection that is kept now, because one broke and others of its age will break, too."""
        self._kept_since = time.monotonic()
        for kept in self._conns.values():
            for connection, _ in kept:
                connection.close()
