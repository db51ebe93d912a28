"""Whether the model is still the one that was planned, asked when it refuses requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from pyflink_triton.errors import SignatureError, TritonError
from pyflink_triton.signature import ModelSignature, check_unchanged

#: Refusals within so many seconds are answered by one look, for a stream of bad rows must not double the calls;
#: and by one that could not see the model, which may be on its way.
_SECONDS = 5.0
_SECONDS_UNSEEN = 0.5


class SignatureGuard:
    """Compares the model's signature with the one that the job began with.

    Args:
        read: Reads the signature anew.
        began_with: The signature that the job began with.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[ModelSignature]],
        began_with: ModelSignature,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._began_with = began_with
        self._clock = clock
        self._lock = asyncio.Lock()
        self._next_at = float("-inf")

    async def check(self) -> None:
        """Look whether the signature has changed, once for all that ask within some seconds.

        Raises:
            SignatureError: It has.
        """
        asked_at = self._clock()
        async with self._lock:
            if asked_at < self._next_at:
                return
            try:
                found = await self._read()
            except TritonError:  # what the requests are answered says more
                self._next_at = self._clock() + _SECONDS_UNSEEN
                return
            check_unchanged(self._began_with, found)
            if found.max_batch_size < self._began_with.max_batch_size:
                raise SignatureError(
                    f"the model '{found.name}' has changed on the server: it takes {found.max_batch_size} rows in a "
                    f"request, and took {self._began_with.max_batch_size} when the job began. Restart the job"
                )
            self._next_at = self._clock() + _SECONDS
