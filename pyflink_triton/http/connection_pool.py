"""Kept-alive connections to a model's endpoints, by their origin."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohappyeyeballs

from pyflink_triton._async import within
from pyflink_triton.http.connection import Connection
from pyflink_triton.http.host_addresses import HostAddresses

#: A connection that no request used for so long is closed: something on the way may have forgotten it.
_IDLE_SECONDS = 15.0
#: The next address of a host is tried when one has not answered for so long.
_NEXT_ADDRESS_SECONDS = 0.25


class Origin(NamedTuple):
    """Where connections go: to any of the host's addresses, or to one of them."""

    scheme: str
    host: str
    port: int
    address: str | None = None


class ConnectionPool:
    """Makes connections and keeps those that may carry another request.

    Args:
        max_age: Seconds for which a connection may be kept; 0 for none that is kept.
        context: The TLS context for origins of the scheme https.
    """

    def __init__(self, max_age: float, context: ssl.SSLContext | None) -> None:
        self._max_age = max_age
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._addresses = HostAddresses()
        #: The address family of the first connection to each host.
        self._families: dict[tuple[str, int], int] = {}
        self._open: set[Connection] = set()
        #: Free connections, the one that has been free for the longest first.
        self._free: dict[Origin, deque[Connection]] = {}
        self._kept_since = 0.0

    def take(self, origin: Origin) -> Connection | None:
        """Take a connection that was kept; None where there is none."""
        free = self._free.get(origin)
        while free:
            connection = free.popleft()
            if connection.is_closed:
                continue
            if not connection.has_input:
                return connection
            connection.close()  # it would be read as the response to the next request
        return None

    async def connect(self, origin: Origin, seconds: float) -> Connection:
        """Make a connection.

        Args:
            origin: Where to.
            seconds: The time for it.

        Raises:
            OSError: It could not be made.
            asyncio.TimeoutError: The time was over.
        """
        return await within(seconds, self._connect(origin))

    async def _connect(self, origin: Origin) -> Connection:
        scheme, host, port, address = origin
        addresses = await self._addresses.of(address or host, port)
        # uvloop tries one address after the other; this one does not wait for an address that stays silent.
        made = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS)
        self._families.setdefault((host, port), made.family)
        tls: dict[str, Any] = {}
        if scheme == "https":
            tls = {"ssl": self._context, "server_hostname": host.rstrip(".")}
        _, connection = await self._loop.create_connection(lambda: Connection(self._loop, self._lost), sock=made, **tls)
        if not connection.is_closed:
            self._open.add(connection)
            connection.rest(connection.made + _IDLE_SECONDS)
        return connection

    async def addresses(self, origin: Origin) -> Sequence[str]:
        """Look up the addresses that a host has now.

        Only those of one family count, because a server that listens at an address of each is one server.

        Args:
            origin: Where connections go.

        Returns:
            Those of the family of the first connection; none before there was one.

        Raises:
            OSError: The look-up fails.
        """
        key = origin.host, origin.port
        if key not in self._families:
            return ()
        found = await self._addresses.now(*key)
        if all(family != self._families[key] for family, *_ in found):
            self._families[key] = found[0][0]
        return sorted({place[0] for family, *_, place in found if family == self._families[key]})

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        for free in self._free.values():
            with contextlib.suppress(ValueError):  # it was not free
                free.remove(connection)

    def give(self, origin: Origin, connection: Connection) -> None:
        """Give a connection back whose response is read; it is closed where it must carry no other."""
        now = time.monotonic()
        age = now - connection.made
        is_old = not self._max_age or age > self._max_age or connection.made < self._kept_since
        if is_old or not connection.is_reusable or connection.is_closed:
            connection.close()
            return
        connection.rest(now + _IDLE_SECONDS)
        free = self._free.get(origin)
        if free is None:
            free = self._free[origin] = deque()
        free.append(connection)

    def renew(self) -> None:
        """Close every connection that is kept now, because one broke and others of its age will break, too."""
        self._kept_since = time.monotonic()
        for free in self._free.values():
            while free:
                free.pop().close()

    def close(self) -> None:
        """Close all connections; requests under way fail."""
        for connection in list(self._open):
            connection.close()
        self._free.clear()
