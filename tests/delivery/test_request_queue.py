"""The queue of all batches' rows: each is answered once with its own value, no place leaks, and none is overtaken."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import Echo, identity, parse_columns, predictor, response

from pyflink_triton._arrow import Ints
from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.protocol.failures import Cause, ErrorResponse, Fault, NoResponseError
from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse, PreparedRequest
from pyflink_triton.protocol.kserve_v2 import read_response, write_request
from pyflink_triton.runtime.predictor import Predictor
from pyflink_triton.runtime.request_queue import Piece
from pyflink_triton.schema.binding import bind_columns
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES

#: The server refuses the requests that hold a multiple of it.
POISON = 23
FAULTS = (Cause.UNAVAILABLE, Cause.TOO_MANY_REQUESTS, Cause.MODEL_CRASHED, Fault.RESET, Fault.REFUSED, Fault.TIMEOUT)


class Unreliable:
    """A server that answers x with x after a while: it refuses large requests and poisoned rows, and fails at times."""

    def __init__(self, random: Random, rows: int, failing: float) -> None:
        self._random, self._rows, self._failing = random, rows, failing

    async def prepare(self, request: InferenceRequest, request_id: str) -> PreparedRequest:
        head = write_request(request, request_id)
        return PreparedRequest(request_id, [head, b"".join(request.inputs[0].data)], {}, request.outputs)

    async def infer(
        self, prepared: PreparedRequest, base: str, timeout: float, total: float, started: Callable[[], None]
    ) -> InferenceResponse:
        await asyncio.sleep(self._random.choice([0.0, 0.0005, 0.003]))
        if self._random.random() < self._failing:
            fault = self._random.choice(FAULTS)
            if isinstance(fault, Fault):
                raise NoResponseError(fault, fault is not Fault.REFUSED, False, "", timeout)
            raise ErrorResponse(503, fault, "not now")
        entry = json.loads(bytes(prepared.buffers[0]))["inputs"][0]
        data = bytes(prepared.buffers[1])
        if self._rows and entry["shape"][0] > self._rows:
            raise ErrorResponse(400, Cause.BAD_SHAPE, "too many rows")
        if (np.frombuffer(data, np.int64) % POISON == 0).any():
            raise ErrorResponse(400, Cause.BAD_REQUEST, "poisoned")
        started()
        return InferenceResponse(read_response(*response([(entry, data)]), prepared.outputs)[0], base)

    async def ready(self, base: str, timeout: float | None = None) -> None:
        await asyncio.sleep(0)

    def server(self, base: str) -> str:
        return "Triton"


def model(
    random: Random, column: str, batch: int, dims: tuple[int, ...], cache: str
) -> tuple[Delivery, Predictor, Metrics]:
    tensor = TensorSpec("x", DATATYPES["INT64"], dims)
    signature = ModelSignature("m", (tensor,), (tensor,), batch)
    options = parse_options(
        {
            "endpoint": random.choice(["http://a:1", "http://a:1,http://b:1"]),
            "model-name": "m",
            "max-retries": "100",
            "retry-initial-backoff": "1 ms",
            "retry-max-backoff": "2 ms",
            "max-request-bytes": str(random.choice([1, 20, 200, 100_000])),
            "max-in-flight-requests": str(random.choice([1, 2, 16])),
            "cache-max-bytes": cache,
        }
    )
    columns = bind_columns(signature, parse_columns([column]), parse_columns([column]), None, options)
    metrics = Metrics()
    rows = random.choice([batch, batch, max(1, batch // 3)]) if batch else 0
    transport: Any = Unreliable(random, rows, random.choice([0.0, 0.03]))
    delivery = Delivery(options, transport, metrics)
    return delivery, Predictor(delivery, signature, columns, options, metrics, warn=lambda _: None), metrics


#: Without a cache of answers, with one for a few of them, and with one for all.
CACHES = ("0", "3 kb", "0", "1 mb")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("type_", "dims"),
    [("BIGINT", (1,)), ("ARRAY<BIGINT>", (-1,)), ("ARRAY<BIGINT>", (1,))],
    ids=["values", "ragged", "arrays as batches"],
)
@pytest.mark.parametrize("batch", [0, 1, 8])
def test_each_row_of_many_batches_is_answered_once(batch: int, type_: str, dims: tuple[int, ...], seed: int) -> None:
    random = Random(f"{batch} {type_} {dims} {seed}")
    if not batch and type_ != "BIGINT" and dims == (1,):
        dims = (-1,)  # a model without a batch axis takes no arrays as batches
    number, cache, given = 0, CACHES[seed % 4], 0
    right: list[str] = []

    def value() -> Any:
        nonlocal number, given
        number = number + 1 if cache == "0" else random.randrange(1, 2 * POISON + 10)
        if random.random() < 0.05:
            return None
        given += 1
        row: Any = number
        if type_ != "BIGINT":
            is_ragged = dims == (-1,)
            row = [number] * random.choice([1, 1, 2, 3, 9]) if is_ragged else list(range(number, number + number % 4))
        if not is_poisoned(row):
            right.append(str(row))
        return row

    def is_poisoned(row: Any) -> bool:
        return any(each % POISON == 0 for each in (row if isinstance(row, list) else [row]))

    async def one_batch(made: Predictor) -> None:
        rows = [value() for _ in range(random.choice([1, 1, 3, 40]))]
        answers: dict[int, Any] = {}
        failed: set[int] = set()
        done = asyncio.get_running_loop().create_future()

        def deliver(which: Ints, columns: list[pa.Array], errors: dict[int, str]) -> None:
            for place, (row, answer) in enumerate(zip(which.tolist(), columns[0].to_pylist(), strict=True)):
                assert row not in answers
                answers[row] = answer
                if place in errors:
                    failed.add(row)
            if len(answers) == len(rows):
                done.set_result(None)

        inputs = pa.record_batch([pa.array(rows, parse_type(type_, "x").arrow)], names=["c0"])
        made.submit(inputs, deliver, done.set_exception)
        await done
        poisoned = {place for place, row in enumerate(rows) if row is not None and is_poisoned(row)}
        assert failed == poisoned
        assert answers == {place: None if place in poisoned else row for place, row in enumerate(rows)}

    async def main() -> None:
        delivery, made, metrics = model(random, f"x {type_}", batch, dims, cache)
        tasks = []
        for _ in range(12):
            tasks.append(asyncio.create_task(one_batch(made)))
            await asyncio.sleep(random.choice([0.0, 0.0, 0.001]))
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)
        assert delivery.limit.taken == 0
        taken = metrics.take()
        assert taken is not None
        assert taken["gauges"]["in_flight"] == 0
        counted = {"cache_hits": 0, "cache_misses": 0, **taken["counters"]}
        is_cached, hits = cache != "0", counted["cache_hits"]
        assert is_cached or not hits
        assert counted["output_rows"] + counted["failure"] == given
        if type_ == "BIGINT" or dims != (1,):
            assert counted["requests"] + hits == given
            assert counted["cache_misses"] == (counted["requests"] if is_cached else 0)
            if cache == "1 mb":  # it holds all answers
                assert hits >= len(right) - len(set(right))
        await made.close()
        await delivery.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_request_copies_no_sizes_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array that is a batch may have a million elements, and as many requests."""
    cuts, cut = 0, Piece.cut

    def cutting(piece: Piece, count: int) -> Piece:
        nonlocal cuts
        front = cut(piece, count)
        assert isinstance(piece.sizes, np.ndarray)
        assert np.shares_memory(front.sizes, piece.sizes)
        cuts += 1
        return front

    x = TensorSpec("x", DATATYPES["BYTES"], (1,))
    made = predictor(identity(x, max_batch_size=2), Echo(), ["STRING"])
    rows = [str(number) * (number % 5) for number in range(1000)]
    monkeypatch.setattr(Piece, "cut", cutting)
    prediction = asyncio.run(made.predict(pa.record_batch([pa.array(rows)], names=["c0"])))
    assert prediction.outputs.column(0).to_pylist() == rows
    assert cuts == len(rows) // 2 - 1


