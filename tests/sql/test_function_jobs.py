"""m(x) in statements that outlive a query: joins, windows, compiled plans, savepoints; and ML_PREDICT's sync mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from flink_session import collect, read_lines, session, view
from pyflink.java_gateway import get_gateway
from pyflink.table import TableEnvironment
from triton import Triton
from waiting import wait_for

import pyflink_triton
from pyflink_triton.table.sentences import tell_sentences_first

pytestmark = pytest.mark.either_mode

ROWS = 2_000
MANY = 20_000


def catalog(env: TableEnvironment, triton: Triton) -> TableEnvironment:
    """Make the server's catalog the current one."""
    env.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{triton.http_url}')")
    env.execute_sql("USE CATALOG triton")
    return env


@pytest.fixture(scope="module")
def streaming(triton: Triton) -> TableEnvironment:
    env = catalog(session(), triton)
    view(env, "t", {"id": "BIGINT", "f": "FLOAT"}, [(1, 1.5), (2, 2.5), (3, None)])
    return env


@pytest.fixture(scope="module")
def batch(triton: Triton) -> TableEnvironment:
    env = catalog(session("batch"), triton)
    view(env, "t", {"id": "BIGINT", "f": "FLOAT"}, [(1, 1.5), (2, 2.5), (3, None)])
    return env


def sink(env: TableEnvironment, name: str, path: Path, columns: str) -> None:
    env.execute_sql(
        f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{path}')"
    )


def test_in_a_join_condition(streaming: TableEnvironment) -> None:
    query = "SELECT l.id, r.id FROM t AS l JOIN t AS r ON identity_int64(l.id) = r.id + 1"
    assert sorted(collect(streaming, query)) == [(2, 1), (3, 2)]


