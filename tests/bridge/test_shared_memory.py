"""Bodies of frames in the memory that the worker shares: what it reads there, refuses, and gives back when."""

from __future__ import annotations

import fcntl
import os
import socketserver
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from shim import Shim
from triton import Triton

from pyflink_triton._arrow import numbers
from pyflink_triton.bridge.frames import FrameError
from pyflink_triton.bridge.shared_memory import SharedMemory

MIB = 1 << 20
FLOATS = pa.schema([("c0", pa.list_(pa.float32()))])
TEXTS = pa.schema([("c0", pa.utf8())])


@pytest.fixture
def shim() -> Iterator[Shim]:
    with Shim() as made:
        yield made


def opened(shim: Shim, url: str, model: str, type_: str, **options: str) -> Shim:
    """A worker with a model that answers what it is asked, and its memory."""
    written = {"endpoint": url, "model-name": model, **{k.replace("_", "-"): v for k, v in options.items()}}
    columns = [{"name": "x", "type": type_}]
    shim.hello().send("open", model="m", options=written, input=columns, output=columns, task={})
    return shim.share(shim.receive("opened"))


def floats(*rows: list[float] | None) -> memoryview:
    return memoryview(pa.record_batch([pa.array(rows, FLOATS.field(0).type)], names=["c0"]).serialize())


def text(letter: str, size: int) -> memoryview:
    return memoryview(pa.record_batch([pa.array([letter * size])], names=["c0"]).serialize())


def until_freed(shim: Shim, at: int) -> None:
    while at not in shim.freed:
        shim.receive("heartbeat")


def test_rows_are_read_from_the_memory_and_their_blocks_come_back(shim: Shim, triton: Triton) -> None:
    opened(shim, triton.http_url, "identity_fp32_array", "ARRAY<FLOAT>")
    expected: dict[int, tuple[Any, ...]] = {}
    for round_ in range(5):
        for block in range(3):
            row = [float(100 * round_ + block)] * 50_000
            first = shim.predict_at(block * MIB, floats(row, None), 2)
            expected[first], expected[first + 1] = (row,), (None,)
        assert shim.results(6, FLOATS)[0] == {first: expected[first] for first in sorted(expected)[-6:]}
        for block in range(3):
            until_freed(shim, block * MIB)
        assert sorted(shim.freed) == [0, MIB, 2 * MIB]
        shim.freed.clear()


def test_rows_by_the_pipe_and_by_the_memory_share_requests(shim: Shim, triton: Triton) -> None:
    opened(shim, triton.http_url, "identity_fp32_array", "ARRAY<FLOAT>")
    rows = {}
    for n in range(20):
        row = [float(n)] * 1000
        first = shim.predict_at(n * MIB, floats(row), 1) if n % 2 else shim.predict(pa.record_batch([[row]], FLOATS))
        rows[first] = (row,)
    assert shim.results(20, FLOATS) == (rows, {})


def test_blocks_of_rows_that_failed_come_back(shim: Shim, triton: Triton) -> None:
    opened(shim, triton.http_url, "fails", "BIGINT")
    batch = pa.record_batch([pa.array([-1] * 200)], names=["c0"])
    shim.predict_at(0, memoryview(batch.serialize()), 200)
    _, errors = shim.results(200, pa.schema([("c0", pa.int64())]))
    assert len(errors) == 200
    until_freed(shim, 0)


@pytest.mark.parametrize(
    ("at", "size"),
    [(-1, 100), (0, 0), (0, -1), (MIB, 1), (MIB - 50, 100), (1 << 62, 1 << 62), ("0", 100), (0, None), (0.0, 100)],
)
def test_a_body_outside_the_memory_fails_the_worker(shim: Shim, triton: Triton, at: Any, size: Any) -> None:
    opened(shim, triton.http_url, "identity_fp32_array", "ARRAY<FLOAT>", max_in_flight_bytes="1 mb")
    shim._write({"kind": "predict", "first": 0, "rows": 1, "at": at, "bytes": size}, b"")
    failed = shim.receive("error").header
    assert failed["id"] is None
    assert "outside the memory of 1048576 bytes" in failed["message"]


def test_a_body_in_a_block_that_is_in_use_fails_the_worker(shim: Shim, triton: Triton) -> None:
    opened(shim, triton.http_url, "slow", "INT")
    body = memoryview(pa.record_batch([pa.array([2000], pa.int32())], names=["c0"]).serialize())
    shim.predict_at(0, body, 1)
    shim.predict_at(0, body, 1)
    assert "where another one is still in use" in shim.receive("error").header["message"]