def test_rows_of_a_seldom_shape_are_not_overtaken_by_those_of_often_seen_ones() -> None:
    """One request may be in flight, and with each answer come rows of shapes that wait already."""
    served: list[int] = []

    class Feeding(Echo):
        async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
            served.append(json.loads(header)["inputs"][0]["shape"][1])
            if len(served) < 40:
                tasks.extend(asyncio.create_task(made.predict(rows(length))) for length in (1, 3))
            await asyncio.sleep(0.001)
            return await super().infer(header, tensors)

    def rows(length: int) -> pa.RecordBatch:
        return pa.record_batch([pa.array([[7] * length], pa.list_(pa.int64()))], names=["c0"])

    tasks: list[asyncio.Task[Any]] = []
    x = TensorSpec("x", DATATYPES["INT64"], (-1,))
    made = predictor(identity(x), Feeding(), ["ARRAY<BIGINT>"], max_in_flight_requests="1")

    async def main() -> None:
        tasks.extend(asyncio.create_task(made.predict(rows(length))) for length in (1, 3, 2))
        while tasks:
            await tasks.pop(0)

    asyncio.run(asyncio.wait_for(main(), 60))
    assert 2 in served[:6]


#: So long that a busy machine hardly counts.
CALL_SECONDS = 0.5


