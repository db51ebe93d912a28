"""The one line that attaches a server, and Flink's models over tables, in PyFlink."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest
from flink_session import collect_exactly, session, view
from pyflink.table import EnvironmentSettings, TableEnvironment
from triton import Triton

import pyflink_triton
from pyflink_triton.errors import OptionError, SchemaError


def fresh(mode: str) -> TableEnvironment:
    """A session as a user has it."""
    settings = EnvironmentSettings.in_batch_mode() if mode == "batch" else EnvironmentSettings.in_streaming_mode()
    return TableEnvironment.create(settings)


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_one_line_makes_models_functions(triton: Triton, mode: str) -> None:
    env = fresh(mode)
    pyflink_triton.connect(env, triton.http_url, timeout="10s")
    pyflink_triton.connect(env, triton.http_url)
    assert env.get_current_catalog() == "triton"
    with env.execute_sql("SHOW JARS").collect() as jars:
        assert len(list(jars)) == 1
    view(env, "rows_in", {"a": "INT", "b": "FLOAT"}, [(1, 1.5), (2, 2.0)])
    assert sorted(row["s"] for row in collect_exactly(env, "SELECT `add`(a, b) AS s FROM rows_in")) == [2.5, 4.0]


def test_what_the_user_has_set_stays() -> None:
    env = fresh("streaming")
    config = env.get_config()
    config.set("python.fn-execution.bundle.time", "7")
    config.set("python.executable", "/opt/python")
    pyflink_triton.connect(env, catalog="other", use=False)
    assert config.get("python.fn-execution.bundle.time", "") == "7"
    assert config.get("python.executable", "") == "/opt/python"
    assert config.get("python.client.executable", "") == sys.executable
    assert config.get("python.fn-execution.arrow.batch.size", "") == "4096"
    assert env.get_current_catalog() == "default_catalog"
    assert "other" in env.list_catalogs()


def test_a_wrong_option_is_told_in_a_sentence() -> None:
    with pytest.raises(OptionError, match="there is no option 'timeuot'"):
        pyflink_triton.connect(fresh("streaming"), "http://localhost:1", timeuot="10s")


@pytest.fixture(scope="module")
def env(triton: Triton) -> TableEnvironment:
    made = session("streaming")
    pyflink_triton.connect(made, triton.http_url)
    types = {"n": "INT", "d": "DECIMAL(10, 2)", "t": "STRING", "b": "BIGINT"}
    view(made, "rows_in", types, [(1, Decimal("1.25"), "good", 8), (2, None, "bad", 9)])
    return made


@pytest.mark.parametrize(
    ("model", "columns", "expected"),
    [
        ("multi", ["d", "n", "t"], [(1, 3.5, "GOOD"), (2, None, None)]),
        ("`identity_fp32`", ["n"], [(1, 1.0), (2, 2.0)]),
        ("triton.`default`.identity_int64", ["b"], [(1, 8), (2, 9)]),
    ],
)
def test_predict_casts_what_flink_casts(
    env: TableEnvironment, model: str, columns: list[str], expected: list[tuple[Any, ...]]
) -> None:
    rows = env.from_path("rows_in")
    predicted = pyflink_triton.predict(rows, model, columns, request_timeout="5s")
    assert list(predicted.get_resolved_schema().get_column_names())[:4] == ["n", "d", "t", "b"]
    env.create_temporary_view("predicted", predicted)
    got = collect_exactly(env, "SELECT * FROM predicted")
    env.drop_temporary_view("predicted")
    assert sorted((row["n"], *list(row.values())[4:]) for row in got) == expected


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["t"], ["input column 'x'", r"CAST(... AS FLOAT)"]),
        (["n", "n"], ["takes 1 columns (x FLOAT), and 2 were given"]),
        (["nope"], ["no column 'nope'", "n, d, t, b"]),
    ],
)
def test_predict_says_what_does_not_fit(env: TableEnvironment, columns: list[str], words: list[str]) -> None:
    with pytest.raises(SchemaError) as error:
        pyflink_triton.predict(env.from_path("rows_in"), "identity_fp32", columns)
    for word in ["Model 'identity_fp32'", *words]:
        assert word in str(error.value)


def test_a_descriptor_makes_a_model_of_the_catalog(env: TableEnvironment, triton: Triton) -> None:
    options = {"endpoint": triton.http_url, "model-name": "identity_int64"}
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(options)
    env.create_model("described", provider.model_descriptor())
    got = collect_exactly(env, "SELECT y FROM ML_PREDICT(TABLE rows_in, MODEL described, DESCRIPTOR(b))")
    env.drop_model("described")
    assert sorted(row["y"] for row in got) == [8, 9]
