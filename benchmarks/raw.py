"""What tritonclient alone reaches on a model: the ceiling that ML_PREDICT is compared with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np
import tritonclient.http as blocking
import tritonclient.http.aio as aio

BATCHES = (32, 64)
CONCURRENCIES = (1, 2, 4, 8, 16)


def best_throughput(url: str, seconds: float = 1.5) -> tuple[float, str]:
    """Try batches, concurrencies and both of tritonclient's HTTP clients.

    Args:
        url: The server's.
        seconds: How long each combination runs, after a warm-up of a quarter of that.

    Returns:
        Rows a second of the best one, and which one it is.
    """
    address = urlsplit(url).netloc
    tried: list[tuple[float, str]] = []
    for batch in BATCHES:
        for concurrency in CONCURRENCIES:
            rate = asyncio.run(_asyncio_rate(address, batch, concurrency, seconds))
            tried.append((rate, f"tritonclient.http.aio, batch {batch}, {concurrency} in flight"))
            rate = _gevent_rate(address, batch, concurrency, seconds)
            tried.append((rate, f"tritonclient.http, batch {batch}, {concurrency} in flight"))
    return max(tried)


def latencies(url: str, rows: int, pause: float) -> Sequence[float]:
    """Time one row at a time with the blocking client, which is the faster one for that.

    Args:
        url: The server's.
        rows: How many.
        pause: Seconds between two rows.

    Returns:
        Seconds of each call.
    """
    client = blocking.InferenceServerClient(urlsplit(url).netloc)
    taken = []
    for _ in range(rows):
        time.sleep(pause)
        began = time.perf_counter()
        client.infer("add", _inputs(blocking, 1)).as_numpy("sum")
        taken.append(time.perf_counter() - began)
    client.close()
    return taken


async def _asyncio_rate(address: str, batch: int, concurrency: int, seconds: float) -> float:
    done = 0

    async def work(client: aio.InferenceServerClient) -> None:
        nonlocal done
        while time.perf_counter() < end:
            outputs = [aio.InferRequestedOutput("sum", binary_data=True)]
            answer = await client.infer("add", _inputs(aio, batch), outputs=outputs)
            answer.as_numpy("sum")
            if time.perf_counter() > start:
                done += batch

    async with aio.InferenceServerClient(address, conn_limit=concurrency) as client:
        start = time.perf_counter() + seconds / 4
        end = start + seconds
        await asyncio.gather(*(work(client) for _ in range(concurrency)))
    return done / seconds


def _gevent_rate(address: str, batch: int, concurrency: int, seconds: float) -> float:
    client = blocking.InferenceServerClient(address, concurrency=concurrency)
    waiting = []
    done = 0
    start = time.perf_counter() + seconds / 4
    end = start + seconds
    while time.perf_counter() < end:
        outputs = [blocking.InferRequestedOutput("sum", binary_data=True)]
        waiting.append(client.async_infer("add", _inputs(blocking, batch), outputs=outputs))
        if len(waiting) == concurrency:
            waiting.pop(0).get_result().as_numpy("sum")
            if time.perf_counter() > start:
                done += batch
    for request in waiting:
        request.get_result()
    client.close()
    return done / seconds


def _inputs(module: object, batch: int) -> list[object]:
    values = np.random.default_rng(batch).random((batch, 1), dtype=np.float32)
    inputs = []
    for name in ("a", "b"):
        tensor = module.InferInput(name, [batch, 1], "FP32")  # type: ignore[attr-defined]
        tensor.set_data_from_numpy(values, binary_data=True)
        inputs.append(tensor)
    return inputs
