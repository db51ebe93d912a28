"""The worker's process, driven as the shim drives it: frames in, frames out, and what ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from triton import Triton

from pyflink_triton.bridge.frames import PROTOCOL, Frame, FrameReader, write_frame
from pyflink_triton.version import __version__

FLOATS = pa.schema([("c0", pa.float32()), ("c1", pa.float32())])


class Shim:
    """The other end of a worker's pipes."""

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
        self.counters: dict[str, int] = {}
        self._frames: list[Frame | None] = []
        self._reader = FrameReader(self._frames.append, self._fail)

    def send(self, kind: str, body: bytes | memoryview = b"", **fields: Any) -> int:
        self._last_id += 1
        assert self.process.stdin is not None
        for part in write_frame({"kind": kind, "id": self._last_id, **fields}, body):
            self.process.stdin.write(part)
        return self._last_id

    def receive(self, kind: str | None = None) -> Frame:
        """The next frame that is no heartbeat."""
        assert self.process.stdout is not None
        while True:
            while not self._frames:
                data = self.process.stdout.read(1 << 16)
                self._reader.data_received(data) if data else self._frames.append(None)
            frame = self._frames.pop(0)
            assert frame is not None, f"the worker ended: {self.stderr()}"
            for name, delta in frame.header.get("metrics", {}).get("counters", {}).items():
                self.counters[name] = self.counters.get(name, 0) + delta
            if kind == "heartbeat" or frame.kind != "heartbeat":
                assert kind in (None, frame.kind), frame.header
                return frame

    def hello(self) -> Shim:
        self.send("hello", protocol=PROTOCOL, version=__version__)
        self.receive("hello")
        return self

    def open(self, url: str, model: str = "add", **options: str) -> Frame:
        self.send("open", **add_question(url, model, **options), task={"subtask": 0})
        return self.receive()

    def rows(self, *values: tuple[float | None, float | None]) -> int:
        a, b = (pa.array(side, pa.float32()) for side in zip(*values, strict=True))
        batch = pa.record_batch([a, b], schema=FLOATS)
        return self.send("predict", memoryview(batch.serialize()), rows=len(values))

    def _fail(self, error: Exception) -> None:
        raise error

    def stderr(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


def add_question(url: str, model: str = "add", **options: str) -> dict[str, Any]:
    written = {"endpoint": url, "model-name": model, **{k.replace("_", "-"): v for k, v in options.items()}}
    columns = [{"name": "a", "type": "FLOAT"}, {"name": "b", "type": "FLOAT"}]
    return {"model": "c.d.m", "options": written, "input": columns, "output": [{"name": "sum", "type": "FLOAT"}]}


@pytest.fixture
def shim() -> Iterator[Shim]:
    made = Shim()
    yield made
    made.process.kill()
    made.process.communicate()


def sums(frame: Frame) -> list[float | None]:
    batch = pa.ipc.read_record_batch(pa.py_buffer(frame.body), pa.schema([("c0", pa.float32())]))
    values: list[float | None] = batch.column(0).to_pylist()
    return values


def test_frames_are_answered_by_id_and_counted(shim: Shim, triton: Triton) -> None:
    opened = shim.hello().open(triton.http_url)
    assert opened.kind == "opened", opened.header
    assert opened.header["frame_rows"] == 256
    sent = {shim.rows((n, 1.0), (None, 1.0), (n, n)): n for n in range(20)}
    for _ in range(20):
        result = shim.receive("result")
        n = sent.pop(result.header["id"])
        assert sums(result) == [n + 1, None, 2 * n]
    expected = {"requests": 40, "success": 40, "failure": 0, "output_rows": 40, "http_requests": 20}
    assert shim.counters == expected


def test_a_row_that_fails_is_named_and_its_neighbours_are_answered(shim: Shim, triton: Triton) -> None:
    columns = [{"name": "x", "type": "INT"}]
    options = {"endpoint": triton.http_url, "model-name": "identity_uint8"}
    output = [{"name": "y", "type": "SMALLINT"}]
    shim.hello().send("open", model="c.d.u", options=options, input=columns, output=output, task={})
    assert shim.receive().kind == "opened"
    batch = pa.record_batch([pa.array([1, 256, 255], pa.int32())], names=["c0"])
    shim.send("predict", memoryview(batch.serialize()), rows=3)
    result = shim.receive("result")
    assert list(result.header["errors"]) == ["1"]
    assert result.header["errors"]["1"] == "Model 'c.d.u': column 'x' is out of the range of UINT8."


def test_close_and_the_end_of_input_end_the_worker_with_calls_under_way(triton: Triton) -> None:
    for end in ("close", "eof"):
        shim = Shim().hello()
        columns = [{"name": "milliseconds", "type": "INT"}]
        options = {"endpoint": triton.http_url, "model-name": "slow"}
        shim.send("open", model="m", options=options, input=columns, output=columns, task={})
        opened = shim.receive()
        assert opened.kind == "opened", opened.header
        batch = pa.record_batch([pa.array([3000], pa.int32())], names=["c0"])
        shim.send("predict", memoryview(batch.serialize()), rows=1)
        assert shim.process.stdin is not None
        if end == "close":
            shim.send("close")
        else:
            shim.process.stdin.close()
        assert shim.process.wait(2.5) == 0, shim.stderr()


def test_heartbeats_come_each_second(shim: Shim) -> None:
    shim.hello()
    for _ in range(2):
        assert shim.receive("heartbeat").kind == "heartbeat"


def test_a_shim_of_another_version_is_told_both(shim: Shim) -> None:
    shim.send("hello", protocol=PROTOCOL, version="9.9.9")
    message = shim.receive("error").header["message"]
    assert "9.9.9" in message
    assert __version__ in message


def test_nonsense_ends_the_worker(triton: Triton) -> None:
    for nonsense in (b"\xff" * 64, b"\5\0\0\0" + b"\0" * 8 + b"hello", b"\2\0\0\0" + b"\0" * 8 + b"{}", b"\1\0"):
        shim = Shim()
        assert shim.process.stdin is not None
        shim.process.stdin.write(nonsense)
        shim.process.stdin.close()
        assert shim.process.wait(5) == 2
        assert "pyflink-triton worker:" in shim.stderr()


def test_rows_that_cannot_be_read_are_an_error_with_the_frames_id(shim: Shim, triton: Triton) -> None:
    assert shim.hello().open(triton.http_url).kind == "opened"
    sent = shim.send("predict", b"nonsense", rows=1)
    assert shim.receive("error").header["id"] == sent
    batch = pa.record_batch([pa.array([1.0], pa.float32())] * 2, schema=FLOATS)
    sent = shim.send("predict", memoryview(batch.serialize()), rows=2)
    assert shim.receive("error").header["id"] == sent


def test_a_stray_print_corrupts_no_frame(triton: Triton, tmp_path: Any) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, os\n"
        "def spam():\n"
        "    import time\n"
        "    while True:\n"
        "        print('stray', flush=True); os.write(1, b'raw') if os.path.realpath('/proc/self/fd/1') == "
        "os.path.realpath('/proc/self/fd/2') else None; time.sleep(0.001)\n"
        "def start():\n"
        "    import sys\n"
        "    while sys.stdout is not sys.stderr: pass\n"
        "    spam()\n"
        "threading.Thread(target=start, daemon=True).start()\n"
    )
    shim = Shim(PYTHONPATH=str(tmp_path))
    drain = threading.Thread(target=shim.stderr, daemon=True)
    drain.start()
    assert shim.hello().open(triton.http_url).kind == "opened"
    for n in range(50):
        shim.rows((n, n))
        assert sums(shim.receive("result")) == [2 * n]
    shim.send("close")
    assert shim.process.wait(5) == 0


