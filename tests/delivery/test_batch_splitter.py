"""How many requests and neighbours bad rows cost, whatever their number."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import numpy as np
import pytest
from deliveries import request, values_of

from pyflink_triton._arrow import Ints
from pyflink_triton.delivery.batch_limits import BatchLimits
from pyflink_triton.delivery.batch_splitter import BatchSplitter
from pyflink_triton.delivery.request import Request
from pyflink_triton.errors import RowError
from pyflink_triton.metrics import Metrics
from pyflink_triton.protocol.inference import InferenceResponse


class Server:
    """Refuses each request that holds a bad row."""

    def __init__(self, bad: Collection[int]) -> None:
        self._bad = set(bad)
        self.calls = 0

    async def send(self, request: Request) -> InferenceResponse:
        self.calls += 1
        await asyncio.sleep(0)
        rows = values_of(request)
        if self._bad & set(rows.tolist()):
            raise RowError("refused", status=400, splits=True)
        return InferenceResponse({}, "http://t")


def send(server: Server, batches: list[Ints]) -> tuple[list[int], list[int]]:
    """Send batches, 4 at once; the rows that were answered and those that failed."""
    answered: list[int] = []
    failed: list[int] = []

    async def main() -> None:
        limits = BatchLimits(64, ["http://t"], Metrics(), print)
        splitter, under_way = BatchSplitter(server, limits), asyncio.Semaphore(4)

        async def one(rows: Ints) -> None:
            async with under_way:
                await splitter.send(
                    rows,
                    lambda part: request(*part.tolist()),
                    lambda part, _: answered.extend(part.tolist()),
                    lambda part, _: failed.extend(part.tolist()),
                )

        await asyncio.gather(*[one(rows) for rows in batches])

    asyncio.run(main())
    assert sorted(answered + failed) == sorted(np.concatenate(batches).tolist())
    return answered, failed


@pytest.mark.parametrize("place", [0, 17, 63])
def test_a_bad_row_costs_two_requests_for_each_halving(place: int) -> None:
    server = Server({place})
    assert send(server, [np.arange(64)])[1] == [place]
    assert server.calls == 1 + 2 * 6


def test_a_model_that_fails_everything_is_noticed_and_costs_one_request_more_a_batch() -> None:
    server = Server(range(64 * 100))
    batches = list(np.arange(64 * 100).reshape(100, 64))
    assert len(send(server, batches)[1]) == 64 * 100
    assert server.calls < 2 * 100 + 100


def test_a_burst_of_bad_rows_costs_no_good_row_of_those_that_come_after() -> None:
    """Each batch of these holds a bad row, so that no whole one can be answered."""
    burst, rows = 64 * 20, 64 * 500
    bad = {row for row in range(rows) if row < burst or row % 10 == 3}
    answered, _ = send(Server(bad), list(np.arange(rows).reshape(-1, 64)))
    good = rows - len(bad)
    assert len(answered) > 0.98 * good
