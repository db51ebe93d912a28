"""How fast requests are sent: evenly, so many a second, however many rows wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: So many seconds' worth of requests may go at once after a pause. It also makes up for timers that ring late.
_AHEAD = 0.05


class Pace:
    """When the next request may be sent: in any time t at most ``per_second`` x (t + 0.05 s) + 1 are.

    Args:
        per_second: How many requests may be sent in a second; may be below 1.
        clock: Returns seconds that only grow.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1.0 / per_second
        self._clock = clock
        #: When the next request would go if all came evenly.
        self._due = clock()
        #: How many wait in ``turn``: they have their times, which lie behind all that was sent.
        self._waiting = 0

    def wait(self) -> float:
        """How many seconds it takes until the next request may be sent; 0 where it may be now."""
        return max(0.0, self._due - _AHEAD - self._clock())

    def take(self) -> None:
        """Count a request that is sent now, or once ``wait`` is over."""
        self._due = max(self._due, self._clock()) + self._interval

    def put_back(self) -> None:
        """Take back the count of a request that was not sent.

        While others wait for their turns it stays counted: whoever came next would get a time that one of them has.
        """
        if not self._waiting:
            self._due -= self._interval

    async def turn(self) -> None:
        """Wait until a request may be sent, and count it; those that come later wait for longer."""
        wait = self.wait()
        self.take()
        self._waiting += 1
        try:
            await asyncio.sleep(wait)
        except BaseException:
            self._waiting -= 1
            self.put_back()
            raise
        self._waiting -= 1
