"""How many requests may be in flight: few at first, more while the server answers fast, fewer when it is busy."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from pyflink_triton.delivery.pace import Pace
from pyflink_triton.delivery.shared_places import SharedPlaces

#: The limit before the server has answered. A server executes what it has queued, even if nobody waits any more.
_FIRST = 4
#: Shares of a call's time-out. A response within the first is fast, whatever the load. A response beyond the second is
#: late if it also took twice as long as the fastest of its size: the model may be slow without the server being busy.
_SOON, _LATE = 1 / 8, 1 / 2


class ConcurrencyLimit:
    """A limit that doubles in each round of responses at first, then rises by one, and falls by half on trouble.

    A round is as long as a response usually takes to come; a stream of responses holds its place for longer.

    Args:
        maximum: The largest limit.
        timeout: Seconds that a call may take.
        pace: How fast places may be taken; None for as fast as they are free.
        shared: What other limits take places of, too, at a pace of its own; None where there are no others.

    Attributes:
        pace: That pace.
        usual: The seconds that a call usually takes; 0 before the first answer.
        on_free: Called when a place is free that no request waits for.
    """

    def __init__(
        self, maximum: int, timeout: float, pace: Pace | None = None, shared: SharedPlaces | None = None
    ) -> None:
        self._maximum = maximum
        self._shared = shared
        self.pace = pace
        #: Rings when the pace lets the next one go.
        self._timer: asyncio.TimerHandle | None = None
        self._soon, self._late = timeout * _SOON, timeout * _LATE
        self._limit = float(min(maximum, _FIRST))
        self._doubles_below = float(maximum)
        self._fastest = [float("inf")] * 64
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        #: Those whose time runs. They go before the others, in their order.
        self._first: deque[asyncio.Future[None]] = deque()
        self._round = 0
        self._risen_at = 0.0
        self.usual = 0.0
        self.on_free: Callable[[], None] = _ignore

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return int(self._limit)

    @property
    def taken(self) -> int:
        """How many are in flight."""
        return self._taken

    @property
    def round(self) -> int:
        """The round that a call begins in, for ``slower``."""
        return self._round

    def try_take(self) -> bool:
        """Take a place if one is free and no request waits."""
        if self._taken < self.limit and not self._waiting and not self._first and self._may_go():
            self._taken += 1
            return True
        return False

    def _may_go(self) -> bool:
        """Whether a request may go now by the pace, which counts it; if not, those that wait are woken when it may."""
        if self._shared is not None:
            return self._shared.try_take(self._wake)
        if self.pace is None:
            return True
        wait = self.pace.wait()
        if wait <= 0.0:
            self.pace.take()
            return True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._ring)
        return False

    def _ring(self) -> None:
        self._timer = None
        self._wake()

    async def take(self, first: bool, seconds: float | None) -> bool:
        """Wait for a place and take it.

        Args:
            first: Whether to go before those that wait already, as a request that was sent before does.
            seconds: How long to wait; None for as long as it takes.

        Returns:
            Whether a place was free in time.
        """
        queue = self._first if first else self._waiting
        if self._taken < self.limit and not self._first and (first or not queue) and self._may_go():
            self._taken += 1
            return True
        waiter = asyncio.get_running_loop().create_future()
        queue.append(waiter)
        try:
            # Not wait_for, which before Python 3.12 forgets a cancellation that comes with the place.
            await (waiter if seconds is None else asyncio.wait([waiter], timeout=max(seconds, 0.0)))
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self.put_back()
            elif waiter in queue:
                queue.remove(waiter)
            raise
        if not waiter.done():
            queue.remove(waiter)
        return waiter.done()

    def give(self) -> None:
        """Give a place back."""
        if self._shared is not None:
            self._shared.give()
        self._taken -= 1
        self._wake()

    def put_back(self) -> None:
        """Give a place back that no request was sent with."""
        if self._shared is not None:
            self._shared.put_back()
        elif self.pace is not None:
            self.pace.put_back()
        self._taken -= 1
        self._wake()

    def close(self) -> None:
        """Let nobody be woken any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._shared is not None:
            self._shared.forget(self._wake)

    def answered(self, begun: int, rows: int, seconds: float) -> None:
        """A call was answered.

        Args:
            begun: The round that it began in.
            rows: How many rows it had.
            seconds: How long it took.
        """
        size = rows.bit_length()
        fastest = self._fastest[size]
        if seconds < fastest:
            self._fastest[size] = fastest = seconds
        self.usual += (seconds - self.usual) / 4 if self.usual else seconds
        if seconds > max(self._late, 2.0 * fastest):
            self.slower(begun)
        elif self._limit < self._maximum and seconds < max(self._soon, 1.5 * fastest):
            self._limit = min(self._maximum, self._limit + self._step())
            self._wake()

    def _step(self) -> float:
        """How much the limit rises with a response."""
        now = time.monotonic()
        since, self._risen_at = now - self._risen_at, now
        if self._limit < self._doubles_below:
            return 1.0
        rounds = since / self.usual if self._taken >= self.limit and self.usual else 0.0
        return max(1.0 / self._limit, min(1.0, rounds))

    def slower(self, begun: int) -> None:
        """A call found the server too busy: one fall for the calls of a round, not one for each.

        Args:
            begun: The round that it began in.
        """
        if begun == self._round:
            self._round += 1
            self._risen_at = time.monotonic()
            self._limit = self._doubles_below = max(1.0, min(self._limit, self._taken) / 2)

    def _wake(self) -> None:
        while (queue := self._first or self._waiting) and self._taken < self.limit:
            if queue[0].done():
                queue.popleft()
            elif self._may_go():
                self._taken += 1
                queue.popleft().set_result(None)
            else:
                return
        if self._taken < self.limit:
            self.on_free()


def _ignore() -> None:
    """What ``on_free`` is before somebody wants to know."""
