"""Splits a batch that the server refuses, until each bad row is alone and its neighbours are answered."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pyflink_triton._arrow import Ints
from pyflink_triton.delivery.batch_limits import BatchLimits
from pyflink_triton.delivery.request import Request, Sender
from pyflink_triton.errors import ExhaustedError, LostError, RowError, TooManyRowsError
from pyflink_triton.protocol.inference import InferenceResponse

#: After this many lone rows failed in succession, the model is taken to fail everything. A refused batch then costs
#: one more request instead of one for each row.
_HOPELESS = 8


@dataclass(slots=True)
class _Work:
    """A batch under way: see ``BatchSplitter.send``."""

    write: Callable[[Ints], Request]
    answered: Callable[[Ints, InferenceResponse], None]
    failed: Callable[[Ints, RowError], None]
    deadline: float | None = None
    is_sent: bool = False
    answered_by: list[str] = field(default_factory=list)


class BatchSplitter:
    """Sends batches, and splits those that fail because of a row.

    Args:
        delivery: What sends the requests.
        limits: Told of batches that were refused for their size.
    """

    def __init__(self, delivery: Sender, limits: BatchLimits) -> None:
        self._delivery = delivery
        self._limits = limits
        self._lone_failures = 0

    async def send(
        self,
        rows: Ints,
        write: Callable[[Ints], Request],
        answered: Callable[[Ints, InferenceResponse], None],
        failed: Callable[[Ints, RowError], None],
    ) -> None:
        """Send a batch. Halves go one after the other, so that a model that fails everything is noticed early.

        Args:
            rows: The rows of the batch.
            write: Makes the request of some of them.
            answered: Takes the response to some of them; raises RowError where it does not answer them.
            failed: Takes rows that failed, and the reason.

        Raises:
            JobError: A fault that no row's policy covers.
        """
        work = _Work(write, answered, failed)
        error = await self._attempt(work, rows)
        if error is not None:
            await self._settle_refused(work, rows, error, 0)

    async def _attempt(self, work: _Work, part: Ints) -> RowError | None:
        request = work.write(part)
        request.deadline = work.deadline
        if work.is_sent:
            request.since = None
        try:
            response = await self._delivery.send(request)
            work.answered(part, response)
        except RowError as error:
            work.deadline, work.is_sent = request.deadline, request.since is None
            if len(part) == 1 and not isinstance(error, (ExhaustedError, LostError)):
                self._lone_failures += 1
            return error
        finally:
            self._limits.over(request)
        self._lone_failures = 0
        self._limits.answered(response.endpoint, len(part))
        work.answered_by.append(response.endpoint)
        return None

    async def _settle(self, work: _Work, part: Ints) -> bool:
        """Send some rows until each is answered or has failed; returns whether all are answered."""
        before = len(work.answered_by)
        error = await self._attempt(work, part)
        return error is None or await self._settle_refused(work, part, error, before)

    async def _settle_refused(self, work: _Work, part: Ints, error: RowError, before: int) -> bool:
        """Go on with rows whose request failed, after so many requests of the batch were answered."""
        if isinstance(error, TooManyRowsError):
            given, is_whole = work.deadline, True  # nothing was sent: each piece has the time that was left
            for piece in np.split(part, range(error.rows, len(part), error.rows)):
                work.deadline = given
                is_whole &= await self._settle(work, piece)
            return is_whole
        if not error.splits or len(part) == 1:
            work.failed(part, error)
            return False
        if self._lone_failures >= _HOPELESS:
            # One row, sent alone, shows whether the model still fails everything.
            place = random.randrange(len(part))
            alone, rest = part[place : place + 1], np.delete(part, place)
            its_own = await self._attempt(work, alone)
            if its_own is not None:
                work.failed(alone, its_own)
                work.failed(rest, error)
                return False
            is_whole = await self._settle(work, rest)
        else:
            half = len(part) // 2
            is_whole = all([await self._settle(work, piece) for piece in (part[:half], part[half:])])
        # If other endpoints answered its rows, this endpoint is broken, and smaller requests would not help.
        if is_whole and error.endpoint in work.answered_by[before:]:
            self._limits.refused(error.endpoint, len(part))
        return is_whole