WINDOW = (
    "SELECT window_start, identity_fp32(ARRAY_AGG(f)) FROM TUMBLE(TABLE numbers, DESCRIPTOR(ts), INTERVAL '10' SECOND) "
    "GROUP BY window_start, window_end"
)


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_a_windows_rows_as_one_batch(mode: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    env: TableEnvironment = request.getfixturevalue(mode)
    times = ["2026-01-01 00:00:01", "2026-01-01 00:00:02", "2026-01-01 00:00:11"]
    (tmp_path / "numbers.csv").write_text("".join(f"{index}.5,{time}\n" for index, time in enumerate(times)))
    env.execute_sql(
        "CREATE TABLE numbers (f FLOAT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH "
        f"('connector' = 'filesystem', 'format' = 'csv', 'path' = '{tmp_path / 'numbers.csv'}')"
    )
    rows = sorted(collect(env, WINDOW))
    env.execute_sql("DROP TABLE numbers")
    assert [row[1] for row in rows] == [[0.5, 1.5], [2.5]]


@pytest.mark.parametrize("objects", [None, "IDENTIFIER"])
def test_a_compiled_plan_runs_in_a_session_of_its_own(triton: Triton, objects: str | None, tmp_path: Path) -> None:
    """Flink's default writes tables, models and the classes of functions into it, IDENTIFIER their names only."""
    tables = {"t_file": "id BIGINT, f FLOAT", "results": "id BIGINT, x FLOAT, y FLOAT"}
    (tmp_path / "t_file").write_text("1,1.5\n2,-2.5\n")
    plan = tmp_path / "plan.json"
    env = catalog(session(), triton)
    if objects is not None:
        env.get_config().set("table.plan.compile.catalog-objects", objects)
    for name, columns in tables.items():
        sink(env, name, tmp_path / name, columns)
    predict = "ML_PREDICT(TABLE t_file, MODEL identity_fp32, DESCRIPTOR(f))"
    env.execute_sql(f"COMPILE PLAN '{plan}' FOR INSERT INTO results SELECT id, identity_fp32(f), y FROM {predict}")

    without = session()
    if objects is None:
        with pytest.raises(Exception, match="Attach the server before the plan is loaded, by connect"):
            without.execute_sql(f"EXECUTE PLAN '{plan}'")
    fresh = session(with_jar=False)
    pyflink_triton.connect(fresh, triton.http_url)
    if objects is not None:
        for name, columns in tables.items():
            sink(fresh, name, tmp_path / name, columns)
    fresh.execute_sql(f"EXECUTE PLAN '{plan}'").wait()
    assert sorted(read_lines(tmp_path / "results")) == ["1,1.5,1.5", "2,-2.5,-2.5"]


def test_a_restored_plan_keeps_nulls_beside_its_calls(triton: Triton, tmp_path: Path) -> None:
    """Several calls, one in another and one under CASE, beside columns that are NULL in the first row."""
    tables = {
        "t_file": "id BIGINT, f FLOAT",
        "results": "id BIGINT, w STRING, y FLOAT, n BIGINT, z FLOAT, d DECIMAL(9, 2), c FLOAT, s TIMESTAMP(3)",
    }
    (tmp_path / "t_file").write_text("1,1.5\n2,-2.5\n")
    plan = tmp_path / "plan.json"
    planned, fresh = catalog(session(), triton), catalog(session(), triton)
    for env in (planned, fresh):
        for name, columns in tables.items():
            sink(env, name, tmp_path / name, columns)
    second, word, time = "CASE WHEN id = 2 THEN {} END", "'w'", "TIMESTAMP '2024-01-02 03:04:05'"
    planned.execute_sql(
        f"COMPILE PLAN '{plan}' FOR INSERT INTO results SELECT id, {second.format(word)}, identity_fp32(f), "
        f"{second.format('id')}, identity_fp32(identity_fp32(f)), {second.format('CAST(1.5 AS DECIMAL(9, 2))')}, "
        f"{second.format('identity_fp32(f)')}, {second.format(time)} FROM t_file"
    )
    fresh.execute_sql(f"EXECUTE PLAN '{plan}'").wait()
    rows = sorted(read_lines(tmp_path / "results"))
    assert rows == ["1,,1.5,,1.5,,,", '2,w,-2.5,2,-2.5,1.5,-2.5,"2024-01-02 03:04:05"']


def test_a_compiled_plan_in_batch_holds_ml_predict_and_no_function(batch: TableEnvironment, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("1,1.5\n2,-2.5\n")
    sink(batch, "t_file", tmp_path / "in.csv", "id BIGINT, f FLOAT")
    sink(batch, "results", tmp_path / "out", "id BIGINT, y FLOAT")
    plan = tmp_path / "plan.json"
    compile_plan = f"COMPILE PLAN '{plan}' FOR INSERT INTO results"
    ml_predict = "SELECT id, y FROM ML_PREDICT(TABLE t_file, MODEL identity_fp32, DESCRIPTOR(f))"
    batch.execute_sql(f"{compile_plan} {ml_predict}")
    batch.execute_sql(f"EXECUTE PLAN '{plan}'").wait()
    assert sorted(read_lines(tmp_path / "out")) == ["1,1.5", "2,-2.5"]
    tell_sentences_first()
    with pytest.raises(Exception, match=r"^a compiled plan in batch mode cannot hold .* Call the model by ML_PREDICT"):
        batch.execute_sql(f"COMPILE PLAN '{plan}.2' FOR INSERT INTO results SELECT id, identity_fp32(f) FROM t_file")
    batch.execute_sql("DROP TABLE results")
    batch.execute_sql("DROP TABLE t_file")


def test_a_savepoint_restores(triton: Triton, tmp_path: Path) -> None:
    insert = "INSERT INTO results SELECT id, identity_int64(id) FROM numbers"

    def prepared(savepoint: str | None = None) -> TableEnvironment:
        env = catalog(session(execution__checkpointing__interval="200ms"), triton)
        if savepoint is not None:
            env.get_config().set("execution.state-recovery.path", savepoint)
        env.execute_sql(
            "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '400', "
            f"'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{ROWS}')"
        )
        sink(env, "results", tmp_path / "out", "id BIGINT, y BIGINT")
        return env

    env = prepared()
    job = env.execute_sql(insert).get_job_client()
    assert job is not None
    wait_for(lambda: read_lines(tmp_path / "out"), 60, "first rows")
    # PyFlink's own stop_with_savepoint calls a method that Flink no longer has.
    form = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType.CANONICAL
    savepoint = job._j_job_client.stopWithSavepoint(False, (tmp_path / "savepoints").as_uri(), form).get()
    assert len(read_lines(tmp_path / "out")) < ROWS
    prepared(savepoint).execute_sql(insert).wait()
    assert sorted(read_lines(tmp_path / "out")) == sorted(f"{i},{i}" for i in range(1, ROWS + 1))


def test_ml_predict_waits_for_each_row_where_it_is_told_to(streaming: TableEnvironment) -> None:
    rows = collect(
        streaming,
        "SELECT id, y FROM ML_PREDICT(TABLE t, MODEL identity_fp32, DESCRIPTOR(f), MAP['async', 'false'])",
    )
    assert sorted(rows, key=repr) == [(1, 1.5), (2, 2.5), (3, None)]


def test_a_failed_row_of_the_sync_mode_shows_no_values(streaming: TableEnvironment) -> None:
    view(streaming, "bad", {"secret": "BIGINT"}, [(-4711,)])
    query = "SELECT y FROM ML_PREDICT(TABLE bad, MODEL fails, DESCRIPTOR(secret), MAP['async', 'false'])"
    with pytest.raises(Exception, match="x must not be negative") as caught:
        collect(streaming, query)
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_more_rows_than_the_operator_holds(mode: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    env: TableEnvironment = request.getfixturevalue(mode)
    env.execute_sql(
        "CREATE TEMPORARY TABLE many (id BIGINT) WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence', "
        f"'fields.id.start' = '1', 'fields.id.end' = '{MANY}', 'number-of-rows' = '{MANY}', "
        "'rows-per-second' = '10000000')"
    )
    sink(env, f"answers_{mode}", tmp_path / "answers", "id BIGINT, y BIGINT")
    env.execute_sql(f"INSERT INTO answers_{mode} SELECT id, pairing(id) FROM many").wait()
    env.execute_sql("DROP TEMPORARY TABLE many")
    pairs = [tuple(map(int, line.split(","))) for line in read_lines(tmp_path / "answers")]
    assert sorted(pairs) == [(id_, 3 * id_ + 1) for id_ in range(1, MANY + 1)]
