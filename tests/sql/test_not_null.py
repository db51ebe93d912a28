"""NOT NULL: refused in OUTPUT wherever a model is declared, taken in INPUT, and never a value in place of a NULL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flink_session import collect, create_model, session, view
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes, PlanReference, Schema, Table, TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.model_descriptor import ModelDescriptor
from pyflink.util.java_utils import to_jarray
from triton import Triton

import pyflink_triton
from pyflink_triton.errors import SchemaError, TritonError

pytestmark = pytest.mark.either_mode

WORDS = r"output column 'y' is declared FLOAT NOT NULL, and rows .* are NULL there. Declare it FLOAT"
WITH = "WITH ('provider' = 'triton', 'endpoint' = '{}', 'model-name' = '{}'{})"


def prepared(mode: str, triton: Triton) -> TableEnvironment:
    """Of the default catalog, beside the catalog `triton`; both have the rows."""
    made = session(mode)
    made.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{triton.http_url}')")
    for catalog in ("triton", "default_catalog"):
        made.execute_sql(f"USE CATALOG {catalog}")
        types = {"n": "INT", "f": "FLOAT", "fs": "ARRAY<FLOAT>", "ns": "ARRAY<INT>"}
        view(made, "t", types, [(1, 1.5, [1.5], [3]), (None, None, None, None), (7, -2.0, [], [4, 5])])
    return made


@pytest.fixture(scope="module", params=["streaming", "batch"])
def each_mode(request: pytest.FixtureRequest, triton: Triton) -> TableEnvironment:
    return prepared(request.param, triton)


@pytest.fixture(scope="module")
def env(triton: Triton) -> TableEnvironment:
    return prepared("streaming", triton)


@contextmanager
def catalog(env: TableEnvironment, name: str) -> Iterator[None]:
    env.execute_sql(f"USE CATALOG {name}")
    try:
        yield
    finally:
        env.execute_sql("USE CATALOG default_catalog")


def predicted(model: str, column: str = "f", table: str = "t") -> str:
    return f"SELECT y FROM ML_PREDICT(TABLE {table}, MODEL {model}, DESCRIPTOR({column}))"


@pytest.mark.parametrize("temporary", ["", "TEMPORARY "])
def test_ddl_is_refused_when_planned(env: TableEnvironment, triton: Triton, temporary: str) -> None:
    created = WITH.format(triton.http_url, "identity_fp32", ", 'plan-check' = 'off'")
    create = f"CREATE {temporary}MODEL m INPUT (x FLOAT) OUTPUT (y FLOAT NOT NULL) {created}"
    env.execute_sql(create)
    for query in (predicted("m"), f"SELECT * FROM ({predicted('m')}) WHERE y IS NULL"):
        with pytest.raises(Exception, match=WORDS):
            env.explain_sql(query)
    env.execute_sql(f"DROP {temporary}MODEL m")
    with catalog(env, "triton"), pytest.raises(Exception, match=WORDS):
        env.execute_sql(create)


def test_what_the_refusal_says_to_declare_gives_nulls(each_mode: TableEnvironment, triton: Triton) -> None:
    create_model(each_mode, "m", triton.http_url, "fails", "x BIGINT", "y BIGINT", default_value="null")
    view(each_mode, "numbers", {"x": "BIGINT"}, [(1,), (-1,), (None,)])
    query = predicted("m", "x", "numbers")
    where = f"SELECT y FROM ({query}) WHERE y IS NULL"
    got = collect(each_mode, f"{query} UNION ALL {where}")
    each_mode.execute_sql("DROP MODEL m")
    assert sorted(got, key=repr) == [(1,), *[(None,)] * 4]


@pytest.mark.parametrize(
    ("output", "options", "words"),
    [
        ("y ARRAY<FLOAT> NOT NULL", "", "'y' is declared ARRAY<FLOAT> NOT NULL"),
        ("y ARRAY<FLOAT NOT NULL> NOT NULL", "", "'y' is declared ARRAY<FLOAT> NOT NULL"),
        ("y ARRAY<FLOAT>, why STRING NOT NULL", ", 'error-column' = 'why'",
         r"'why' is declared STRING NOT NULL, and rows that did not fail are NULL there\. Declare it STRING"),
        ("y ARRAY<FLOAT NOT NULL>", ", 'default-value' = '[null]'", r"'default-value' = '\[null\]' does not fit ARRAY"),
    ],
)  # fmt: skip
def test_other_outputs_that_would_hold_a_null(
    env: TableEnvironment, triton: Triton, output: str, options: str, words: str
) -> None:
    written = WITH.format(triton.http_url, "identity_fp32_array", options)
    env.execute_sql(f"CREATE MODEL m INPUT (x ARRAY<FLOAT>) OUTPUT ({output}) {written}")
    try:
        with pytest.raises(Exception, match=words):
            env.explain_sql(predicted("m", "fs"))
    finally:
        env.execute_sql("DROP MODEL m")


def test_elements_may_be_not_null_because_no_tensor_holds_a_null(env: TableEnvironment, triton: Triton) -> None:
    for name in ("default_catalog", "triton"):
        with catalog(env, name):
            gives = "y ARRAY<FLOAT NOT NULL>"
            create_model(env, "m", triton.http_url, "identity_fp32_array", "x ARRAY<FLOAT>", gives)
            query = env.sql_query(predicted("m", "fs"))
            assert "ARRAY<FLOAT NOT NULL>" in str(query.get_resolved_schema()), name
            assert sorted(collect(env, predicted("m", "fs")), key=repr) == [(None,), ([1.5],), ([],)]
            env.execute_sql("DROP MODEL m")


def test_descriptors_are_refused_when_planned(env: TableEnvironment, triton: Triton) -> None:
    builder = ModelDescriptor.for_provider("triton")
    builder.option("endpoint", triton.http_url).option("model-name", "identity_fp32")
    builder.input_schema(Schema.new_builder().column("x", DataTypes.FLOAT()).build())
    builder.output_schema(Schema.new_builder().column("y", DataTypes.FLOAT(False)).build())
    descriptor = builder.build()
    env.create_model("described", descriptor)
    env.create_temporary_model("temporary_one", descriptor)
    try:
        for name in ("described", "temporary_one"):
            with pytest.raises(Exception, match=WORDS):
                env.explain_sql(predicted(name))
            with pytest.raises(Exception, match=WORDS):
                pyflink_triton.predict(env.from_path("t"), name, ["f"]).explain()
    finally:
        env.drop_model("described")
        env.drop_temporary_model("temporary_one")
    names = to_jarray(get_gateway().jvm.java.lang.String, ["f"])
    columns = get_gateway().jvm.org.apache.flink.types.ColumnList.of(names)
    j_table = env._j_tenv.fromModel(descriptor._j_model_descriptor).predict(env.from_path("t")._j_table, columns)
    with pytest.raises(Exception, match=WORDS):
        Table(j_table, env).explain()


def test_a_compiled_plan_is_refused_when_it_is_loaded(triton: Triton, tmp_path: Any) -> None:
    """One that was compiled before NOT NULL was refused: the plan holds the model, and a fresh session has none."""
    env = session()
    source = f"WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{tmp_path}')"
    for name, column in (("rows_in", "f FLOAT"), ("rows_out", "y FLOAT")):
        env.execute_sql(f"CREATE TABLE {name} ({column}) {source}")
    create_model(env, "m", triton.http_url, "identity_fp32", "x FLOAT", "y FLOAT")
    insert = f"INSERT INTO rows_out {predicted('m', table='rows_in')}"
    plan = json.loads(env.compile_plan_sql(insert).as_json_string())
    (spec,) = [node["modelSpec"] for node in plan["nodes"] if "modelSpec" in node]
    spec["model"]["resolvedModel"]["outputSchema"]["columns"][0]["dataType"] += " NOT NULL"
    for is_there in (False, True):
        fresh = session()
        if is_there:
            create_model(fresh, "m", triton.http_url, "identity_fp32", "x FLOAT", "y FLOAT NOT NULL")
        loaded = fresh.load_plan(PlanReference.from_json_string(json.dumps(plan)))
        with pytest.raises(Exception, match=WORDS):
            loaded._j_compiled_plan.execute()


@pytest.mark.parametrize(
    "schema",
    [
        {"y": "FLOAT NOT NULL"},
        [("y", DataTypes.FLOAT(False))],
        Schema.new_builder().column("y", "FLOAT NOT NULL").build(),
        Schema.new_builder().column("y", DataTypes.FLOAT(False)).build(),
    ],
    ids=["sql", "data type", "schema of sql", "schema of a data type"],
)
def test_a_provider_refuses_it(triton: Triton, schema: Any) -> None:
    options = {"endpoint": triton.http_url, "model-name": "identity_fp32"}
    with pytest.raises(TritonError, match=WORDS):
        pyflink_triton.TritonModelProviderFactory().create_model_provider(options, None, schema)


def test_an_input_is_null_where_the_column_is(each_mode: TableEnvironment, triton: Triton) -> None:
    env, expected = each_mode, [(-2.0,), (1.5,), (None,)]
    options = {"endpoint": triton.http_url, "model-name": "identity_fp32"}
    schema = {"x": DataTypes.FLOAT(False)}
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(options, schema)
    answers = env.from_path("t").select(provider.scalar_function()(col("f")).alias("y"))
    env.create_model("described", provider.model_descriptor())
    env.create_temporary_view("answers", answers)
    got = collect(env, f"SELECT y FROM answers UNION ALL {predicted('described')}")
    assert sorted(got, key=repr) == sorted(2 * expected, key=repr)
    env.drop_temporary_view("answers")
    env.drop_model("described")
    with catalog(env, "triton"):
        create_model(env, "m", triton.http_url, "identity_fp32", "x FLOAT NOT NULL", "y FLOAT")
        both = f"{predicted('m')} UNION ALL SELECT m(f) FROM t UNION ALL SELECT m(x => f) FROM t"
        assert sorted(collect(env, both), key=repr) == sorted(3 * expected, key=repr)
        env.execute_sql("DROP MODEL m")


def test_elsewhere_flink_itself_keeps_columns_out_that_may_be_null(env: TableEnvironment, triton: Triton) -> None:
    create_model(env, "m", triton.http_url, "identity_fp32", "x FLOAT NOT NULL", "y FLOAT")
    whole = "SELECT COALESCE(f, CAST(9 AS FLOAT)) AS f, COALESCE(n, 9) AS n FROM t"
    env.execute_sql(f"CREATE TEMPORARY VIEW whole AS {whole}")
    with pytest.raises(Exception, match="'f' type FLOAT cannot be assigned to model input type FLOAT NOT NULL"):
        env.explain_sql(predicted("m"))
    for column in ("f", "n"):
        with pytest.raises(SchemaError, match=r"'x' is declared FLOAT NOT NULL, and what is given may be NULL"):
            pyflink_triton.predict(env.from_path("t"), "m", [column])
    env.create_temporary_view("ns", pyflink_triton.predict(env.from_path("whole"), "m", ["n"]))
    got = collect(env, f"{predicted('m', table='whole')} UNION ALL SELECT y FROM ns")
    assert sorted(got) == [(-2.0,), (1.0,), (1.5,), (7.0,), (9.0,), (9.0,)]
    for name in ("ns", "whole"):
        env.execute_sql(f"DROP TEMPORARY VIEW {name}")
    env.execute_sql("DROP MODEL m")


def test_predict_makes_no_value_of_a_null_where_it_casts(env: TableEnvironment, triton: Triton) -> None:
    create_model(env, "m", triton.http_url, "identity_fp32_array", "x ARRAY<FLOAT NOT NULL>", "y ARRAY<FLOAT>")
    with pytest.raises(Exception, match="ARRAY<FLOAT> cannot be assigned to model input type ARRAY<FLOAT NOT NULL>"):
        pyflink_triton.predict(env.from_path("t"), "m", ["ns"])
    env.create_temporary_view("ys", pyflink_triton.predict(env.sql_query("SELECT ARRAY[1, 2] AS ns"), "m", ["ns"]))
    assert collect(env, "SELECT y FROM ys") == [([1.0, 2.0],)]
    env.execute_sql("DROP TEMPORARY VIEW ys")
    env.execute_sql("DROP MODEL m")


def test_predict_rounds_nothing(env: TableEnvironment, triton: Triton) -> None:
    """The worker casts values and checks each, where a cast of Flink's would round."""
    create_model(env, "m", triton.http_url, "identity_fp32", "x FLOAT", "y FLOAT", default_value="null")
    rows = env.sql_query("SELECT x FROM (VALUES (16777216), (16777217), (3)) AS v(x)")
    env.create_temporary_view("ys", pyflink_triton.predict(rows, "m", ["x"]))
    assert sorted(collect(env, "SELECT x, y FROM ys")) == [(3, 3.0), (16777216, 16777216.0), (16777217, None)]
    env.execute_sql("DROP TEMPORARY VIEW ys")
    env.execute_sql("DROP MODEL m")
    create_model(env, "m", triton.http_url, "types_array", "in_uint64 ARRAY<DECIMAL(20, 0)>", "out_uint64 STRING")
    with pytest.raises(SchemaError, match=r"Write CAST\(... AS ARRAY<DECIMAL\(20, 0\)>\)"):
        pyflink_triton.predict(env.sql_query("SELECT ARRAY[1.5] AS x"), "m", ["x"])
    env.execute_sql("DROP MODEL m")
