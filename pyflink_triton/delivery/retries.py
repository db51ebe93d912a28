"""Whether a failed request is sent again, and how long it waits before that: what tenacity asks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from tenacity import RetryCallState

from pyflink_triton.delivery.endpoints import Endpoint
from pyflink_triton.delivery.failure_policy import Action, Behaviour
from pyflink_triton.options.options import Options


class RetryableError(Exception):
    """A call failed for a reason that may pass.

    Attributes:
        behaviour: What the failure means.
        message: One sentence about it.
        status: The HTTP status; None where there was no response.
        endpoint: Where it was sent; None where it was not.
        retry_after: Seconds that the server asks to wait.
        code: A code for programs; see ``RowError``.
        free: Why it may be sent again at once and without using a retry, as after a kept connection that was closed;
            each reason counts once.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        message: str,
        status: int | None = None,
        endpoint: Endpoint | None = None,
        retry_after: float = 0.0,
        free: str | None = None,
        code: str = "UNAVAILABLE",
    ) -> None:
        super().__init__(message)
        self.behaviour = behaviour
        self.message = message
        self.status = status
        self.endpoint = endpoint
        self.retry_after = retry_after
        self.free = free
        self.code = code


class Retries:
    """The retries of one request, from its first failure on.

    Args:
        options: The model's options.
        remaining: Seconds that are left of its rows' time.
    """

    def __init__(self, options: Options, remaining: Callable[[], float]) -> None:
        self._options = options
        self._remaining = remaining
        #: Retries so far, whatever their causes: the waits double over all of them.
        self._used = 0
        #: Those after failures that are retried fewer times.
        self._used_after: Counter[Behaviour] = Counter()
        self._free_used: set[str] = set()
        self._wait = 0.0
        self.last: RetryableError | None = None

    def again(self, state: RetryCallState) -> bool:
        """Whether to send again after the failure in ``state``; also decides the seconds that ``wait`` returns."""
        failed = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(failed, RetryableError):
            return False
        self.last = failed
        self._wait = 0.0
        remaining = self._remaining()
        if remaining <= 0.0:
            return False
        if failed.behaviour.action is Action.HOLD_BACK:
            return True
        if failed.free is not None and failed.free not in self._free_used:
            self._free_used.add(failed.free)
            return True
        self._used += 1
        self._used_after[failed.behaviour] += 1
        most = failed.behaviour.retries
        if self._used > self._options.max_retries or (most is not None and self._used_after[failed.behaviour] > most):
            return False
        first = self._options.retry_initial_backoff
        backoff = min(first * 2 ** (self._used - 1) + random.uniform(0.0, first), self._options.retry_max_backoff)
        seconds = max(backoff, failed.retry_after)
        # A wait beyond the deadline would make the row fail late. Half of the time left gives it another chance.
        self._wait = seconds if seconds < remaining else remaining / 2
        return True

    def wait(self, _: RetryCallState) -> float:
        """Seconds before the next attempt."""
        return self._wait
