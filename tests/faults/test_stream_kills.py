"""A job whose rows become several, and what serves it killed in turn: each part is there once, at its place."""

from __future__ import annotations

import csv
import json
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
from scripted import delayed, part
from soak import IS_SOAK, some
from triton import Triton
from waiting import wait_for

import pyflink_triton

KILLS = 5 if IS_SOAK else 2
ROWS = 2_000 if IS_SOAK else 400
MOST_PARTS = 20
#: The longest pause before a part.
PAUSE_SECONDS = 0.05
#: So many rows are under way at once, in all subtasks together: a job has to take longer than its kills.
CAPACITY = 16
FILES = 40
RECOVERY_SECONDS = 90

SCRIPT = """
SET 'parallelism.default' = '{parallelism}';
SET 'python.client.executable' = '{python}';
SET 'python.executable' = '{python}';
SET 'execution.checkpointing.interval' = '1 s';
SET 'execution.checkpointing.dir' = '{directory}/checkpoints';
SET 'restart-strategy.type' = 'fixed-delay';
SET 'restart-strategy.fixed-delay.attempts' = '1000';
SET 'restart-strategy.fixed-delay.delay' = '500 ms';
SET 'table.exec.async-ml-predict.max-concurrent-operations' = '{capacity}';
CREATE TABLE scripts (n INT, script STRING) WITH (
  'connector' = 'filesystem', 'path' = '{directory}/scripts', 'format' = 'csv'
);
CREATE TABLE parts (n INT, place INT, text STRING) WITH (
  'connector' = 'filesystem', 'path' = '{directory}/parts', 'format' = 'json'
);
CREATE MODEL m INPUT (script STRING) OUTPUT (text STRING, place INT) WITH (
  'provider' = 'triton', 'endpoint' = '{endpoint}', 'model-name' = 'script',
  'responses' = 'rows', 'response-index' = 'place'
);
INSERT INTO parts SELECT n, place, text FROM ML_PREDICT(TABLE scripts, MODEL m, DESCRIPTOR(script));
"""


@pytest.fixture
def flink(tmp_path: Path) -> Iterator[Cluster]:
    quick = {"heartbeat.interval": "500 ms", "heartbeat.timeout": "10 s"}
    with standalone_cluster(tmp_path / "home", quick) as cluster:
        yield cluster


def write_scripts(directory: Path) -> list[tuple[int, int, str]]:
    """Write the rows, and return the parts that they have to become.

    Not as JSON: after a restart Flink's source read such a file from its second row on again.
    """
    directory.mkdir()
    made = [delayed(n, MOST_PARTS, PAUSE_SECONDS) for n in range(ROWS)]
    step = ROWS // FILES
    for start in range(0, ROWS, step):
        with (directory / f"{start}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows((n, made[n][0]) for n in range(start, start + step))
    return [(n, place, part(n, place)) for n, (_, count) in enumerate(made) for place in range(count)]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("parallelism", some([2, 1], 2))
def test_each_part_is_there_once_whatever_is_killed(
    parallelism: int, flink: Cluster, own_triton: Callable[..., Triton], tmp_path: Path
) -> None:
    triton = own_triton("script")
    expected = write_scripts(tmp_path / "scripts")

    def workers() -> dict[int, int]:
        return children(flink.task_managers(), WORKER)

    def kill_a_worker() -> None:
        os.kill(min(workers()), signal.SIGKILL)

    def kill_a_task_manager() -> None:
        killed = min(workers().values())
        os.kill(killed, signal.SIGKILL)
        flink.start_task_manager(killed)

    def makes_progress(checkpoints: int) -> Callable[[], bool]:
        def is_over_or_beyond_them() -> bool:
            if flink.jobs()[job] == "FINISHED":
                return True
            return len(workers()) == parallelism and flink.completed_checkpoints(job) > checkpoints

        return is_over_or_beyond_them

    script = SCRIPT.format(
        parallelism=parallelism,
        capacity=CAPACITY // parallelism,
        python=sys.executable,
        directory=tmp_path.as_uri(),
        endpoint=triton.http_url,
    )
    ended = flink.sql(script, "-j", pyflink_triton.jar_path())
    assert "[ERROR]" not in ended.output, ended.output
    (job,) = flink.jobs()
    killed = 0
    for kill in islice(cycle((kill_a_worker, kill_a_task_manager)), KILLS):
        wait_for(makes_progress(flink.completed_checkpoints(job)), RECOVERY_SECONDS, "a job that makes progress")
        if flink.jobs()[job] == "FINISHED":
            break
        kill()
        killed += 1
    assert flink.end_of(job, RECOVERY_SECONDS + ROWS) == "FINISHED"
    assert killed == KILLS, "the job was over too early"
    lines = [json.loads(line) for line in read_lines(tmp_path / "parts")]
    assert sorted((line["n"], line["place"], line["text"]) for line in lines) == expected
    wait_for(lambda: not workers(), 10, "the end of all workers")
