"""A batch that the server refuses is split until the bad rows are alone, so that each costs itself only."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from pyflink_triton.arrays import Ints
from pyflink_triton.errors import ExhaustedError, LostError, RowError
from pyflink_triton.request import Answer, Delivers, Request

#: So many lone rows that failed in succession say that the model fails everything: a batch then costs one more only.
_HOPELESS = 8


class Splitter:
    """Sends batches, and splits those that fail by a row's fault.

    Args:
        delivery: What sends the requests.
    """

    def __init__(self, delivery: Delivers) -> None:
        self._delivery = delivery
        self._lone_failures = 0

    async def send(
        self,
        rows: Ints,
        write: Callable[[Ints], Request],
        answered: Callable[[Ints, Answer], None],
        failed: Callable[[Ints, RowError], None],
    ) -> None:
        """Send a batch; halves of it one after the other, so that a hopeless model is noticed early.

        Args:
            rows: The rows of the batch.
            write: Makes the request of some of them.
            answered: Takes the answer to some of them.
            failed: Takes why some of them failed.

        Raises:
            JobError: A fault that no row's policy covers.
        """
        deadline: float | None = None

        async def attempt(part: Ints) -> RowError | None:
            nonlocal deadline
            request = write(part)
            request.deadline = deadline
            try:
                answer = await self._delivery.send(request)
            except RowError as error:
                deadline = request.deadline
                if len(part) == 1 and not isinstance(error, (ExhaustedError, LostError)):
                    self._lone_failures += 1
                return error
            self._lone_failures = 0
            answered(part, answer)
            return None

        pending = [rows]
        while pending:
            part = pending.pop()
            error = await attempt(part)
            if error is None:
                continue
            if error.splits and len(part) > 1 and self._lone_failures >= _HOPELESS:
                # Any row of it, alone, says whether that is still so.
                place = random.randrange(len(part))
                alone, part = part[place : place + 1], np.delete(part, place)
                its_own = await attempt(alone)
                if its_own is None:
                    pending.append(part)
                    continue
                failed(alone, its_own)
            elif error.splits and len(part) > 1:
                half = len(part) // 2
                pending += [part[half:], part[:half]]
                continue
            failed(part, error)
