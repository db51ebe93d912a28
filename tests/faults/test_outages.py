"""A server that goes away, is slow, or changes in the middle of a job: it costs time, never a row.

No job here may restart: each row must come through the operator's one life.
"""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flink_session import create_model, read_lines, session
from jobs import assert_gone, busy, numbers_and_answers, running, workers
from model_repository import MODELS, Model, Tensor, write_repository
from pyflink.java_gateway import get_gateway
from soak import IS_SOAK
from triton import ARGUMENTS, Triton, call
from waiting import wait_for

from pyflink_triton.server import TritonServer

#: How long the server is away.
AWAY_SECONDS = 30.0 if IS_SOAK else 3.0
ROWS_PER_SECOND = 500
INSERT = "INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE numbers, MODEL m, DESCRIPTOR(x))"


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    wait_for(lambda: not busy(set(workers())), 5, "workers that still talk to the server")


def job(directory: Path, url: str, served: str, rows: int, rate: int = ROWS_PER_SECOND, **options: str) -> Any:
    """A session with a source of numbers at a steady rate, a sink of files, and the model; no restarts."""
    env = session(restart_strategy__type="none")
    env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', "
        f"'rows-per-second' = '{rate}', 'fields.x.kind' = 'sequence', 'fields.x.start' = '0', "
        f"'fields.x.end' = '{rows - 1}')"
    )
    env.execute_sql(
        "CREATE TEMPORARY TABLE answers (x BIGINT, y BIGINT) WITH ('connector' = 'filesystem', "
        f"'path' = '{directory / 'answers'}', 'format' = 'csv')"
    )
    create_model(env, "m", url, served, "x BIGINT", "y BIGINT", **options)
    return env


def assert_right(directory: Path, rows: int, expected: Callable[[int], int]) -> None:
    pairs = sorted(tuple(map(int, line.split(","))) for line in read_lines(directory / "answers"))
    assert pairs == [(x, expected(x)) for x in range(rows)]


def served(url: str, model: str) -> int:
    """How many requests of a model the server has answered."""
    statistics = json.loads(call(url, "GET", f"/v2/models/{model}/stats"))["model_stats"][0]
    return int(statistics["inference_stats"]["success"]["count"])


def test_a_server_that_is_away_costs_its_absence(own_triton: Callable[..., Triton], tmp_path: Path) -> None:
    triton = own_triton("pairing")
    assert triton.server is not None
    rows = ROWS_PER_SECOND * 8
    env = job(tmp_path, triton.http_url, "pairing", rows)
    with running(env, INSERT) as (_, outcome):
        wait_for(lambda: served(triton.http_url, "pairing") > 0, 60, "the first answer")
        triton.server.kill()
        returns_at = time.monotonic() + AWAY_SECONDS
        wait_for(lambda: time.monotonic() > returns_at, AWAY_SECONDS + 5, "the end of the outage")
        assert "ended" not in outcome, outcome
        triton.server.start()
    assert "error" not in outcome, outcome["error"]
    assert_right(tmp_path, rows, lambda x: 3 * x + 1)


def test_a_model_that_is_unloaded_for_a_while_costs_its_absence(
    own_triton: Callable[..., Triton], tmp_path: Path
) -> None:
    triton = own_triton("pairing")
    rows = ROWS_PER_SECOND * 6
    env = job(tmp_path, triton.http_url, "pairing", rows)
    with running(env, INSERT) as (_, outcome):
        wait_for(lambda: served(triton.http_url, "pairing") > 0, 60, "the first answer")
        triton.unload("pairing")
        returns_at = time.monotonic() + 2.0
        wait_for(lambda: time.monotonic() > returns_at, 5, "the end of the outage")
        triton.load("pairing")
    assert "error" not in outcome, outcome["error"]
    assert_right(tmp_path, rows, lambda x: 3 * x + 1)


def test_a_model_replaced_by_one_of_another_signature_fails_the_job_with_both(
    own_triton: Callable[..., Triton], tmp_path: Path
) -> None:
    triton = own_triton("pairing")
    assert triton.server is not None
    env = job(tmp_path, triton.http_url, "pairing", 1_000_000)
    changed = next(model for model in MODELS if model.name == "pairing")
    with running(env, INSERT) as (_, outcome):
        wait_for(lambda: served(triton.http_url, "pairing") > 0, 60, "the first answer")
        config = tmp_path / "models-pairing" / "pairing" / "config.pbtxt"
        config.write_text(changed.config().replace("TYPE_INT64", "TYPE_FP64"))
        triton.load("pairing")
        wait_for(lambda: "ended" in outcome, 60, "the job's failure")
    for words in ("INT64", "FP64", "has changed"):
        assert words in outcome["error"]


