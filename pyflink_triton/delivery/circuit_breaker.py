"""The circuit breaker of one endpoint, with the states of Flink's Java module."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import Enum

#: The share of failures is taken of at least this many requests, as in the Java module ...
_MINIMUM = 10
#: ... and of at most this many, because old successes must not hide an outage.
_WINDOW = 20


class State(Enum):
    """The states; the values are those of the metric ``circuit_breaker_state``."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Lets no call through to an endpoint for a while after many have failed.

    Every call takes a ticket and gives it back with its outcome, so that a half-open place cannot leak. The outcome of
    a call that began in an earlier state does not count.

    Args:
        threshold: The share of failures that opens it.
        open_seconds: How long it lets nothing through.
        half_open_requests: How many calls must succeed before it closes; no more are under way at once until then.
        clock: Returns seconds that only grow.
    """

    def __init__(
        self,
        threshold: float,
        open_seconds: float,
        half_open_requests: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._open_seconds = open_seconds
        self._half_open_requests = half_open_requests
        self._clock = clock
        self._state = State.CLOSED
        self._era = 0
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._opened_at = 0.0
        self._trials = 0
        self._successes = 0
        self.openings = 0

    @property
    def state(self) -> State:
        """The state now: an open breaker becomes half-open when its time is over."""
        if self._state is State.OPEN and self._clock() - self._opened_at >= self._open_seconds:
            self._enter(State.HALF_OPEN)
        return self._state

    @property
    def admits(self) -> bool:
        """Whether a call would get a ticket."""
        state = self.state
        if state is State.HALF_OPEN:
            return self._trials + self._successes < self._half_open_requests
        return state is State.CLOSED

    def enter(self) -> int | None:
        """Take a ticket; None while nothing is let through."""
        if not self.admits:
            return None
        if self._state is State.HALF_OPEN:
            self._trials += 1
        return self._era

    def leave(self, ticket: int | None, failed: bool | None) -> None:
        """Give a ticket back.

        Args:
            ticket: What ``enter`` gave.
            failed: Whether the server failed; None where the call does not show it.
        """
        if ticket != self._era:
            return
        if self._state is State.HALF_OPEN:
            self._trials -= 1
            if failed:
                self._open()
            elif failed is False:
                self._successes += 1
                if self._successes >= self._half_open_requests:
                    self._enter(State.CLOSED)
        elif self._state is State.CLOSED and failed is not None:
            self._recent.append(failed)
            failures = self._recent.count(True)
            if failures and len(self._recent) >= _MINIMUM and failures >= self._threshold * len(self._recent):
                self.openings += 1
                self._open()

    def _open(self) -> None:
        self._opened_at = self._clock()
        self._enter(State.OPEN)

    def _enter(self, state: State) -> None:
        self._state = state
        self._era += 1
        self._trials = self._successes = 0
        self._recent.clear()
