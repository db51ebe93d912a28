"""When a failed request is sent again, and when no more: the predicate and the wait that tenacity asks."""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable, Mapping

from tenacity import RetryCallState

from pyflink_triton.delivery.endpoints import Endpoint
from pyflink_triton.delivery.failure_policy import Behaviour, Then
from pyflink_triton.options.options import Options


class Passing(Exception):
    """A call failed, and another one may follow.

    Attributes:
        behaviour: What the failure means.
        message: One sentence about it.
        status: The HTTP status; None where there was no answer.
        endpoint: Where it was sent; None where it was not.
        retry_after: Seconds that the server asks to wait.
        free: What lets it be sent again at once, once, without using a retry.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        message: str,
        status: int | None = None,
        endpoint: Endpoint | None = None,
        retry_after: float = 0.0,
        free: str | None = None,
    ) -> None:
        super().__init__(message)
        self.behaviour = behaviour
        self.message = message
        self.status = status
        self.endpoint = endpoint
        self.retry_after = retry_after
        self.free = free


class Retries:
    """What one request has been through since it first failed.

    Args:
        options: The model's options.
        remaining: Seconds that are left of its rows' time.
    """

    def __init__(self, options: Options, remaining: Callable[[], float]) -> None:
        self._options = options
        self._remaining = remaining
        self._used = 0
        self._free_used: set[str] = set()
        self._pause = 0.0
        self.last: Passing | None = None

    def again(self, state: RetryCallState) -> bool:
        """Whether to send again after the failure in ``state``."""
        failed = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(failed, Passing):
            return False
        self.last = failed
        self._pause = 0.0
        remaining = self._remaining()
        if remaining <= 0.0:
            return False
        if failed.behaviour.then is Then.WAIT:
            return True
        if failed.free is not None and failed.free not in self._free_used:
            self._free_used.add(failed.free)
            return True
        self._used += 1
        most = self._options.max_retries
        if self._used > (most if failed.behaviour.retries is None else min(most, failed.behaviour.retries)):
            return False
        first = self._options.retry_initial_backoff
        backoff = min(first * 2 ** (self._used - 1) + random.uniform(0.0, first), self._options.retry_max_backoff)
        pause = max(backoff, failed.retry_after)
        # A wait beyond the deadline would only let the row fail later: half of what is left gives it a chance.
        self._pause = pause if pause < remaining else remaining / 2
        return True

    def wait(self, _: RetryCallState) -> float:
        """Seconds before the next attempt."""
        return self._pause


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait; 0 where it does not say so in a way that makes sense."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
