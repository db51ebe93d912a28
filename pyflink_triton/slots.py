"""How many requests may be in flight: fewer when the server is too busy, more again when it answers."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """A limit that falls by half when the server is busy and rises by one for each round of answers.

    Args:
        maximum: The most that may be in flight.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._limit = float(maximum)
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._round = 0

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return int(self._limit)

    @property
    def taken(self) -> int:
        """How many are."""
        return self._taken

    @property
    def round(self) -> int:
        """The round that a call begins in, for ``slower``."""
        return self._round

    def try_take(self) -> bool:
        """Take a slot if one is free and nobody waits."""
        if self._taken < self.limit and not self._waiting:
            self._taken += 1
            return True
        return False

    async def take(self, first: bool, seconds: float | None) -> bool:
        """Take a slot.

        Args:
            first: Whether to go before those that wait already, as a request that was sent before does.
            seconds: How long to wait; None for as long as it takes.

        Returns:
            Whether there was one in time.
        """
        if self._taken < self.limit and (first or not self._waiting):
            self._taken += 1
            return True
        waiter = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(waiter)
        try:
            if seconds is None:
                await waiter
            else:
                await asyncio.wait_for(asyncio.shield(waiter), max(seconds, 0.0))
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self.give()
            else:
                waiter.cancel()
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
            if isinstance(error, asyncio.TimeoutError):
                return False
            raise
        return True

    def give(self) -> None:
        """Give a slot back."""
        self._taken -= 1
        self._wake()

    def slower(self, begun: int) -> None:
        """A call that began in a round found the server too busy: one fall a round, not one a call."""
        if begun == self._round:
            self._round += 1
            self._limit = max(1.0, min(self._limit, self._taken) / 2)

    def faster(self) -> None:
        """A call was answered."""
        if self._limit < self._maximum:
            self._limit = min(self._maximum, self._limit + 1.0 / self._limit)
            self._wake()

    def _wake(self) -> None:
        while self._waiting and self._taken < self.limit:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._taken += 1
                waiter.set_result(None)
