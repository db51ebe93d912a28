"""How many requests may be in flight for all models of a statement together, and how fast they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pyflink_triton.delivery.pace import Pace


class SharedPlaces:
    """Places that several limits of concurrency share. A limit that found none is asked again when one is free.

    Those that wait have turns: a place that is given back goes to the one that waits for longest, not to the one that
    gave it, which may have more to send for ever.

    Args:
        maximum: How many places there are.
        pace: How fast they may be taken; None for as fast as they are free.

    Attributes:
        taken: How many are taken.
    """

    def __init__(self, maximum: int, pace: Pace | None = None) -> None:
        self._maximum = maximum
        self._pace = pace
        self.taken = 0
        #: Those that found no place, in the order in which they are asked again.
        self._waiting: dict[Callable[[], None], None] = {}
        #: The one that was asked last, until it has had time to take a place.
        self._turn: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False

    def try_take(self, wake: Callable[[], None]) -> bool:
        """Take a place if one is free.

        Args:
            wake: Called when it is worth another try.
        """
        wait = 0.0 if self._pace is None else self._pace.wait()
        is_free = self.taken < self._maximum and wait <= 0.0
        if is_free and self._is_next(wake):
            if self._pace is not None:
                self._pace.take()
            self.taken += 1
            self._waiting.pop(wake, None)
            if self._turn == wake:
                self._turn = None
            return True
        self._waiting.setdefault(wake)
        if is_free:
            self._ask_soon()
        elif wait > 0.0 and self._timer is None:
            self._timer = self._loop.call_later(wait, self._ring)
        return False

    def _is_next(self, wake: Callable[[], None]) -> bool:
        """Whether nobody else is to take a place before."""
        if self._turn is not None:
            return self._turn == wake
        return not self._waiting or next(iter(self._waiting)) == wake

    def give(self) -> None:
        """Give a place back."""
        self.taken -= 1
        self._ask_soon()

    def put_back(self) -> None:
        """Give a place back that no request was sent with."""
        if self._pace is not None:
            self._pace.put_back()
        self.give()

    def forget(self, wake: Callable[[], None]) -> None:
        """Ask one no more."""
        self._waiting.pop(wake, None)
        if self._turn == wake:
            self._turn = None

    def close(self) -> None:
        """Ask nobody any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._timer = None
        self._ask_soon()

    def _ask_soon(self) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._ask)

    def _ask(self) -> None:
        """Ask the one that waits for longest, and the next after it has had its turn, while places are free."""
        self._is_due, self._turn = False, None
        if not self._waiting or self.taken >= self._maximum:
            return
        wait = 0.0 if self._pace is None else self._pace.wait()
        if wait > 0.0:
            if self._timer is None:
                self._timer = self._loop.call_later(wait, self._ring)
            return
        self._turn = wake = next(iter(self._waiting))
        del self._waiting[wake]
        self._is_due = True  # the next comes behind what this one begins
        wake()
        self._loop.call_soon(self._ask)
