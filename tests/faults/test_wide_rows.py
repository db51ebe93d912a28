"""Rows of many bytes, which reach the worker by shared memory: right under load, also where workers are killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flink_session import create_model, read_lines, session
from jobs import assert_gone, kill_workers, numbers_and_answers, running, workers
from processes import children
from soak import some
from triton import Triton
from waiting import wait_for

ROWS = 3000
#: Each row has another text of another length, some 100 kB, and some rows are short.
TEXT = "REPEAT(CAST(x AS STRING), CASE WHEN MOD(x, 7) = 0 THEN 1 ELSE 30000 - CAST(x AS INT) END)"
CALLS = {
    "ML_PREDICT": "SELECT x, t, y FROM ML_PREDICT(TABLE texts, MODEL c.`default`.m, DESCRIPTOR(t))",
    "m(x)": "SELECT x, t, c.`default`.m(t) AS y FROM texts",
}


def mappings() -> set[str]:
    """The shared memory that this process's JVM has mapped."""
    return {name for process in children({os.getpid()}, b"java") for name in mapped(Path(f"/proc/{process}/maps"))}


def mapped(maps: Path) -> set[str]:
    try:
        return {line.split()[5] for line in maps.read_text().splitlines() if "/memfd:pyflink-triton" in line}
    except OSError:  # it ended meanwhile
        return set()


@pytest.mark.parametrize(("call", "kills"), some([("ML_PREDICT", 3), ("ML_PREDICT", 0), ("m(x)", 0), ("m(x)", 3)], 2))
def test_wide_rows_are_right(triton: Triton, tmp_path: Path, call: str, kills: int) -> None:
    before, others = set(workers()), mappings()
    env = session(
        # The rows that wait are state, and more of it than the job manager's memory takes.
        execution__checkpointing__dir=(tmp_path / "checkpoints").as_uri(),
        execution__checkpointing__interval="300 ms",
        restart_strategy__type="fixed-delay",
        restart_strategy__fixed_delay__attempts="20",
        restart_strategy__fixed_delay__delay="100 ms",
    )
    numbers_and_answers(env, ROWS, tmp_path)
    env.execute_sql("CREATE CATALOG c WITH ('type' = 'triton')")
    options = {"max_request_bytes": "2 mb", "max_in_flight_requests": "2", "max_in_flight_bytes": "16 mb"}
    create_model(env, "c.`default`.m", triton.http_url, "identity_bytes", "t STRING", "y STRING", **options)
    env.execute_sql(f"CREATE TEMPORARY VIEW texts AS SELECT x, {TEXT} AS t FROM numbers")
    insert = f"INSERT INTO answers SELECT x, CASE WHEN t = y THEN x ELSE -1 END FROM ({CALLS[call]})"
    with running(env, insert) as (_, outcome):
        killed = kill_workers(before, kills, outcome, lambda: mappings() - others)
        wait_for(lambda: mappings() - others or "ended" in outcome, 30, "shared memory")
        seen = "ended" not in outcome
    assert "error" not in outcome, outcome["error"]
    assert seen
    assert killed == kills
    pairs = [tuple(map(int, line.split(","))) for line in read_lines(tmp_path / "answers")]
    assert sorted(pairs) == [(x, x) for x in range(ROWS)]
    assert_gone(before)
    assert mappings() <= others
