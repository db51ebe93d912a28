"""Rows in a request, learned where the model takes fewer than its configuration says: per endpoint, and unlearned."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from deliveries import request, values_of
from triton import Triton

from pyflink_triton._arrow import Ints
from pyflink_triton.delivery.batch_limits import BatchLimits
from pyflink_triton.delivery.batch_splitter import BatchSplitter
from pyflink_triton.delivery.request import Request
from pyflink_triton.errors import RowError, TooManyRowsError
from pyflink_triton.metrics import MetricDeltas, Metrics
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import open_model

A, B = "http://a", "http://b"


class Endpoints:
    """Endpoints that take so many rows each, in turn; a request that a limit refuses is not sent."""

    def __init__(self, takes: dict[str, Callable[[Ints], bool]]) -> None:
        self._takes = takes
        self._turn = 0
        self.sizes: defaultdict[str, list[int]] = defaultdict(list)
        self.refused: defaultdict[str, int] = defaultdict(int)

    async def send(self, request: Request) -> InferenceResponse:
        self._turn += 1
        base = list(self._takes)[self._turn % len(self._takes)]
        assert request.limits is not None
        if fewer := request.limits.refuse(base, request.rows, request):
            raise TooManyRowsError(fewer)
        await asyncio.sleep(0)
        self.sizes[base].append(request.rows)
        if not self._takes[base](values_of(request)):
            self.refused[base] += 1
            raise RowError("refused", status=400, splits=True, endpoint=base)
        return InferenceResponse({}, base)


class Job:
    """Sends rows as a predictor does, 8 requests at once."""

    def __init__(self, takes: dict[str, Callable[[Ints], bool]]) -> None:
        self.server = Endpoints(takes)
        self.metrics = Metrics()
        self.warnings: list[str] = []
        self.limits = BatchLimits(64, list(takes), self.metrics, self.warnings.append)
        self._splitter = BatchSplitter(self.server, self.limits)

    def send(self, count: int) -> tuple[int, int]:
        """Rows that were answered and that failed."""
        answered: list[int] = []
        failed: list[int] = []

        async def main() -> None:
            position = 0

            async def one() -> None:
                nonlocal position
                while position < count:
                    rows = np.arange(position, min(count, position + self.limits.rows))
                    position += len(rows)
                    await self._splitter.send(
                        rows,
                        lambda part: request(*part.tolist(), limits=self.limits),
                        lambda part, _: answered.extend(part.tolist()),
                        lambda part, _: failed.extend(part.tolist()),
                    )

            await asyncio.gather(*[one() for _ in range(8)])

        asyncio.run(main())
        assert sorted(answered + failed) == list(range(count))
        return len(answered), len(failed)

    @property
    def gauge(self) -> int:
        taken = self.metrics.take()
        assert taken is not None
        gauge: int = taken["gauges"]["batch_limit"]
        return gauge


def at_most(rows: int) -> Callable[[Ints], bool]:
    return lambda sent: len(sent) <= rows


@pytest.mark.parametrize("most", [1, 2, 7, 40])
def test_a_limit_that_the_configuration_does_not_know_is_learned_soon(most: int) -> None:
    job = Job({A: at_most(most)})
    assert job.send(20_000) == (20_000, 0)
    calls = len(job.server.sizes[A])
    assert job.server.refused[A] < 80 + calls // 50
    assert calls < 2.1 * 20_000 / most + 100
    assert most / 2 <= job.limits.rows <= 2 * most
    assert len(job.warnings) == 1
    assert A in job.warnings[0]
    assert "'max-batch-size'" in job.warnings[0]
    assert job.gauge <= most


def test_an_endpoint_that_is_gone_limits_nothing() -> None:
    job = Job({A: at_most(4), B: at_most(64)})
    assert job.send(4_000) == (4_000, 0)
    assert job.gauge <= 4
    job.limits.forget(A)
    assert (job.limits.rows, job.gauge) == (64, 64)
    job.limits.forget(B)
    assert job.limits.rows == 64


def test_bad_rows_do_not_lower_the_limit() -> None:
    for share in (3, 20, 50, 64, 200):
        job = Job({A: lambda sent, share=share: not (sent % share == share // 2).any()})  # type: ignore[misc]
        assert job.send(12_000)[1] == 12_000 // share
        assert (job.limits.rows, job.gauge, job.warnings) == (64, 64, [])


def test_a_refusal_now_and_then_does_not_lower_the_limit() -> None:
    calls = iter(range(1_000_000))
    job = Job({A: lambda sent: len(sent) < 64 or next(calls) % 5 > 0})
    assert job.send(64 * 200) == (64 * 200, 0)
    assert (job.limits.rows, job.warnings) == (64, [])


def test_the_limit_doubles_with_each_hundred_answers_to_what_is_configured() -> None:
    is_small = [True]
    job = Job({A: lambda sent: len(sent) <= (1 if is_small[0] else 64)})
    job.send(200)
    assert job.gauge == 1
    is_small[0] = False
    refused = job.server.refused[A]
    gauges = {1}
    while max(gauges) < 64 and len(job.server.sizes[A]) < 2000:
        job.send(64)
        taken = job.metrics.take()
        gauges |= set() if taken is None else {taken["gauges"]["batch_limit"]}
    assert gauges == {1, 2, 4, 8, 16, 32, 64}
    assert job.server.refused[A] == refused


def test_a_raised_limit_is_tried_by_one_request_at_a_time() -> None:
    job = Job({A: at_most(1)})
    job.send(300)
    refused = job.server.refused[A]
    job.send(10_000)
    assert job.server.refused[A] - refused <= 101


def test_each_endpoint_has_a_limit_of_its_own() -> None:
    job = Job({A: at_most(64), B: at_most(1)})
    assert job.send(20_000) == (20_000, 0)
    assert job.server.refused[A] == 0
    assert job.server.refused[B] < 100
    assert job.limits.rows == 64
    assert job.gauge == 1
    assert max(job.server.sizes[A]) == 64
    assert [B in warning for warning in job.warnings] == [True]


def test_a_broken_endpoint_is_no_small_one() -> None:
    job = Job({A: lambda _: False, B: at_most(64)})
    send = job.server.send

    async def resend(request: Request) -> InferenceResponse:
        """As a delivery does with a lone row: where it failed is avoided."""
        try:
            return await send(request)
        except RowError:
            if request.rows > 1:
                raise
            job.server._turn += job.server._turn % 2  # B's are odd
            return await send(request)

    job.server.send = resend  # type: ignore[method-assign]
    job.send(5_000)
    assert (job.limits.rows, job.gauge, job.warnings) == (64, 64, [])


def test_a_limit_doubles_again_also_beside_an_endpoint_that_takes_more() -> None:
    is_small = [True]
    job = Job({A: lambda sent: len(sent) <= (1 if is_small[0] else 64), B: at_most(64)})
    job.send(5_000)
    assert job.gauge == 1
    is_small[0] = False
    refused = job.server.refused[A]
    job.send(64 * 500)
    assert job.gauge == 64
    assert job.server.refused[A] == refused


def test_pieces_of_what_was_never_sent_have_a_time_of_their_own() -> None:
    """A row that fails must not take it from those that wait behind it."""
    deadlines: list[float | None] = []

    class Sends:
        async def send(self, request: Request) -> InferenceResponse:
            if request.rows > 1:
                raise TooManyRowsError(1)
            deadlines.append(request.deadline)
            if request.deadline is None:
                request.deadline = float(len(deadlines))
            if len(deadlines) == 1:
                raise RowError("refused", status=400, splits=True, endpoint=A)
            return InferenceResponse({}, A)

    failed: list[Ints] = []
    splitter = BatchSplitter(Sends(), BatchLimits(64, [A], Metrics(), lambda _: None))
    rows, write = np.arange(4), lambda part: request(*part.tolist())
    asyncio.run(splitter.send(rows, write, lambda *_: None, lambda part, _: failed.append(part)))
    assert [part.tolist() for part in failed] == [[0]]
    assert deadlines == [None] * 4


def asked(triton: Triton, endpoint: str, **options: str) -> OpenRequest:
    columns: list[ColumnType] = [{"name": name, "type": "BIGINT"} for name in "xy"]
    written = {"endpoint": endpoint, "model-name": "one_row", **options}
    return {"model": "m", "options": written, "input": columns[:1], "output": columns[1:]}


def predict(request: OpenRequest, rows: int) -> MetricDeltas:
    metrics = Metrics()

    async def main() -> list[int]:
        opened = await open_model(request, metrics)
        try:
            batches = [pa.array(range(first, min(rows, first + 256)), pa.int64()) for first in range(0, rows, 256)]
            made = [opened.predictor.predict(pa.record_batch([batch], names=["c0"])) for batch in batches]
            return [value for each in await asyncio.gather(*made) for value in each.outputs.column(0).to_pylist()]
        finally:
            await opened.close()

    assert asyncio.run(main()) == list(range(rows))
    taken = metrics.take()
    assert taken is not None
    return taken


def test_a_thousand_rows_of_a_model_that_takes_one_cost_few_refused_calls(
    triton: Triton, caplog: pytest.LogCaptureFixture
) -> None:
    taken = predict(asked(triton, triton.http_url), 1000)
    refused = taken["counters"]["http_requests"] - 1000
    assert 0 < refused < 60
    assert taken["gauges"]["batch_limit"] == 1
    (record,) = [record for record in caplog.records if record.name == "pyflink_triton"]
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"Model 'm': {triton.http_url} refused 3 requests")
    assert "'max-batch-size'" in record.getMessage()
    # What the message says to do.
    caplog.clear()
    taken = predict(asked(triton, triton.http_url, **{"max-batch-size": "1"}), 1000)
    assert taken["counters"]["http_requests"] == 1000
    assert not caplog.records
