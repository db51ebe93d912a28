"""Checks whether the model is still the one that was planned, when it refuses requests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

from pyflink_triton._async import within
from pyflink_triton.errors import SignatureError, TritonError
from pyflink_triton.model.signature import ModelSignature, check_unchanged
from pyflink_triton.remedies import Remedy

#: One check counts for all refusals within these seconds, so that a stream of bad rows does not double the calls.
#: A check that could not read the model counts for less, because the model may just be loading.
_SECONDS = 5.0
_SECONDS_UNSEEN = 0.5


class SignatureGuard:
    """Compares the model's signature at each endpoint with the one that the job began with.

    Args:
        read: Reads the signature anew, from the endpoint of this base URL.
        began_with: The signature that the job began with.
        clock: Returns seconds that only grow.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[ModelSignature]],
        began_with: ModelSignature,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._began_with = began_with
        self._clock = clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._next_at: dict[str, float] = {}
        self._seen: set[str] = set()

    async def check(self, base: str, seconds: float, words: str = "") -> bool:
        """Check whether the signature has changed at an endpoint; one check counts for several seconds.

        Args:
            base: The endpoint's base URL.
            seconds: How long the check may take; a signature that was not read by then counts as unchanged.
            words: A description of the refusal; not used here.

        Returns:
            Whether the model was seen there.

        Raises:
            SignatureError: It has.
        """
        with contextlib.suppress(asyncio.TimeoutError):
            await within(seconds, self._look(base))
            return base in self._seen
        return False

    async def _look(self, base: str) -> None:
        asked_at = self._clock()
        async with self._locks[base]:
            if asked_at < self._next_at.get(base, float("-inf")):
                return
            try:
                self._seen.discard(base)
                found = await self._read(base)
            except TritonError:  # the errors of the requests say more
                self._next_at[base] = self._clock() + _SECONDS_UNSEEN
                return
            check_unchanged(self._began_with, found, base)
            if found.max_batch_size < self._began_with.max_batch_size:
                raise SignatureError(
                    f"the model '{found.name}' has changed at {base}: it takes {found.max_batch_size} rows in a "
                    f"request, and took {self._began_with.max_batch_size} when the job began. " + Remedy.RESTART_JOB()
                )
            self._seen.add(base)
            self._next_at[base] = self._clock() + _SECONDS
