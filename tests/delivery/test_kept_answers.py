"""What is kept of answers: how many bytes that takes, and under which version of the model."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace

import pyarrow as pa
import pytest
from fakes import Echo, Sends, declare, identity, parse_columns
from test_repeats import repeating, run
from triton import Triton

from pyflink_triton.delivery.request import Request
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.runtime.predictor import Predictor
from pyflink_triton.schema.binding import bind_columns
from pyflink_triton.types.triton import DATATYPES


def test_the_size_counts_what_requests_of_one_row_keep_for_each() -> None:
    metrics, echo = Metrics(), Echo()
    x = TensorSpec("x", DATATYPES["INT64"], (-1,))
    made = declare(
        identity(x, max_batch_size=0), echo, ["x ARRAY<BIGINT>"], ["x ARRAY<BIGINT>"], metrics=metrics,
        cache_max_bytes="1 gb",
    )  # fmt: skip

    async def feed(first: int, end: int) -> int:
        for start in range(first, end, 100):
            rows = pa.array([[row] * (1 + row % 5) for row in range(start, start + 100)], pa.list_(pa.int64()))
            await made.predict(pa.record_batch([rows], names=["c0"]))
            taken = metrics.take()
        assert taken is not None
        return taken["gauges"]["cache_bytes"]

    async def main() -> None:
        before = await feed(0, 500)
        echo.requests.clear()
        tracemalloc.start()
        try:
            traced, _ = tracemalloc.get_traced_memory()
            claimed = await feed(500, 2500) - before
            echo.requests.clear()
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - traced
        finally:
            tracemalloc.stop()
        assert 0.8 * claimed < grown < 1.1 * claimed

    asyncio.run(main())


#: Prints by how much a process grows with answers of streams, and how much the cache says.
_GROWTH = """
import sys
import numpy as np
import pyarrow as pa
from pyflink_triton._arrow import from_values, take
from pyflink_triton.runtime.answer_cache import AnswerCache

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

value, type_ = {"text": ("yes", pa.utf8()), "texts": (["yes", "no"], pa.list_(pa.utf8())), "number": (1, pa.int64())}[
    sys.argv[1]
]
cache = AnswerCache(1 << 30, 60.0)
before = resident()
for number in range(20_000):
    cache.put(b"=%020d" % number, (1.0, ("1", None), take(from_values([value], type_), np.zeros(1, np.int64))))
print(resident() - before, cache.bytes)
"""


@pytest.mark.parametrize("answer", ["text", "texts", "number"])
def test_the_size_counts_what_arrow_adds_to_the_answers_of_streams(answer: str) -> None:
    printed = subprocess.check_output([sys.executable, "-c", _GROWTH, answer], timeout=60)
    grown, claimed = map(int, printed.split())
    assert 0.6 * claimed < grown < 1.3 * claimed


class Rolling(Sends):
    """A server whose model is replaced: the version before answers small numbers, and takes its time."""

    async def send(self, request: Request) -> InferenceResponse:
        x = int.from_bytes(b"".join(request.inference.inputs[0].data), "little")
        began = time.perf_counter()
        response = await super().send(request)
        if x < 10:
            await asyncio.sleep(0.6)
        return replace(response, version="1" if x < 10 else "2", seconds=time.perf_counter() - began)


def test_a_late_answer_of_the_version_before_does_not_take_over_again() -> None:
    signature, metrics = identity(TensorSpec("x", DATATYPES["INT64"], (1,)), max_batch_size=1), Metrics()
    options = parse_options(
        {"endpoint": "http://t", "model-name": "m", "cache-max-bytes": "1 mb", "model-version-column": "version"}
    )
    columns = bind_columns(
        signature, parse_columns(["x BIGINT"]), parse_columns(["x BIGINT", "version STRING"]), options=options
    )

    async def main() -> None:
        echo = Echo()
        made = Predictor(Rolling(echo, metrics), signature, columns, options, metrics)

        async def versions(*rows: int) -> list[str]:
            prediction = await made.predict(pa.record_batch([pa.array(rows, pa.int64())], names=["c0"]))
            found: list[str] = prediction.outputs.column(1).to_pylist()
            return found

        late = asyncio.ensure_future(versions(1, 1))
        while not echo.requests:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.3)
        assert await versions(11) == ["2"]
        assert await late == ["1", "1"]  # they came before the new version
        metrics.take()
        assert await versions(11) == ["2"]
        taken = metrics.take()
        assert taken is not None
        assert taken["counters"]["cache_hits"] == 1
        assert await versions(1) == ["1"]  # this server went back
        assert await versions(1) == ["1"]
        taken = metrics.take()
        assert taken is not None
        assert (taken["counters"]["cache_hits"], taken["counters"]["cache_misses"]) == (1, 1)

    asyncio.run(main())


def test_a_stream_of_no_responses_says_no_version_and_empties_nothing(triton: Triton) -> None:
    async def main() -> None:
        ys = {"text": "ARRAY<STRING>"}
        more = {"responses": "array", "deterministic": "true"}
        async with repeating(triton.http_url, "script", {"script": "STRING"}, ys, **more) as model:
            some, none = json.dumps(["a"]), json.dumps([])
            assert await model.answers(some) == [["a"]]
            for _ in range(2):
                rows = await model.rows(none, some)
                assert [row["text"] for row in rows] == [[], ["a"]]
                assert [row["version"] for row in rows] == [None, "1"]
            assert model.taken()["cache_hits"] == 3

    run(main())