class Instances(Unreliable):
    """A server that works on so many requests at once, each for a while."""

    def __init__(self, instances: int) -> None:
        super().__init__(Random(0), 0, 0.0)
        self._free = asyncio.Semaphore(instances)
        self.calls = 0

    async def infer(
        self, prepared: PreparedRequest, base: str, timeout: float, total: float, started: Callable[[], None]
    ) -> InferenceResponse:
        self.calls += 1
        async with self._free:
            await asyncio.sleep(CALL_SECONDS)
        started()
        entry = json.loads(bytes(prepared.buffers[0]))["inputs"][0]
        return InferenceResponse(
            read_response(*response([(entry, bytes(prepared.buffers[1]))]), prepared.outputs)[0], base
        )


@pytest.mark.parametrize("instances", [100, 1])
def test_rows_wait_for_others_while_the_server_is_busy_but_not_for_long(instances: int) -> None:
    taken: list[float] = []

    async def main() -> Instances:
        options = parse_options({"endpoint": "http://t", "model-name": "m"})
        x = TensorSpec("x", DATATYPES["INT64"], (1,))
        columns = bind_columns(identity(x), parse_columns(["x BIGINT"]), parse_columns(["x BIGINT"]))
        server = Instances(instances)
        delivery = Delivery(options, server, Metrics())
        made = Predictor(delivery, identity(x), columns, options, Metrics())

        async def predict(number: int) -> None:
            began = time.monotonic()
            batch = pa.record_batch([pa.array([number], pa.int64())], names=["c0"])
            assert (await made.predict(batch)).outputs.column(0).to_pylist() == [number]
            taken.append(time.monotonic() - began)

        for _ in range(4):  # the first three open the limit
            server.calls = 0
            taken.clear()
            tasks = []
            for number in range(1, 21):
                tasks.append(asyncio.create_task(predict(number)))
                await asyncio.sleep(0.03 * CALL_SECONDS)
            await asyncio.gather(*tasks)
        await made.close()
        await delivery.close()
        return server

    server = asyncio.run(asyncio.wait_for(main(), 60))
    assert server.calls < 16
    if instances > 1:  # a row waits for a quarter of a call's time at most before its own call
        assert np.median(taken) < 1.8 * CALL_SECONDS


@pytest.mark.parametrize(("wait", "expected"), [("60s", [[1, 1], [4, 2], [2, 1], [1, 3]]), ("0 ms", None)])
def test_rows_of_several_shapes_wait_for_their_like_while_the_server_is_busy(
    wait: str, expected: list[list[int]] | None
) -> None:
    """The server has one request to do. A full request does not wait, nor do the others once it is idle."""
    lengths = [1, 2, 3, 2, 1, 2, 1, 2]

    class Busy(Echo):
        async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
            entries = json.loads(header)["inputs"]
            answer = await super().infer(header, tensors)
            began.append(entries[0]["shape"])
            await is_over.wait()
            return answer

    async def main() -> None:
        x = TensorSpec("x", DATATYPES["INT64"], (-1,))
        options = {"bucket_wait": wait, "max_in_flight_bytes": "64 mb"}  # so that one request makes a server busy
        made = predictor(identity(x, max_batch_size=4), Busy(), ["ARRAY<BIGINT>"], **options)
        tasks = []
        for length in lengths:
            rows = pa.record_batch([pa.array([[7] * length], pa.list_(pa.int64()))], names=["c0"])
            tasks.append(asyncio.create_task(made.predict(rows)))
            for _ in range(20):  # what may go has gone then
                await asyncio.sleep(0)
        waiting = len(lengths) - sum(rows for rows, _ in began)
        is_over.set()
        await asyncio.gather(*tasks)
        assert waiting == (3 if expected else waiting)
        await made.close()

    began: list[list[int]] = []
    is_over = asyncio.Event()
    asyncio.run(asyncio.wait_for(main(), 60))
    assert sum(rows for rows, _ in began) == len(lengths)
    if expected is None:
        assert len(began) > 4
    else:
        assert sorted(began) == sorted(expected)
