"""What a request costs, counted and not timed: tasks, futures, timers, and reads and writes of sockets."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from shim import add_model
from triton import Triton

from pyflink_triton._arrow import from_numbers
from pyflink_triton.bridge.frames import PROTOCOL, Frame, FrameReader
from pyflink_triton.bridge.worker import Worker
from pyflink_triton.http.connection import Connection
from pyflink_triton.version import __version__

FRAMES, ROWS = 60, 256
#: The model takes so many rows in a request.
BATCH = 64


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts what is made."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Counter[str] = Counter()

    def create_task(self, coro: Any, **more: Any) -> Any:
        self.made["tasks"] += 1
        return super().create_task(coro, **more)

    def create_future(self) -> Any:
        self.made["futures"] += 1
        return super().create_future()

    def call_at(self, *arguments: Any, **more: Any) -> Any:  # type: ignore[override]
        self.made["timers"] += 1
        return super().call_at(*arguments, **more)


def counted(made: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Count reads and writes of connections to the server."""

    def counting(name: str, what: str) -> Callable[..., Any]:
        method = getattr(Connection, name)

        def call(self: Connection, *arguments: Any) -> Any:
            made[what] += 1
            return method(self, *arguments)

        return call

    monkeypatch.setattr(Connection, "buffer_updated", counting("buffer_updated", "reads"))
    transport: Any = asyncio.selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    write = transport.write

    def counting_write(self: Any, data: Any) -> None:
        made["writes"] += 1
        write(self, data)

    monkeypatch.setattr(transport, "write", counting_write)


async def predicted(triton: Triton, loop: CountingLoop) -> tuple[Counter[str], list[float]]:
    """Predict all rows as the shim sends them, six frames at once; what was made meanwhile, and the sums."""
    sums: dict[int, float] = {}
    arrived = asyncio.Event()
    messages: list[str] = []

    def receive(frame: Frame | None) -> None:
        assert frame is not None
        assert frame.kind not in ("error", "log"), frame.header
        messages.append(frame.kind)
        if frame.kind == "result":
            loop.made["replies"] += 1
            batch = pa.ipc.read_record_batch(pa.py_buffer(frame.body), pa.schema([("c0", pa.float32())]))
            numbers = [number for first, count in frame.header["rows"] for number in range(first, first + count)]
            sums.update(zip(numbers, batch.column(0).to_pylist(), strict=True))
            metrics = frame.header.get("metrics", {}).get("counters", {})
            loop.made["requests"] += metrics.get("http_requests", 0)
        arrived.set()

    def broken(error: Exception) -> None:
        raise error

    reader = FrameReader(receive, broken)

    def write(head: bytes, body: memoryview | bytes) -> None:
        reader.data_received(head + bytes(body))

    worker = Worker(write)

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():
            arrived.clear()
            await asyncio.wait_for(arrived.wait(), 30)

    def send(kind: str, body: bytes = b"", **fields: Any) -> None:
        worker.receive(Frame(json.loads(json.dumps({"kind": kind, **fields})), memoryview(body)))

    send("hello", id=1, protocol=PROTOCOL, version=__version__, log_level="INFO")
    send("open", id=2, **add_model(triton.http_url), task={"subtask": 0})
    await until(lambda: "opened" in messages)
    values = from_numbers(np.arange(ROWS, dtype=np.float32), pa.float32())
    body = bytes(pa.record_batch([values, values], names=["c0", "c1"]).serialize())
    before: Counter[str] = Counter()
    for frame in range(FRAMES):
        # The first frames open the connections.
        if frame == FRAMES // 3:
            await until(lambda frame=frame: len(sums) == frame * ROWS)  # type: ignore[misc]
            before = Counter(loop.made)
        await until(lambda frame=frame: len(sums) > (frame - 6) * ROWS)  # type: ignore[misc]
        send("predict", body, first=frame * ROWS, rows=ROWS)
    await until(lambda: len(sums) == FRAMES * ROWS)
    made = loop.made - before
    await worker.close()
    return made, [sums[number] for number in range(FRAMES * ROWS)]


def test_what_a_request_of_64_rows_costs(triton: Triton, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = CountingLoop()
    counted(loop.made, monkeypatch)
    try:
        made, sums = loop.run_until_complete(predicted(triton, loop))
    finally:
        loop.close()
    assert sums == [2.0 * (number % ROWS) for number in range(FRAMES * ROWS)]
    requests = (FRAMES - FRAMES // 3) * ROWS // BATCH
    assert made["requests"] == requests, "each request is full"
    # The waiting of this test itself makes some tasks, futures and timers.
    most = {
        "tasks": 1.5,
        "futures": 2.0,
        "timers": 0.5,
        "writes": 1.1,
        "reads": 2.0,
        "replies": 1.0,
        "connections": 0.2,
    }
    assert {what: count for what, count in made.items() if what in most and count > most[what] * requests} == {}
