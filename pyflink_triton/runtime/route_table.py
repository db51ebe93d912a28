"""The lanes of the models that rows name: a bounded number, of which those make room that were not used for longest."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pyflink_triton._async import await_all
from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.options.routes import Route
from pyflink_triton.runtime.lane import Lane

#: So many models get requests at once; rows of others wait until one of these has none under way.
MOST_ROUTES = 256
#: After so many seconds that rows wait, the route that was not used for longest gets no more before it is done.
_PATIENCE = 1.0


@dataclass(frozen=True)
class OpenRoute:
    """A model that rows name.

    Attributes:
        delivery: Carries its requests.
        lane: The way of its rows.
    """

    delivery: Delivery
    lane: Lane

    async def close(self) -> None:
        """End every request under way, and all probes."""
        await self.lane.close()
        await self.delivery.close()


class RouteTable:
    """Opens a route when a row first names it, and closes it when others need its place.

    Args:
        open_route: Opens one.
        most: How many may be open.
    """

    def __init__(self, open_route: Callable[[Route], OpenRoute], most: int = MOST_ROUTES) -> None:
        self._open_route = open_route
        self._most = most
        self._open: OrderedDict[Route, OpenRoute] = OrderedDict()
        #: What is to be sent to others, in the order in which they came.
        self._waiting: OrderedDict[Route, list[Callable[[Lane], None]]] = OrderedDict()
        #: When the first of them began to be the first, in the event loop's clock.
        self._waits_since = 0.0
        self._is_due = False
        self._closing: set[asyncio.Task[None]] = set()

    def use(self, route: Route, send: Callable[[Lane], None]) -> None:
        """Send rows to a model, now or when there is a place for it.

        Args:
            route: The model.
            send: Puts the rows into its lane.
        """
        found = None if self._is_leaving(route) else self._open.get(route)
        if found is not None:
            self._open.move_to_end(route)
        elif self._waiting or not self._has_place():
            if not self._waiting:
                self._waits_since = asyncio.get_running_loop().time()
            self._waiting.setdefault(route, []).append(send)
            return
        else:
            found = self._begin(route)
        send(found.lane)

    def _begin(self, route: Route) -> OpenRoute:
        opened = self._open[route] = self._open_route(route)
        opened.lane.queue.on_idle = self._wake
        return opened

    def _is_leaving(self, route: Route) -> bool:
        """Whether a route is to make room: routes that always have rows would let others wait for ever."""
        if not self._waiting:
            return False
        if route in self._waiting:  # its rows keep their order
            return True
        is_late = asyncio.get_running_loop().time() - self._waits_since > _PATIENCE
        return is_late and route == next(iter(self._open))

    def _has_place(self) -> bool:
        """Whether another route may be opened; one that has nothing to do makes room."""
        if len(self._open) < self._most:
            return True
        idle = next((route for route, each in self._open.items() if each.lane.queue.is_idle), None)
        if idle is None:
            return False
        task = asyncio.get_running_loop().create_task(self._open.pop(idle).close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return True

    def _wake(self) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        self._is_due = False
        while self._waiting and (next(iter(self._waiting)) in self._open or self._has_place()):
            route, sends = self._waiting.popitem(last=False)
            self._waits_since = asyncio.get_running_loop().time()
            opened = self._open.get(route) or self._begin(route)
            self._open.move_to_end(route)
            for send in sends:
                send(opened.lane)

    async def close(self) -> None:
        """End every request under way."""
        self._waiting.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await await_all([each.close() for each in self._open.values()])
        self._open.clear()
