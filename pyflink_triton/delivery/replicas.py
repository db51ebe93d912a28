"""The servers behind a host name that has several addresses: each address is an endpoint of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pyflink_triton._async import await_all, within
from pyflink_triton.addresses import with_address
from pyflink_triton.delivery.endpoints import Endpoint, Endpoints
from pyflink_triton.options.options import Options

#: Seconds between two look-ups where no connection is kept, whose age would say it.
_SECONDS = 10.0
#: The same while an endpoint cannot be reached: the first wait, which doubles, and the longest.
_AGAIN_SECONDS = (1.0, 10.0)
#: Many calls fail together, and one look-up is enough for them.
_PAUSE_SECONDS = 0.5


@dataclass
class _Host:
    """The host of a URL.

    Attributes:
        url: The URL.
        group: The list that it is in.
        last: Its address, while it has one alone.
        places: The endpoint of each address, once it has had several.
    """

    url: str
    group: int
    last: str | None = None
    places: dict[str, Endpoint] = field(default_factory=dict)


class Replicas:
    """Looks host names up, and lets the endpoints be those of their addresses.

    Args:
        options: The model's options.
        endpoints: The model's endpoints.
        look_up: Gives the addresses of a URL's host; none where they are not known now.
    """

    def __init__(
        self, options: Options, endpoints: Endpoints, look_up: Callable[[str], Awaitable[Sequence[str]]]
    ) -> None:
        self._options = options
        self._endpoints = endpoints
        self._look_up = look_up
        groups = enumerate(options.groups)
        self._hosts = [_Host(url, group) for group, urls in groups for url in urls if _is_name(url)]
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def begin(self, seconds: float) -> None:
        """Look all hosts up and check their endpoints, and do so again from now on.

        Args:
            seconds: How long the look-ups may take.

        Raises:
            TritonError: The model at an endpoint is not the one that was planned.
        """
        if not self._hosts:
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await within(seconds, self.look())
        await await_all([self._endpoints.admit(each) for each in self._endpoints.all if each.is_unchecked])
        if self._endpoints.failure is not None:
            raise self._endpoints.failure
        self._endpoints.on_change = self._wanted.set
        self._task = asyncio.get_running_loop().create_task(self._keep_looking())

    def follow(self) -> None:
        """Look all hosts up from now on; each endpoint that is new is probed."""
        if self._hosts:
            self._endpoints.on_change = self._wanted.set
            self._wanted.set()
            self._task = asyncio.get_running_loop().create_task(self._keep_looking())

    async def _keep_looking(self) -> None:
        usual = self._options.connection_max_age or _SECONDS
        first, most = _AGAIN_SECONDS
        again = first
        while True:
            is_any_away = any(not each.reachable for each in self._endpoints.all)
            try:
                await within(min(again, usual) if is_any_away else usual, self._wanted.wait())
                again = first
            except asyncio.TimeoutError:
                again = min(2 * again, most)
            self._wanted.clear()
            await self.look()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def look(self) -> None:
        """Look all hosts up once."""
        await await_all([self._look_at(host) for host in self._hosts])

    async def _look_at(self, host: _Host) -> None:
        addresses = await self._look_up(host.url)
        if host.places or len(addresses) > 1:
            self._spread(host, addresses)
            if self._task is not None:  # when the job starts, they are checked together
                self._find_ready(host)
        elif addresses:
            host.last = addresses[0]

    def _spread(self, host: _Host, addresses: Sequence[str]) -> None:
        """Let a host's endpoints be those of its addresses; the ones known stay where a look-up finds none."""
        if not host.places:
            whole = next(each for each in self._endpoints.all if each.base == host.url)
            if host.last is not None and host.last in addresses:
                self._endpoints.rename(whole, with_address(host.url, host.last))
                host.places[host.last] = whole
            else:
                host.places[""] = whole
        gone = [each for each in host.places if addresses and each not in addresses]
        for address in addresses:
            if address not in host.places:
                host.places[address] = self._endpoints.add(with_address(host.url, address), host.group)
        for address in gone:
            self._endpoints.remove(host.places.pop(address))

    def _find_ready(self, host: _Host) -> None:
        """Probe endpoints that are new; each is checked before it gets a request."""
        for each in host.places.values():
            if each.is_unchecked:
                self._endpoints.suspect(each)

    async def close(self) -> None:
        """End the look-ups."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _is_name(url: str) -> bool:
    """Whether a URL's host is a name, and no address itself."""
    try:
        ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return True
    return False
