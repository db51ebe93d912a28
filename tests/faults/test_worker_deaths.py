"""What happens when the worker dies: with restarts no row is lost or doubled, without them the job says why."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flink_session import create_model, read_lines, session
from jobs import assert_gone, busy, kill_workers, numbers_and_answers, running, workers
from triton import Triton
from waiting import wait_for


def test_a_killed_worker_costs_no_row_with_restarts_and_checkpoints(triton: Triton, tmp_path: Path) -> None:
    before = set(workers())
    env = session(
        execution__checkpointing__interval="300 ms",
        restart_strategy__type="fixed-delay",
        restart_strategy__fixed_delay__attempts="20",
        restart_strategy__fixed_delay__delay="100 ms",
        table__exec__async_ml_predict__max_concurrent_operations="64",
    )
    rows = 20_000
    numbers_and_answers(env, rows, tmp_path)
    create_model(env, "pairing", triton.http_url, "pairing", "x BIGINT", "y BIGINT")
    insert = "INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE numbers, MODEL pairing, DESCRIPTOR(x))"
    with running(env, insert) as (_, outcome):
        killed = kill_workers(before, 3, outcome)
    assert "error" not in outcome, outcome["error"]
    assert killed == 3
    pairs = [tuple(map(int, line.split(","))) for line in read_lines(tmp_path / "answers")]
    assert [pair for pair in pairs if pair[1] != 3 * pair[0] + 1] == []
    assert sorted(x for x, _ in pairs) == list(range(rows))
    assert_gone(before)


@pytest.mark.parametrize(
    ("sent", "seconds", "words"),
    [(signal.SIGKILL, 10, "signal 9"), (signal.SIGSTOP, 45, "hangs")],
    ids=["killed", "hung"],
)
def test_a_lost_worker_fails_the_job_with_its_last_words_where_there_are_no_restarts(
    triton: Triton, tmp_path: Path, sent: signal.Signals, seconds: float, words: str
) -> None:
    before = set(workers())
    env = session(restart_strategy__type="none", table__exec__async_ml_predict__max_concurrent_operations="10")
    numbers_and_answers(env, 50_000, tmp_path)
    create_model(env, "pairing", triton.http_url, "pairing", "x BIGINT", "y BIGINT")
    insert = "INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE numbers, MODEL pairing, DESCRIPTOR(x))"
    with running(env, insert) as (_, outcome):
        for worker in wait_for(lambda: busy(set(workers()) - before), 30, "a busy worker"):
            os.kill(worker, sent)
        wait_for(lambda: "ended" in outcome, seconds, "the job's failure")
    assert words in outcome["error"]
    assert "Its last lines on standard error:" in outcome["error"]
    assert "predicts with Triton's model 'pairing'" in outcome["error"]
    assert_gone(before)


def test_cancelling_a_job_leaves_no_worker_behind(own_triton: Callable[..., Triton]) -> None:
    before = set(workers())
    env = session()
    env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (x INT) WITH ('connector' = 'datagen', 'rows-per-second' = '100', "
        "'fields.x.min' = '60000', 'fields.x.max' = '60000')"
    )
    env.execute_sql("CREATE TEMPORARY TABLE answers (y INT) WITH ('connector' = 'blackhole')")
    create_model(env, "slow", own_triton("slow").http_url, "slow", "x INT", "y INT", timeout="30 s")
    insert = "INSERT INTO answers SELECT y FROM ML_PREDICT(TABLE numbers, MODEL slow, DESCRIPTOR(x))"
    result = env.execute_sql(insert)
    wait_for(lambda: busy(set(workers()) - before), 30, "a busy worker")
    result.get_job_client().cancel().result()
    assert_gone(before)
    assert not busy(set(workers()) - before)


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    wait_for(lambda: not busy(set(workers())), 5, "workers that still talk to the server")
