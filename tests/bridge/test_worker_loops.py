"""The worker on uvloop and, where that is absent, on asyncio: its pipes, what ends it, and what it imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from event_loops import refusing
from shim import Shim
from triton import Triton
from waiting import wait_for

#: What a worker without a proxy has no need of.
UNNEEDED = ("aiohttp", "yarl", "multidict", "pandas", "pyflink")
ROWS = 256


@pytest.fixture(params=["asyncio", "uvloop"])
def shim(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shim]:
    """A worker on one of the loops."""
    absent = (*UNNEEDED, "uvloop") if request.param == "asyncio" else UNNEEDED
    made = Shim(**refusing(tmp_path, *absent))
    yield made
    made.process.kill()
    made.process.wait()
    for pipe in (made.process.stdin, made.process.stdout, made.process.stderr):
        assert pipe is not None
        pipe.close()


def test_a_worker_predicts_on_each_loop_and_needs_no_aiohttp(
    shim: Shim, triton: Triton, request: pytest.FixtureRequest
) -> None:
    assert shim.hello().open(triton.http_url).kind == "opened"
    shim.rows((1.0, 2.0))
    result = shim.receive("result")
    batch = pa.ipc.read_record_batch(pa.py_buffer(result.body), pa.schema([("c0", pa.float32())]))
    assert batch.column(0).to_pylist() == [3.0]
    libraries = Path(f"/proc/{shim.process.pid}/maps").read_text()
    assert ("/uvloop/" in libraries) == ("uvloop" in request.node.callspec.id)
    shim.send("close")
    assert shim.process.wait(5) == 0, shim.stderr()


def large(shim: Shim, triton: Triton) -> tuple[Any, memoryview]:
    """Opens a model that answers what it is asked; the column of a frame of 1 MB, and the frame."""
    columns = [{"name": "x", "type": "STRING"}]
    options = {"endpoint": triton.http_url, "model-name": "identity_bytes"}
    shim.hello().send("open", model="m", options=options, input=columns, output=columns, task={})
    assert shim.receive().kind == "opened"
    texts = pa.array([f"{row:05}" * 800 for row in range(ROWS)])
    return texts, memoryview(pa.record_batch([texts], names=["c0"]).serialize())


def test_results_that_nobody_reads_yet_fill_the_pipe_and_are_not_lost(shim: Shim, triton: Triton) -> None:
    texts, body = large(shim, triton)
    for _ in range(8):
        shim.predict_bytes(body, ROWS)
    time.sleep(1.5)  # heartbeats come meanwhile, and the pipe is full
    answers, errors = shim.results(8 * ROWS, pa.schema([("c0", pa.utf8())]))
    assert errors == {}
    assert [answers[number][0] for number in range(8 * ROWS)] == 8 * texts.to_pylist()
    shim.send("close")
    assert shim.process.wait(5) == 0, shim.stderr()


def test_a_worker_whose_results_nobody_can_read_ends(shim: Shim, triton: Triton) -> None:
    _, body = large(shim, triton)
    assert shim.process.stdout is not None
    shim.predict_bytes(body, ROWS)
    shim.process.stdout.close()
    assert shim.process.wait(5) == 0, shim.stderr()


def test_a_worker_with_a_full_pipe_ends_when_its_input_does(shim: Shim, triton: Triton) -> None:
    _, body = large(shim, triton)
    for _ in range(4):
        shim.predict_bytes(body, ROWS)
    time.sleep(0.5)
    assert shim.process.stdin is not None
    shim.process.stdin.close()
    assert shim.process.wait(5) == 0, shim.stderr()


PARENT = """
import subprocess, sys, time
pipe = subprocess.PIPE
worker = subprocess.Popen([sys.executable, "-m", "pyflink_triton.bridge"], stdin=pipe, stdout=pipe)
print(worker.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_worker_whose_parent_is_killed_ends(loop: str, tmp_path: Path) -> None:
    environment = {**os.environ, **refusing(tmp_path, *(["uvloop"] if loop == "asyncio" else []))}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment, text=True)
    try:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        time.sleep(0.5)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        wait_for(lambda: not is_running(worker), 10, "the worker ends")
    finally:
        parent.kill()
        parent.communicate()


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_process_ends_whose_model_was_not_closed(triton: Triton) -> None:
    """The thread of a model is a daemon, and an event loop in it must not break the interpreter's end."""
    program = f"""
from pyflink_triton.table.model_thread import ModelThread
columns = [{{"name": "x", "type": "BIGINT"}}]
options = {{"endpoint": {triton.http_url!r}, "model-name": "fails"}}
thread = ModelThread({{"model": "m", "options": options, "input": columns, "output": columns}})
import asyncio, pyarrow as pa
loop = type(asyncio.get_event_loop_policy())
print(thread.predict(pa.record_batch([pa.array([7])], names=["c0"])).outputs.column(0).to_pylist(), loop.__module__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[7] asyncio.unix_events"), done.stderr
