"""Every fault of support/faults.py through ML_PREDICT in a real job: the rows, the proxy's calls, Flink's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fault_places import Places, places_of
from faults import CASES, OPTIONS, POISON, Case
from flink_session import create_model, session, view
from job_metrics import counters, rest
from py4j.protocol import Py4JJavaError
from pyflink.table import TableEnvironment
from soak import some
from triton import Triton
from waiting import wait_for

from pyflink_triton.server.ports import choose

#: Nobody is there when the job starts: it waits for `warmup-timeout` and fails; a fault of rows comes later.
AT_THE_START = [case for case in CASES if not {"{proxy}", "{other}"} & set(case.endpoint.split(","))]
IN_THE_JOB = some([case for case in CASES if case not in AT_THE_START], 3)
QUERY = "SELECT n, y, why FROM ML_PREDICT(TABLE rows_in, MODEL m, DESCRIPTOR(x))"


@dataclass
class Outcome:
    """What became of a case: its rows, and what was counted."""

    rows: dict[int, tuple[Any, str | None]] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    error: str | None = None


@pytest.fixture(scope="module")
def env() -> TableEnvironment:
    """A session whose operator holds one row: it goes when the one before is answered."""
    env = session(restart_strategy__type="none", table__exec__async_ml_predict__max_concurrent_operations="1")
    env.execute_sql("CREATE TEMPORARY TABLE endless (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1')")
    return env


def is_array(case: Case) -> bool:
    return any(len(batch) > 1 for batch in case.batches)


@pytest.fixture
def source(env: TableEnvironment, case: Case) -> Iterator[None]:
    """A case's batches, a row each: the worker takes a row's array as one batch.

    A source that never ends keeps the job running, so that its metrics can be read when all rows are there.
    """
    type_ = "ARRAY<BIGINT>" if is_array(case) else "BIGINT"
    rows = [(n, list(batch) if is_array(case) else batch[0]) for n, batch in enumerate(case.batches)]
    view(env, "batches", {"n": "INT", "x": type_}, rows)
    env.execute_sql(
        "CREATE TEMPORARY VIEW rows_in AS SELECT n, x FROM batches "
        f"UNION ALL SELECT n, CAST(NULL AS {type_}) FROM endless WHERE n IS NULL"
    )
    yield
    env.drop_temporary_view("rows_in")
    env.drop_temporary_view("batches")


def run(env: TableEnvironment, case: Case, places: Places, **options: str) -> Outcome:
    """Run a case's job until all rows are there and counted, or it fails."""
    outcome = Outcome()
    (port,) = choose("127.0.0.1", 1, set())
    for key, value in rest(port).items():
        env.get_config().set(key, value)
    type_ = "ARRAY<BIGINT>" if is_array(case) else "BIGINT"
    written = {**OPTIONS, **case.options, "error-column": "why", **options}
    create_model(env, "m", places.endpoint(case), "fails", f"x {type_}", f"y {type_}, why STRING", **written)
    try:
        result = env.execute_sql(QUERY)
        job = str(result.get_job_client().get_job_id())
        with result.collect() as rows:
            for _ in case.batches:
                n, y, why = next(rows)
                outcome.rows[n] = (y, why)

            def all_counted() -> bool:
                outcome.counted = counters(port, job)
                return outcome.counted.get("requests") == len(case.batches)

            wait_for(all_counted, 30, "all rows counted")
    except Py4JJavaError as error:
        outcome.error = str(error)
    finally:
        env.execute_sql("DROP MODEL m")
    return outcome


def failing(case: Case) -> set[int]:
    """Which batches fail: those with a poisoned row; else the last ones, as many as the case says."""
    poisoned = {n for n, batch in enumerate(case.batches) if POISON in batch}
    if poisoned:
        return poisoned
    found: set[int] = set()
    rows = 0
    for n in reversed(range(len(case.batches))):
        if rows == case.failed:
            break
        found.add(n)
        rows += len(case.batches[n])
    assert rows == case.failed
    return found


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("case", IN_THE_JOB, ids=lambda case: case.fault)
def test_a_fault(case: Case, env: TableEnvironment, triton: Triton) -> None:
    with places_of(case, triton.http_url) as places:
        outcome = run(env, case, places)
        calls = places.calls
    if case.calls is not None:
        assert calls == case.calls - case.unlogged
    if case.job:
        assert outcome.error is not None, outcome
        assert case.message in outcome.error
        return
    assert outcome.error is None, outcome.error
    failed = failing(case)
    default = case.options.get("default-value")
    for n, batch in enumerate(case.batches):
        y, why = outcome.rows[n]
        if n in failed:
            assert y == (None if default is None else int(default))
            assert why is not None
        else:
            assert (y, why) == (list(batch) if is_array(case) else batch[0], None)
    messages = [why for _, why in outcome.rows.values() if why is not None]
    assert not case.message or any(case.message in message for message in messages), messages
    counted = outcome.counted
    assert counted["failure"] == len(failed)
    assert counted["success"] == len(case.batches) - len(failed)
    assert counted["output_rows"] == len(case.batches)
    if case.calls is not None:
        assert counted["http_requests"] == case.calls
    if case.retries is not None:
        assert counted.get("retries", 0) == case.retries
    assert counted.get("circuit_breaker_openings", 0) == case.openings


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("case", AT_THE_START, ids=lambda case: case.fault)
def test_nobody_is_there_when_the_job_starts(case: Case, env: TableEnvironment, triton: Triton) -> None:
    with places_of(case, triton.http_url) as places:
        outcome = run(env, case, places, **{"plan-check": "off", "warmup-timeout": "400 ms"})
        assert places.calls == 0
    assert outcome.error is not None, outcome
    assert case.message in outcome.error or "timed out" in outcome.error
    assert "'warmup-timeout'" in outcome.error
