"""The core alone: what a worker does with Arrow batches, without frames, pipes and Flink."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.cpu import measured
from benchmarks.workloads import WORKLOADS, Column, Workload, checksum
from pyflink_triton import _async
from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.open_model import OpenedModel, open_model

#: As many rows and batches at once as the JVM hands to a worker.
ROWS_A_BATCH = 256
BATCHES_AT_ONCE = 6
_WARM_BATCHES = 24


def run(url: str, workload: str, rows: int, server: int | None) -> Any:
    """Predict so many rows, warm, and count what that took.

    Args:
        url: The server's endpoint.
        workload: The workload's name.
        rows: How many rows, rounded to whole batches.
        server: tritonserver's process.

    Returns:
        ``rows``, ``seconds``, ``cpu`` and the ``sums`` of the answers.
    """
    start = getattr(_async, "run", asyncio.run)  # a loop as a worker has it
    return start(_predict(url, WORKLOADS[workload], rows, server))


async def _predict(url: str, workload: Workload, rows: int, server: int | None) -> Any:
    model = await open_model(
        {
            "model": workload.model,
            "options": {"endpoint": url, "model-name": workload.model},
            "input": [{"name": each.name, "type": each.sql} for each in workload.columns],
            "output": [{"name": each.name, "type": each.sql} for each in workload.outputs],
        },
        Metrics(),
    )
    size = min(ROWS_A_BATCH, workload.period)
    batches = [_batch(workload, start, size) for start in range(0, workload.period, size)]
    try:
        await _all(model, workload, batches, _WARM_BATCHES)
        count, cpu = max(1, round(rows / size)), dict[str, float]()
        with measured(server, cpu):
            began = time.perf_counter()
            sums = await _all(model, workload, batches, count)
            seconds = time.perf_counter() - began
    finally:
        await model.close()
    return {"rows": count * size, "seconds": seconds, "cpu": cpu, "sums": sums}


async def _all(model: OpenedModel, workload: Workload, batches: list[pa.RecordBatch], count: int) -> list[float]:
    todo = iter(range(count))
    sums = [0.0] * len(workload.outputs)

    async def work() -> None:
        for index in todo:
            done = await model.predict(batches[index % len(batches)])
            if done.errors:
                raise RuntimeError(f"{len(done.errors)} rows failed: {next(iter(done.errors.values()))}")
            for output, answers in enumerate(done.outputs.columns):
                sums[output] += checksum(_numpy(answers))

    await asyncio.gather(*(work() for _ in range(BATCHES_AT_ONCE)))
    return sums


def _numpy(answers: pa.Array) -> Any:
    if pa.types.is_list(answers.type) or pa.types.is_large_list(answers.type):
        return answers.flatten().to_numpy(zero_copy_only=False).reshape(len(answers), -1)
    return answers.to_numpy(zero_copy_only=False)


def _batch(workload: Workload, start: int, size: int) -> pa.RecordBatch:
    arrays = [_array(column, column.values[start : start + size]) for column in workload.columns]
    return pa.record_batch(arrays, names=[f"c{index}" for index in range(len(arrays))])


def _array(column: Column, values: Any) -> pa.Array:
    if column.sql == "STRING":
        return pa.array([each.decode() for each in values.ravel()])
    if column.sql == "BYTES":
        return pa.array([each.tobytes() for each in values])
    if column.sql.startswith("ARRAY"):
        flat = values.reshape(len(values), -1)
        offsets = np.arange(0, flat.size + 1, flat.shape[1], dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat.ravel()))
    return pa.array(values.ravel())