def test_a_request_that_timed_out_keeps_its_bytes_as_long_as_they_may_be_written(shim: Shim, triton: Triton) -> None:
    size = 24 * MIB  # more than sockets take
    with slow_reader(triton.http_url) as server:
        opened(shim, server.url, "identity_bytes", "STRING", timeout="2 s", max_retries="0")
        shim.predict_at(0, text("a", size), 1)
        assert server.stalled.wait(10)
        # While the server reads nothing, other rows come and the memory is not given back.
        shim.predict_at(32 * MIB, text("b", 100_000), 1)
        answers, errors = shim.results(2, TEXTS)
        assert sorted(errors) == [0, 1]
        until_freed(shim, 0)
        for _ in range(3):
            shim.predict_at(0, text("c", size), 1)
            server.let.set()
            shim.results(1, TEXTS)
            until_freed(shim, 0)
            shim.freed.clear()
        assert answers == {0: (None,), 1: (None,)}
    first = server.received[0]
    assert first.count(b"a") > MIB
    assert b"c" * 100 not in first


def test_the_memory_is_gone_with_the_worker(triton: Triton) -> None:
    before = mapped_names()
    shim = opened(Shim(), triton.http_url, "identity_fp32_array", "ARRAY<FLOAT>")
    shim.predict_at(0, floats([1.0] * 100_000), 1)
    shim.process.kill()
    shim.process.communicate()
    assert shim.memory is not None
    assert len(mapped_names() - before) == 1
    shim.memory.close()
    assert mapped_names() == before


def mapped_names() -> set[str]:
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {line.split(maxsplit=5)[5] for line in maps if "/memfd:pyflink-triton" in line}


def test_only_what_refers_to_a_block_keeps_it() -> None:
    memory = SharedMemory(MIB)
    consumers: dict[str, Callable[[Any], Any]] = {
        "numpy": lambda view: np.frombuffer(view, np.float32)[3:].reshape(-1, 1),
        "memoryview": lambda view: memoryview(view)[10:20],
        "pyarrow": lambda view: pa.py_buffer(view).slice(8),
        "numpy of pyarrow": lambda view: np.frombuffer(pa.py_buffer(view).slice(8), np.uint8)[1:].data,
        "array": lambda view: numbers(pa.Array.from_buffers(pa.float32(), 4, [None, pa.py_buffer(view)])),
    }
    for name, consume in consumers.items():
        kept = consume(memory.block(4096, 64))
        assert memory.take_freed() == [], name
        with pytest.raises(FrameError, match="still in use"):
            memory.block(4096, 64)
        del kept
        assert memory.take_freed() == [4096], name
    assert not memory.block(0, 8).flags.writeable


def test_nobody_can_shorten_the_memory() -> None:
    memory = SharedMemory(MIB)
    with Path(memory.named["file"]).open("r+b") as file:
        assert fcntl.fcntl(file, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
        with pytest.raises(PermissionError):
            os.ftruncate(file.fileno(), 0)


def test_no_file_is_left_of_memory_that_nobody_uses() -> None:
    files, names = len(list(Path("/proc/self/fd").iterdir())), mapped_names()
    for _ in range(100):
        SharedMemory(MIB)
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    assert mapped_names() == names


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.stalled, self.let = threading.Event(), threading.Event()
        self.received: list[bytes] = []


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.decode().split()
            while self.rfile.readline().strip():
                pass
            if method == "POST":
                place = len(self.server.received)
                self.server.received.append(b"")
                self.server.stalled.set()
                self.server.let.wait(30)
                self.server.received[place] = self._rest()
                return
            with urllib.request.urlopen(self.server.target + path, timeout=10) as got:
                body = got.read()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def _rest(self) -> bytes:
        parts = []
        try:
            while part := self.request.recv(MIB):
                parts.append(part)
        except ConnectionError:
            pass
        return b"".join(parts)


@contextmanager
def slow_reader(target: str) -> Iterator[_Server]:
    """A server that passes on what is no inference, and reads inferences only when it is let."""
    with _Server(target) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.let.set()
            server.shutdown()
            thread.join(10)


def test_a_worker_without_such_memory_takes_rows_by_the_pipe(triton: Triton, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os\ndef refuse(*_):\n    raise OSError(38, 'Function not implemented')\nos.memfd_create = refuse\n"
    )
    shim = Shim(PYTHONPATH=str(tmp_path)).hello()
    try:
        header = shim.open(triton.http_url).header
        assert header["kind"] == "opened"
        assert "memory" not in header
        shim.rows((1.0, 2.0))
        assert shim.results(1, pa.schema([("c0", pa.float32())])) == ({0: (3.0,)}, {})
        shim._write({"kind": "predict", "first": 1, "rows": 1, "at": 0, "bytes": 100}, b"")
        assert "and there is none" in shim.receive("error").header["message"]
    finally:
        shim.process.kill()
        shim.process.communicate()