def test_planning_questions_are_answered_and_refused(shim: Shim, triton: Triton) -> None:
    shim.hello().send("plan", question="check", **add_question(triton.http_url))
    answer = shim.receive("answer").header["answer"]
    assert answer["capacity"] >= 1000
    assert answer["warnings"] == []
    shim.send("plan", question="check", **add_question(triton.http_url, "adder"))
    assert "'adder'" in shim.receive("error").header["message"]
    shim.send("plan", question="check", **add_question("http://127.0.0.1:9"))
    assert "Connection refused" in shim.receive("error").header["message"]
    shim.send("plan", question="check", **add_question("http://127.0.0.1:9", plan_check="best-effort"))
    assert "Connection refused" in shim.receive("answer").header["answer"]["warnings"][0]
    shim.send("plan", question="check", **add_question("http://127.0.0.1:9", plan_check="off"))
    assert shim.receive("answer").header["answer"]["warnings"] == []
    shim.send("plan", question="check", **add_question("http://host.invalid:8000"))
    assert "has no address" in shim.receive("error").header["message"]


def test_open_waits_for_the_server_and_then_says_what_is_missing(shim: Shim) -> None:
    opened = shim.hello().open("http://127.0.0.1:9", warmup_timeout="300 ms")
    assert opened.kind == "error"
    assert "Connection refused" in opened.header["message"]
    assert "'warmup-timeout'" in opened.header["message"]


def test_a_killed_worker_leaves_by_itself(shim: Shim) -> None:
    shim.hello().process.send_signal(signal.SIGKILL)
    assert shim.process.wait(5) == -signal.SIGKILL


def test_the_worker_imports_neither_pandas_nor_pyflink(triton: Triton, tmp_path: Any) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name.partition('.')[0] not in ('pandas', 'pyflink'), name\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    shim = Shim(PYTHONPATH=str(tmp_path)).hello()
    texts = pa.array(["a", None, "b"])
    lists = pa.array([[1.0], None, []], pa.list_(pa.float32()))
    cases = [("identity_bytes", "STRING", texts), ("identity_fp32_array", "ARRAY<FLOAT>", lists)]
    for served, type_, values in cases:
        columns, outputs = [{"name": "x", "type": type_}], [{"name": "y", "type": type_}]
        options = {"endpoint": triton.http_url, "model-name": served}
        shim.send("open", model="m", options=options, input=columns, output=outputs, task={})
        assert shim.receive().kind == "opened"
        batch = pa.record_batch([values], names=["c0"])
        shim.send("predict", memoryview(batch.serialize()), rows=3)
        result = shim.receive("result")
        got = pa.ipc.read_record_batch(pa.py_buffer(result.body), batch.schema)
        assert got.column(0).to_pylist() == values.to_pylist()
    shim.send("close")
    assert shim.process.wait(5) == 0
