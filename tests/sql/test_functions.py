"""m(x), a model as a function, in real Flink jobs over a real Triton: where SQL lets it stand, in both modes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flink_session import collect, read_lines, session, view
from pyflink.table import Row, TableEnvironment
from triton import Triton, call

pytestmark = pytest.mark.either_mode

TYPES = {"id": "INT", "f": "FLOAT", "text": "STRING", "n": "INT"}
ROWS = [(1, 1.5, "good", 7), (2, 2.5, "bad", None), (3, None, None, 9)]


@dataclass(frozen=True)
class Sessions:
    """A session whose current catalog serves the models, and the server."""

    env: TableEnvironment
    mode: str
    triton: Triton

    def rows(self, sql: str) -> list[Any]:
        """Run a query; rows of one column come as their value, in order."""
        found = [row[0] if len(row) == 1 else row for row in collect(self.env, sql)]
        return sorted(found, key=repr)


@pytest.fixture(scope="module", params=["streaming", "batch"])
def sql(request: pytest.FixtureRequest, triton: Triton) -> Sessions:
    env = session(request.param)
    env.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{triton.http_url}')")
    env.execute_sql("USE CATALOG triton")
    view(env, "t", TYPES, ROWS)
    return Sessions(env, request.param, triton)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            "SELECT id, n, identity_fp32(f) FROM t", [(1, 7, 1.5), (2, None, 2.5), (3, 9, None)], id="projection"
        ),
        pytest.param("SELECT id FROM t WHERE identity_fp32(f) > 2", [2], id="where"),
        pytest.param(
            "SELECT CASE WHEN identity_fp32(f) > 2 THEN 'high' ELSE identity_bytes(text) END FROM t",
            [None, "good", "high"],
            id="case",
        ),
        pytest.param("SELECT COALESCE(identity_fp32(f), -1.0) FROM t", [-1.0, 1.5, 2.5], id="coalesce"),
        pytest.param("SELECT identity_fp32(identity_fp32(f)) + 1 FROM t", [2.5, 3.5, None], id="nested"),
        pytest.param(
            "SELECT identity_fp32(f), identity_bytes(text) FROM t",
            [(1.5, "good"), (2.5, "bad"), (None, None)],
            id="two models",
        ),
        pytest.param(
            "SELECT identity_bytes(kind), identity_int64(c) FROM (SELECT CAST(id > 1 AS STRING) AS kind, "
            "COUNT(*) AS c FROM t GROUP BY CAST(id > 1 AS STRING)) WHERE c = 2",
            [("TRUE", 2)],
            id="over a GROUP BY",
        ),
        pytest.param("SELECT identity_bytes('great')", ["great"], id="a constant alone"),
        pytest.param("SELECT add(1.5, f) FROM t", [3.0, 4.0, None], id="a constant first"),
        pytest.param("SELECT id, add(1, 2) FROM t", [(1, 3.0), (2, 3.0), (3, 3.0)], id="constants only"),
        pytest.param("SELECT identity_fp32(f) FROM t WHERE f = 1.5", [1.5], id="a constant by propagation"),
        pytest.param("SELECT identity_fp32(NULL) FROM t WHERE id = 1", [None], id="an untyped NULL"),
        pytest.param("SELECT add(n, id) FROM t", [12.0, 8.0, None], id="INT is cast to FLOAT"),
        pytest.param("SELECT add(b => f, a => 2.5) FROM t", [4.0, 5.0, None], id="names"),
        pytest.param("SELECT multi(f, n, text) FROM t WHERE id = 1", [Row(3.0, "GOOD")], id="several outputs as a ROW"),
        pytest.param("SELECT multi(f, n, text).label FROM t", ["GOOD", None, None], id="a field of the ROW"),
        pytest.param("SELECT triton.`default`.Identity_FP32(f) FROM t WHERE id = 1", [1.5], id="the full name"),
        pytest.param(
            "SELECT identity_fp32(ARRAY[f, CAST(2.5 AS FLOAT)]) FROM t WHERE id = 1",
            [[1.5, 2.5]],
            id="an array as a batch",
        ),
        pytest.param(
            "SELECT add(ARRAY[f, CAST(2.5 AS FLOAT)], ARRAY[1, 2]) FROM t WHERE id = 1",
            [[2.5, 4.5]],
            id="arrays as a batch",
        ),
        pytest.param(
            "SELECT identity_fp32_matrix(ARRAY[1, 2, 3, 4, 5, CAST(f AS FLOAT)])[1] FROM t WHERE id = 1",
            [[1.0, 2.0, 3.0]],
            id="a flat array for nested dims",
        ),
        pytest.param(
            "SELECT identity_fp32_matrix(ARRAY[ARRAY[1, 2, 3], ARRAY[4, 5, CAST(f AS FLOAT)]])[2][3] FROM t "
            "WHERE id = 1",
            [1.5],
            id="nested arrays",
        ),
        pytest.param(
            "SELECT y FROM (SELECT id, identity_fp32(f) AS y FROM t) WHERE y > 1 AND id > 1", [2.5], id="subquery"
        ),
    ],
)
def test_where_a_function_may_stand(sql: Sessions, query: str, expected: list[Any]) -> None:
    assert sql.rows(query) == sorted(expected, key=repr)


def _requests(triton: Triton, model: str) -> int:
    """How many rows the server has run."""
    statistics = json.loads(call(triton.http_url, "GET", f"/v2/models/{model}/stats"))
    return sum(version["inference_count"] for version in statistics["model_stats"])


def test_a_filtered_subquery_calls_once_a_row_and_planning_never(sql: Sessions) -> None:
    before = _requests(sql.triton, "identity_int32")
    query = "SELECT * FROM (SELECT id, identity_int32(id) AS y FROM t) WHERE y > 1"
    sql.env.explain_sql(query)
    sql.env.explain_sql("SELECT identity_int32(1)")
    assert _requests(sql.triton, "identity_int32") == before
    assert sql.rows(query) == [(2, 2), (3, 3)]
    assert _requests(sql.triton, "identity_int32") == before + 3


def test_inside_a_view(sql: Sessions) -> None:
    sql.env.execute_sql("CREATE TEMPORARY VIEW scored AS SELECT id, identity_fp32(f) AS y FROM t")
    assert sql.rows("SELECT y FROM scored WHERE id = 2") == [2.5]
    sql.env.execute_sql("DROP TEMPORARY VIEW scored")


def test_inside_a_statement_set(sql: Sessions, tmp_path: Path) -> None:
    statements = sql.env.create_statement_set()
    for name in ("left", "right"):
        sql.env.execute_sql(
            f"CREATE TABLE sink_{name} (y STRING) WITH "
            f"('connector' = 'filesystem', 'format' = 'csv', 'path' = '{tmp_path / name}')"
        )
        statements.add_insert_sql(f"INSERT INTO sink_{name} SELECT identity_bytes('{name}')")
    statements.execute().wait()
    for name in ("left", "right"):
        assert read_lines(tmp_path / name) == [name]
        sql.env.execute_sql(f"DROP TABLE sink_{name}")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT identity_fp32(text) FROM t", "CAST"),
        ("SELECT identity_fp32(f, f) FROM t", "identity_fp32"),
        ("SELECT sequence(id) FROM t", "stateful"),
    ],
)
def test_a_wrong_call_is_refused_while_planning(sql: Sessions, query: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        sql.env.explain_sql(query)


WITH = "WITH ('provider' = 'triton', 'model-name' = '{}', {})"


def test_a_number_that_the_tensor_cannot_hold_is_its_rows_error_wherever_it_comes_from(sql: Sessions) -> None:
    sql.env.execute_sql("CREATE MODEL floats " + WITH.format("identity_fp32", "'default-value' = '-1'"))
    view(sql.env, "wide", {"x": "BIGINT"}, [(16777216,), (16777217,)])
    for argument, expected in (
        ("x", [-1.0, 16777216.0]),
        ("identity_int64(x)", [-1.0, 16777216.0]),
        ("16777217", [-1.0, -1.0]),
        ("16777216", [16777216.0, 16777216.0]),
    ):
        assert sql.rows(f"SELECT floats({argument}) FROM wide") == expected, argument
    sql.env.drop_temporary_view("wide")
    sql.env.execute_sql("DROP MODEL floats")


SLOW_ROW = "SELECT y FROM ML_PREDICT(TABLE waiting, MODEL late, DESCRIPTOR(x){})"


@pytest.mark.parametrize(
    ("query", "options"),
    [
        (SLOW_ROW.format(", MAP['timeout', '4s']"), {}),
        (SLOW_ROW.format(""), {"table.exec.async-ml-predict.timeout": "4 s"}),
        ("SELECT late(x) FROM waiting", {"table.exec.async-scalar.timeout": "4 s"}),
    ],
)
def test_a_shorter_time_out_of_flinks_is_the_rows_and_not_the_jobs(
    triton: Triton, query: str, options: dict[str, str]
) -> None:
    env = session()
    env.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{triton.http_url}')")
    env.execute_sql("USE CATALOG triton")
    for key, value in options.items():
        env.get_config().set(key, value)
    env.execute_sql("CREATE MODEL late " + WITH.format("slow", "'default-value' = '-1'"))
    view(env, "waiting", {"x": "INT"}, [(8000,)])
    assert collect(env, query) == [(-1,)]


def test_where_flink_hides_nulls_no_sequence_begins_or_ends_by_columns(sql: Sessions) -> None:
    options = "'sequence-id' = '${id}', 'sequence-start' = '${s}'"
    columns = "INPUT (x BIGINT, id BIGINT, s BOOLEAN) OUTPUT (`sum` BIGINT) "
    sql.env.execute_sql(f"CREATE MODEL sums {columns}" + WITH.format("sequence", options))
    view(
        sql.env,
        "steps",
        {"x": "BIGINT", "id": "BIGINT", "s": "BOOLEAN"},
        [(5, 9, True), (None, 9, True), (7, 9, False)],
    )
    query = "SELECT sums(x, id, s) FROM steps"
    if sql.mode == "streaming":
        with pytest.raises(
            Exception, match="Give arguments that are NOT NULL, as COALESCE makes them, or use ML_PREDICT"
        ):
            sql.env.explain_sql(query)
        query = "SELECT sums(COALESCE(x, 0), COALESCE(id, 0), COALESCE(s, FALSE)) FROM steps"
        assert sql.rows(query) == [0, 5, 7]
    else:
        assert sql.rows(query) == [5, 7, None]
    sql.env.drop_temporary_view("steps")
    sql.env.execute_sql("DROP MODEL sums")


def test_a_function_of_the_users_wins(sql: Sessions) -> None:
    sql.env.execute_sql("CREATE FUNCTION identity_int32 AS 'org.apache.flink.table.runtime.functions.NotThere'")
    assert "identity_int32" in [row[0] for row in collect(sql.env, "SHOW FUNCTIONS")]
    with pytest.raises(Exception, match="NotThere"):
        sql.env.explain_sql("SELECT identity_int32(id) FROM t")
    sql.env.execute_sql("DROP FUNCTION identity_int32")
    sql.env.explain_sql("SELECT identity_int32(id) FROM t")