def test_a_slow_model_runs_into_no_time_limit_by_queueing(tmp_path: Path) -> None:
    """One request at a time, and rows that wait longer than any limit for a row under way."""
    rows, limits = 60, {"timeout": "2s", "total_timeout": "3s", "max_in_flight_requests": "4"}
    if IS_SOAK:
        rows, limits = 2_000, {}
    slow = Model("slow", [Tensor("x", "INT64")], [Tensor("y", "INT64")], "slow", max_batch_size=0)
    with TritonServer(write_repository(tmp_path / "models", [slow]), arguments=ARGUMENTS) as server:
        env = job(tmp_path, server.http_url, "slow", rows, rate=1_000_000, **limits)
        env.execute_sql("CREATE TEMPORARY VIEW slow_ones AS SELECT x, CAST(100 AS BIGINT) AS ms FROM numbers")
        insert = "INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE slow_ones, MODEL m, DESCRIPTOR(ms))"
        with running(env, insert, limit=600) as (_, outcome):
            pass
    assert "error" not in outcome, outcome["error"]
    assert_right(tmp_path, rows, lambda x: 100)


@contextmanager
def never_answers(url: str) -> Iterator[str]:
    """A server that passes on what planning and opening ask, and lets every inference hang."""
    listener = socket.create_server(("127.0.0.1", 0))
    upstream = (urlsplit(url).hostname, urlsplit(url).port or 80)
    held: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = connection.recv(1 << 16)
                    if not data:
                        return
                    head += data
                if b"/infer HTTP" in head.split(b"\r\n", 1)[0]:
                    held.append(connection)
                    while connection.recv(1 << 16):
                        pass
                    return
                with socket.create_connection(upstream) as server:
                    server.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                    while data := server.recv(1 << 16):
                        connection.sendall(data)
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in held:
            connection.close()


def our_threads() -> list[str]:
    """The names of the shim's threads in this process's Flink."""
    names = [thread.getName() for thread in get_gateway().jvm.Thread.getAllStackTraces().keySet()]
    return [name for name in names if name.startswith("pyflink-triton:") and "planning" not in name]


def test_a_full_operator_takes_a_checkpoint_when_a_rows_time_is_up(triton: Triton, tmp_path: Path) -> None:
    """Unaligned: else the checkpoint also waits for every row that is on its way to the operator."""
    before = set(workers())
    with never_answers(triton.http_url) as url:
        env = session(
            restart_strategy__type="none",
            execution__checkpointing__interval="200 ms",
            execution__checkpointing__dir=(tmp_path / "checkpoints").as_uri(),
            execution__checkpointing__unaligned__enabled="true",
            table__exec__async_ml_predict__max_concurrent_operations="4",
        )
        numbers_and_answers(env, 100_000, tmp_path)
        limits = {"timeout": "1 s", "total_timeout": "2 s", "default_value": "0"}
        create_model(env, "m", url, "pairing", "x BIGINT", "y BIGINT", **limits)
        result = env.execute_sql(INSERT)
        wait_for(lambda: list((tmp_path / "checkpoints").glob("*/chk-*/_metadata")), 60, "a checkpoint")
        result.get_job_client().cancel().result()
        assert_gone(before)


def test_checkpoints_complete_while_requests_hang_and_a_cancel_leaves_nothing(triton: Triton, tmp_path: Path) -> None:
    before = set(workers())
    with never_answers(triton.http_url) as url:
        # Slow enough that the operator is not full: a full one takes no checkpoint until a row has its answer.
        env = job(tmp_path, url, "pairing", 1_000_000, rate=5, timeout="60 s")
        env.get_config().set("execution.checkpointing.interval", "200 ms")
        env.get_config().set("execution.checkpointing.dir", (tmp_path / "checkpoints").as_uri())
        result = env.execute_sql(INSERT)
        wait_for(lambda: busy(set(workers()) - before), 60, "a busy worker")
        wait_for(lambda: list((tmp_path / "checkpoints").glob("*/chk-*/_metadata")), 30, "a checkpoint")
        assert our_threads() != []
        result.get_job_client().cancel().result()
        assert_gone(before)
        wait_for(lambda: not our_threads(), 5, "the end of the shim's threads")
        assert not busy(set(workers()) - before)
    shutil.rmtree(tmp_path / "checkpoints", ignore_errors=True)
