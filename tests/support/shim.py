"""The other end of a worker's pipes, as the jar is."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from bridge_messages import check_reply

from pyflink_triton.bridge.frames import PROTOCOL, Frame, FrameReader, write_frame
from pyflink_triton.version import __version__

FLOATS = pa.schema([("c0", pa.float32()), ("c1", pa.float32())])


class Shim:
    """The other end of a worker's pipes; as a context manager it ends the worker."""

    def __init__(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pyflink_triton.bridge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **environment},
        )
        self._last_id = 0
        self._rows = 0
        #: The planning requests that were sent, by their ids.
        self._planning: dict[int, str] = {}
        self.counters: dict[str, int] = {}
        self.gauges: dict[str, float] = {}
        self.histograms: dict[str, list[float]] = {}
        #: What the worker logged.
        self.logged: list[dict[str, str]] = []
        #: When heartbeats were read.
        self.heartbeats: list[float] = []
        #: The blocks of the shared memory that the worker gave back.
        self.freed: list[int] = []
        self.memory: mmap.mmap | None = None
        self._frames: list[Frame | None] = []
        self._reader = FrameReader(self._frames.append, self._fail)

    def __enter__(self) -> Shim:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        if self.memory is not None:
            self.memory.close()

    def send(self, kind: str, body: bytes | memoryview = b"", **fields: Any) -> int:
        self._last_id += 1
        if kind == "plan":
            self._planning[self._last_id] = fields["request"]
        self._write({"kind": kind, "id": self._last_id, **fields}, body)
        return self._last_id

    def predict(self, batch: pa.RecordBatch, rows: int | None = None, **fields: int) -> int:
        """Send rows; returns the number of the first."""
        return self.predict_bytes(memoryview(batch.serialize()), batch.num_rows if rows is None else rows, **fields)

    def predict_bytes(self, body: bytes | memoryview, rows: int, **fields: int) -> int:
        """Send a body as rows."""
        first, self._rows = self._rows, self._rows + rows
        self._write({"kind": "predict", "first": first, "rows": rows, **fields}, body)
        return first

    def predict_at(self, at: int, body: bytes | memoryview, rows: int) -> int:
        """Send a body as rows by the shared memory."""
        assert self.memory is not None
        self.memory[at : at + len(body)] = bytes(body)
        first, self._rows = self._rows, self._rows + rows
        self._write({"kind": "predict", "first": first, "rows": rows, "at": at, "bytes": len(body)}, b"")
        return first

    def share(self, opened: Frame) -> Shim:
        """Map the memory that the worker names."""
        memory = opened.header["memory"]
        path = Path(memory["file"])
        assert str(path.readlink()) == memory["name"]
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), memory["bytes"])
        return self

    def _write(self, header: dict[str, Any], body: bytes | memoryview) -> None:
        assert self.process.stdin is not None
        for part in write_frame(header, body):
            self.process.stdin.write(part)

    def results(self, rows: int, schema: pa.Schema) -> tuple[dict[int, tuple[Any, ...]], dict[int, str]]:
        """Receive the answers to so many rows: the outputs and the errors by the rows' numbers."""
        answers: dict[int, tuple[Any, ...]] = {}
        errors: dict[int, str] = {}
        while len(answers) < rows:
            frame = self.receive("result")
            batch = pa.ipc.read_record_batch(pa.py_buffer(frame.body), schema)
            numbers = [number for first, count in frame.header["rows"] for number in range(first, first + count)]
            assert len(numbers) == len(set(numbers)) == batch.num_rows
            assert not answers.keys() & set(numbers), "a row is answered twice"
            columns = [column.to_pylist() for column in batch.columns]
            answers.update(zip(numbers, zip(*columns, strict=True), strict=True))
            own = {int(number): text for number, text in frame.header.get("errors", {}).items()}
            assert own.keys() <= set(numbers)
            errors.update(own)
        return answers, errors

    def receive(self, kind: str | None = None) -> Frame:
        """The next frame that is neither a heartbeat nor a record of the log."""
        assert self.process.stdout is not None
        while True:
            while not self._frames:
                data = self.process.stdout.read(1 << 16)
                self._reader.data_received(data) if data else self._frames.append(None)
            frame = self._frames.pop(0)
            assert frame is not None, f"the worker ended: {self.stderr()}"
            check_reply(frame.header, self._planning.get(frame.header.get("id", 0)))
            for name, delta in frame.header.get("metrics", {}).get("counters", {}).items():
                self.counters[name] = self.counters.get(name, 0) + delta
            for name, samples in frame.header.get("metrics", {}).get("histograms", {}).items():
                self.histograms.setdefault(name, []).extend(samples)
            self.freed += frame.header.get("freed", [])
            self.gauges.update(frame.header.get("metrics", {}).get("gauges", {}))
            if frame.kind == "log":
                self.logged.append(frame.header)
                continue
            if frame.kind == "heartbeat":
                self.heartbeats.append(time.monotonic())
            if kind == "heartbeat" or frame.kind != "heartbeat":
                assert kind in (None, frame.kind), frame.header
                return frame

    def hello(self, log_level: str = "INFO") -> Shim:
        self.send("hello", protocol=PROTOCOL, version=__version__, log_level=log_level)
        self.receive("hello")
        return self

    def open(self, url: str, model: str = "add", **options: str) -> Frame:
        self.send("open", **add_model(url, model, **options), task={"subtask": 0})
        return self.receive()

    def rows(self, *values: tuple[float | None, float | None], **fields: int) -> int:
        a, b = (pa.array(side, pa.float32()) for side in zip(*values, strict=True))
        return self.predict(pa.record_batch([a, b], schema=FLOATS), **fields)

    def _fail(self, error: Exception) -> None:
        raise error

    def stderr(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


def add_model(url: str, model: str = "add", **options: str) -> dict[str, Any]:
    written = {"endpoint": url, "model-name": model, **{k.replace("_", "-"): v for k, v in options.items()}}
    columns = [{"name": "a", "type": "FLOAT"}, {"name": "b", "type": "FLOAT"}]
    return {"model": "c.d.m", "options": written, "input": columns, "output": [{"name": "sum", "type": "FLOAT"}]}
