"""A model of seconds a request, one at a time: rows leave when their request is answered, and no checkpoint waits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flink_session import create_model, session
from jobs import running
from pyflink.java_gateway import get_gateway
from slow_requests import MODEL, slow_requests
from soak import IS_SOAK
from waiting import wait_for

#: How long a request takes, and how many rows it has.
SECONDS, BATCH = (5.0 if IS_SOAK else 2.0), 20
ROWS = 160
#: How long after Triton's answer a row may leave the job, and how much longer than two requests a checkpoint may take:
#: more where other tests run at the same time.
MOST_SECONDS, GRACE_SECONDS = (0.5, 0.5) if IS_SOAK else (1.5, 5.0)
#: So many rows wait in the operator, for much longer than a checkpoint may take.
CAPACITY = 400
FUNCTIONS = {
    "ML_PREDICT": "SELECT x, answered FROM ML_PREDICT(TABLE numbers, MODEL t.`default`.m, DESCRIPTOR(x))",
    "ML_PREDICT unordered": "SELECT x, answered FROM ML_PREDICT(TABLE numbers, MODEL t.`default`.m, DESCRIPTOR(x), "
    "MAP['output-mode', 'ALLOW_UNORDERED'])",
    "m(x)": "SELECT x, t.`default`.m(x) AS answered FROM numbers",
}


def prepared(url: str, directory: Path, rows: int, **config: str) -> Any:
    """A session with the model, and with numbers in a file: a table of random numbers holds its lock while it waits."""
    env = session(with_jar=True, restart_strategy__type="none", **config)
    (directory / "numbers.csv").write_text("".join(f"{x}\n" for x in range(rows)))
    env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (x BIGINT) WITH ('connector' = 'filesystem', "
        f"'path' = '{directory / 'numbers.csv'}', 'format' = 'csv')"
    )
    env.execute_sql("CREATE CATALOG t WITH ('type' = 'triton')")
    create_model(env, "t.`default`.m", url, MODEL, "x BIGINT", "answered BIGINT")
    return env


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_row_leaves_when_its_request_is_answered(function: str, tmp_path: Path) -> None:
    with slow_requests(tmp_path, SECONDS, BATCH) as url:
        env = prepared(url, tmp_path, ROWS)
        left: dict[int, float] = {}
        answered: dict[int, float] = {}
        with env.execute_sql(FUNCTIONS[function]).collect() as rows:
            for x, milliseconds in rows:
                left[x], answered[x] = time.time(), milliseconds / 1000
    assert sorted(left) == list(range(ROWS))
    # Triton need not answer requests in their order, and an ordered function lets no row pass another.
    due = np.array([answered[x] for x in range(ROWS)])
    due = due if "unordered" in function else np.maximum.accumulate(due)
    late = np.array([left[x] for x in range(ROWS)]) - due
    # Flink's own collection polls its sink; the first rows wait for its start.
    assert late[BATCH:].max() < MOST_SECONDS, late


@pytest.mark.parametrize("function", ["ML_PREDICT", "m(x)"])
def test_checkpoints_and_savepoints_wait_for_no_more_than_two_requests(function: str, tmp_path: Path) -> None:
    limit = 2 * SECONDS + GRACE_SECONDS
    with slow_requests(tmp_path, SECONDS, BATCH) as url:
        env = prepared(
            url,
            tmp_path,
            100_000,
            execution__checkpointing__interval="500 ms",
            execution__checkpointing__unaligned__enabled="true",
            execution__checkpointing__timeout=f"{int(limit * 1000)} ms",
            execution__checkpointing__tolerable_failed_checkpoints="0",
            execution__checkpointing__dir=(tmp_path / "checkpoints").as_uri(),
            table__exec__async_ml_predict__max_concurrent_operations=str(CAPACITY),
            table__exec__async_scalar__max_concurrent_operations=str(CAPACITY),
        )
        env.execute_sql("CREATE TEMPORARY TABLE answers (x BIGINT, answered BIGINT) WITH ('connector' = 'blackhole')")
        with running(env, f"INSERT INTO answers {FUNCTIONS[function]}") as (result, outcome):
            wait_for(lambda: checkpoints(tmp_path) >= 3 or "ended" in outcome, 120, "three checkpoints")
            assert "error" not in outcome, outcome["error"]
            form = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType.CANONICAL
            started = time.monotonic()
            client = result.get_job_client()._j_job_client
            client.stopWithSavepoint(False, (tmp_path / "savepoints").as_uri(), form).get()
            assert time.monotonic() - started < limit
        assert "error" not in outcome, outcome["error"]


def checkpoints(directory: Path) -> int:
    """The number of the last checkpoint that is complete."""
    names = [path.parent.name for path in directory.glob("checkpoints/*/chk-*/_metadata")]
    return max((int(name.removeprefix("chk-")) for name in names), default=0)
