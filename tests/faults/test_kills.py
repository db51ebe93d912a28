"""One streaming job on a standalone cluster, and whatever serves it killed in turn: each row once, and right.

Checkpoints, restarts and an exactly-once file sink are Flink's; what is shown here is that nothing of ours spoils them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest
from cluster import Cluster, standalone_cluster
from flink_session import read_lines
from jobs import WORKER
from processes import children
from soak import IS_SOAK
from triton import Triton
from waiting import wait_for

import pyflink_triton

KILLS = 20 if IS_SOAK else 3
ROWS = 400_000 if IS_SOAK else 60_000
FILES = 40
RECOVERY_SECONDS = 90

SCRIPT = """
SET 'parallelism.default' = '2';
SET 'python.client.executable' = '{python}';
SET 'python.executable' = '{python}';
SET 'execution.checkpointing.interval' = '500 ms';
SET 'execution.checkpointing.dir' = '{directory}/checkpoints';
SET 'restart-strategy.type' = 'fixed-delay';
SET 'restart-strategy.fixed-delay.attempts' = '1000';
SET 'restart-strategy.fixed-delay.delay' = '500 ms';
SET 'table.exec.async-ml-predict.max-concurrent-operations' = '16';
CREATE TABLE numbers (x BIGINT) WITH ('connector' = 'filesystem', 'path' = '{directory}/numbers', 'format' = 'csv');
CREATE TABLE answers (x BIGINT, y BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '{directory}/answers', 'format' = 'csv'
);
CREATE MODEL pairing INPUT (x BIGINT) OUTPUT (y BIGINT)
WITH ('provider' = 'triton', 'endpoint' = '{endpoint}', 'model-name' = 'pairing');
INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE numbers, MODEL pairing, DESCRIPTOR(x));
"""


@pytest.fixture
def flink(tmp_path: Path) -> Iterator[Cluster]:
    quick = {"heartbeat.interval": "500 ms", "heartbeat.timeout": "10 s"}
    with standalone_cluster(tmp_path / "home", quick) as cluster:
        yield cluster


@pytest.mark.timeout(1800)
def test_each_row_is_there_once_whatever_is_killed(
    flink: Cluster, own_triton: Callable[..., Triton], tmp_path: Path
) -> None:
    triton = own_triton("pairing")
    assert triton.server is not None
    server = triton.server
    (tmp_path / "numbers").mkdir()
    step = ROWS // FILES
    for part in range(FILES):
        lines = "".join(f"{x}\n" for x in range(part * step, (part + 1) * step))
        (tmp_path / "numbers" / f"{part}.csv").write_text(lines)

    def workers() -> set[int]:
        return set(children(flink.task_managers(), WORKER))

    def kill_a_worker() -> None:
        os.kill(min(workers()), signal.SIGKILL)

    def kill_a_task_manager() -> None:
        killed = min(flink.task_managers())
        os.kill(killed, signal.SIGKILL)
        flink.start_task_manager(killed)

    def kill_triton() -> None:
        server.kill()
        server.start()

    def makes_progress(checkpoints: int) -> Callable[[], bool]:
        def is_over_or_beyond_them() -> bool:
            if flink.jobs()[job] == "FINISHED":
                return True
            return len(workers()) == 2 and flink.completed_checkpoints(job) > checkpoints

        return is_over_or_beyond_them

    ended = flink.sql(SCRIPT.format(python=sys.executable, directory=tmp_path.as_uri(), endpoint=triton.http_url),
                      "-j", pyflink_triton.jar_path())  # fmt: skip
    assert "[ERROR]" not in ended.output, ended.output
    (job,) = flink.jobs()
    killed = 0
    for kill in islice(cycle((kill_a_worker, kill_a_task_manager, kill_triton)), KILLS):
        wait_for(makes_progress(flink.completed_checkpoints(job)), RECOVERY_SECONDS, "a job that makes progress")
        if flink.jobs()[job] == "FINISHED":
            break
        kill()
        killed += 1
    assert flink.end_of(job, RECOVERY_SECONDS + ROWS / 500) == "FINISHED"
    assert killed == KILLS, "the job was over too early"
    pairs = [tuple(map(int, line.split(","))) for line in read_lines(tmp_path / "answers")]
    assert [pair for pair in pairs if pair[1] != 3 * pair[0] + 1] == []
    assert sorted(x for x, _ in pairs) == list(range(ROWS))
    wait_for(lambda: not workers(), 10, "the end of all workers")
