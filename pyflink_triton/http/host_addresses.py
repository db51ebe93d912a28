"""The addresses of hosts: asked for once, kept for some seconds, and taken in turns."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Any

#: How long addresses are kept.
_KEPT_SECONDS = 10.0
Address = tuple[int, int, int, str, tuple[Any, ...]]


class HostAddresses:
    """Looks names up for the connections of a model."""

    def __init__(self) -> None:
        self._lookups: dict[tuple[str, int], tuple[float, asyncio.Task[Sequence[Address]]]] = {}
        #: How often each host's addresses were taken: the next connection begins with another of them.
        self._turns: dict[tuple[str, int], int] = {}

    async def of(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of a host, the one to try first at the front.

        Raises:
            OSError: There are none.
        """
        try:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except UnicodeError:  # a part of the name is too long, or empty
            raise socket.gaierror(socket.EAI_NONAME, "no name that a host can have") from None
        except socket.gaierror:
            pass  # it is a name
        key = host, port
        now = time.monotonic()
        until, lookup = self._lookups.get(key, (0.0, None))
        if lookup is None or (lookup.done() and (now > until or lookup.exception() is not None)):
            lookup = asyncio.ensure_future(_look_up(host, port))
            lookup.add_done_callback(_note)
            self._lookups[key] = now + _KEPT_SECONDS, lookup
        # A call whose time is over does not end what others wait for.
        found = await asyncio.shield(lookup)
        turn = self._turns[key] = self._turns.get(key, -1) + 1
        turn %= len(found)
        return [*found[turn:], *found[:turn]]

    async def now(self, host: str, port: int) -> Sequence[Address]:
        """The addresses that a new look-up finds; those that are kept stay where it fails.

        Raises:
            OSError: It fails.
        """
        lookup = asyncio.ensure_future(_look_up(host, port))
        lookup.add_done_callback(_note)
        found = await asyncio.shield(lookup)
        self._lookups[host, port] = time.monotonic() + _KEPT_SECONDS, lookup
        return found


async def _look_up(host: str, port: int) -> Sequence[Address]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


def _note(lookup: asyncio.Task[Sequence[Address]]) -> None:
    """Take the error of a look-up that nobody waits for any more, or asyncio prints it."""
    if not lookup.cancelled():
        lookup.exception()
