"""Models as PyFlink functions, without the jar: over a real Triton, in real Flink jobs."""

from __future__ import annotations

import math
import pickle
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from flink_session import collect_exactly, data_type, read_lines, session, view
from pyflink.table import DataTypes, Schema, Table, TableEnvironment
from pyflink.table.expressions import col, lit
from pyflink.table.udf import udf
from soak import IS_SOAK, some
from triton import Triton
from type_cases import KINDS, SHAPES

import pyflink_triton
from pyflink_triton.errors import OptionError, SchemaError, TritonError
from pyflink_triton.table.provider import TritonModelProvider

pytestmark = pytest.mark.either_mode

DOORS = ("scalar_function", "async_scalar_function")
BATCHED = {"table__exec__async_scalar__max_concurrent_operations": "2000"}


def provider(url: str, served: str, inputs: Any = None, outputs: Any = None, **options: str) -> TritonModelProvider:
    """Make a provider as a user does."""
    written = {"endpoint": url, "model-name": served, **{k.replace("_", "-"): v for k, v in options.items()}}
    return pyflink_triton.TritonModelProviderFactory().create_model_provider(written, inputs, outputs)


def rows_of(env: TableEnvironment, table: Table) -> list[dict[str, Any]]:
    """Run a table; its rows, exactly."""
    env.create_temporary_view("answers", table)
    try:
        return collect_exactly(env, "SELECT * FROM answers")
    finally:
        env.drop_temporary_view("answers")


@pytest.fixture(scope="module", params=[("streaming", DOORS[0]), ("batch", DOORS[0]), ("streaming", DOORS[1])], ids=str)
def door(request: pytest.FixtureRequest) -> tuple[TableEnvironment, str]:
    mode, kind = request.param
    return session(mode, with_jar=False), kind


@pytest.mark.parametrize(("types", "shape"), some(list(product(KINDS, SHAPES)), 3))
def test_every_type_goes_to_the_server_and_back(
    door: tuple[TableEnvironment, str], triton: Triton, types: str, shape: str
) -> None:
    """One row for each value of each type and a row with a NULL in each column; the outputs are a ROW."""
    env, kind = door
    cases, (around, wrap) = KINDS[types], SHAPES[shape]
    columns = [wrap(case.values) for case in cases]
    rows = [[column[n % len(column)] for column in columns] for n in range(max(map(len, columns)))]
    with_null = [[*rows[0][:n], None, *rows[0][n + 1 :]] for n in range(len(cases))]
    names = [f"in_{case.datatype}" for case in cases]
    inputs = {name: around.format(case.given) for name, case in zip(names, cases, strict=True)}
    outputs = {f"out_{case.datatype}": around.format(case.answered) for case in cases}
    view(env, "rows_in", {"n": "INT", **inputs}, [(n, *row) for n, row in enumerate([*rows, *with_null])])
    function = getattr(provider(triton.http_url, f"types{shape}", inputs, outputs), kind)()
    answered = env.from_path("rows_in").select(col("n"), function(*map(col, names)).alias("r"))
    flat = answered.select(col("n"), *(col("r").get(name).alias(name) for name in outputs))
    try:
        got = sorted(rows_of(env, flat), key=lambda row: int(row["n"]))
    finally:
        env.drop_temporary_view("rows_in")
    assert [row["n"] for row in got] == list(range(len(rows) + len(with_null)))
    for n, case in enumerate(cases):
        answers = [row[f"out_{case.datatype}"] for row in got]
        assert answers == [*(row[n] for row in rows), *([None] * len(with_null))], case.datatype


@pytest.mark.parametrize(
    ("served", "type_", "given", "values", "expected"),
    some(
        [
            ("identity_int64", "BIGINT", "BIGINT", [9007199254740993, None], [9007199254740993, None]),
            ("identity_int64", "BIGINT", "INT", [7, None], [7, None]),
            ("identity_fp32", "FLOAT", "INT", [16777216, None], [16777216.0, None]),
            ("identity_fp32", "FLOAT", "DECIMAL(10, 2)", [Decimal("1.25"), None], [1.25, None]),
            ("identity_fp32", "FLOAT", "FLOAT", [math.inf, -math.inf, None], [math.inf, -math.inf, None]),
            ("identity_int64_array", "ARRAY<BIGINT>", "ARRAY<INT>", [[1, 2], [], None], [[1, 2], [], None]),
            ("identity_bytes", "STRING", "STRING", ["", "ü", None], ["", "ü", None]),
        ],
        2,
    ),
)
def test_one_output_is_the_value_itself_and_flink_casts_what_it_casts_implicitly(
    door: tuple[TableEnvironment, str],
    triton: Triton,
    served: str,
    type_: str,
    given: str,
    values: list[Any],
    expected: list[Any],
) -> None:
    env, kind = door
    view(env, "rows_in", {"n": "INT", "v": given}, list(enumerate(values)))
    function = getattr(provider(triton.http_url, served, {"x": type_}, [("y", type_)]), kind)()
    try:
        got = rows_of(env, env.from_path("rows_in").select(col("n"), function(col("v")).alias("y")))
    finally:
        env.drop_temporary_view("rows_in")
    assert [row["y"] for row in sorted(got, key=lambda row: int(row["n"]))] == expected


def test_a_nan_is_not_a_null(door: tuple[TableEnvironment, str], triton: Triton) -> None:
    env, kind = door
    view(env, "rows_in", {"v": "FLOAT"}, [(math.nan,), (None,)])
    function = getattr(provider(triton.http_url, "identity_fp32"), kind)()
    got = [row["y"] for row in rows_of(env, env.from_path("rows_in").select(function(col("v")).alias("y")))]
    env.drop_temporary_view("rows_in")
    assert sum(value is not None and math.isnan(value) for value in got) == 1
    assert None in got


def test_constants_other_functions_and_a_schema_of_the_servers(
    door: tuple[TableEnvironment, str], triton: Triton
) -> None:
    env, kind = door
    view(env, "rows_in", {"n": "INT", "f": "FLOAT"}, [(1, 1.5), (2, None)])
    multi = getattr(provider(triton.http_url, "multi"), kind)()
    table = env.from_path("rows_in")
    got = rows_of(env, table.select(col("n"), multi(col("f"), lit(8), lit("good")).alias("r")))
    env.drop_temporary_view("rows_in")
    labels = {row["n"]: row["r"]["label"] if row["r"] else None for row in got}
    assert labels == {1: "GOOD", 2: None}


def test_a_constant_alone_and_functions_in_each_other(triton: Triton) -> None:
    env = session(with_jar=False)
    view(env, "rows_in", {"n": "BIGINT"}, [(1,), (None,), (9007199254740993,)])
    echo = provider(triton.http_url, "identity_int64").scalar_function()

    def add_in_place(column: Any) -> Any:
        column += 1
        return column

    in_place = udf(add_in_place, input_types=["BIGINT"], result_type="BIGINT", func_type="pandas")

    table = env.from_path("rows_in").select(
        col("n"), echo(lit(7)).alias("seven"), echo(echo(col("n"))).alias("twice"), echo(in_place(col("n"))).alias("p")
    )
    got = sorted(rows_of(env, table), key=lambda row: row["n"] or 0)
    assert [row["seven"] for row in got] == [7, 7, 7]
    assert [row["twice"] for row in got] == [None, 1, 9007199254740993]
    assert got[1]["p"] == 2


@pytest.mark.parametrize("kind", DOORS)
def test_each_row_has_its_own_result(triton: Triton, tmp_path: Path, kind: str) -> None:
    """100,000 rows; the server answers after random times, so answers come in another order than questions."""
    rows = 100_000 if IS_SOAK else 20_000
    env = session(with_jar=False, **BATCHED)
    function = getattr(provider(triton.http_url, "pairing"), kind)()
    _numbers(env, rows)
    pairs = _pairs(env, env.from_path("numbers").select(col("x"), function(col("x"))), tmp_path)
    assert [pair for pair in pairs if pair[1] != 3 * pair[0] + 1] == []
    assert sorted(x for x, _ in pairs) == list(range(rows))


def test_pyflinks_own_async_functions_mix_rows_up(tmp_path: Path) -> None:
    """Once this fails, PyFlink is right (FLINK-39532) and pyflink_triton/table/compat/async_operation.py can go."""
    env = session(with_jar=False, **BATCHED)

    async def plain(x: int) -> int:
        import asyncio

        await asyncio.sleep(0)
        return x

    _numbers(env, 2_000)
    function = udf(plain, input_types=["BIGINT"], result_type="BIGINT")
    pairs = _pairs(env, env.from_path("numbers").select(col("x"), function(col("x"))), tmp_path)
    assert len(pairs) == 2_000
    assert [pair for pair in pairs if pair[0] != pair[1]] != []


def _numbers(env: TableEnvironment, rows: int) -> None:
    env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100000000', "
        f"'fields.x.kind' = 'sequence', 'fields.x.start' = '0', 'fields.x.end' = '{rows - 1}')"
    )


def _pairs(env: TableEnvironment, table: Table, directory: Path) -> list[tuple[int, ...]]:
    env.execute_sql(
        "CREATE TEMPORARY TABLE pairs (x BIGINT, y BIGINT) WITH ('connector' = 'filesystem', "
        f"'path' = '{directory / 'pairs'}', 'format' = 'csv')"
    )
    table.execute_insert("pairs").wait()
    return [tuple(map(int, line.split(","))) for line in read_lines(directory / "pairs")]


@pytest.mark.parametrize(
    ("served", "type_", "value", "words"),
    [
        ("identity_uint8", "INT", 256, ["Model 'identity_uint8': column 'x'", "out of the range of UINT8"]),
        ("identity_fp32_array", "ARRAY<FLOAT>", [1.0, None], ["'x'", "NULL"]),
        ("fails", "BIGINT", -1, ["Model 'fails'", "HTTP 500", "must not be negative"]),
        ("wrong_datatype", "FLOAT", 1.0, ["output 'y' is INT32", "promised FP32"]),
    ],
)
def test_a_row_that_fails_fails_the_job_with_a_sentence(
    door: tuple[TableEnvironment, str], triton: Triton, served: str, type_: str, value: Any, words: list[str]
) -> None:
    env, kind = door
    view(env, "rows_in", {"v": type_}, [(value,)])
    function = getattr(provider(triton.http_url, served, {"x": type_}, {"y": type_}), kind)()
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own class is py4j's
        rows_of(env, env.from_path("rows_in").select(function(col("v"))))
    env.drop_temporary_view("rows_in")
    for word in words:
        assert word in str(error.value)


def test_what_is_wrong_is_told_before_a_job_is_made(triton: Triton) -> None:
    with pytest.raises(OptionError, match="option 'endpoint' is missing"):
        pyflink_triton.TritonModelProviderFactory().create_model_provider({"model-name": "m"})
    with pytest.raises(OptionError, match="Did you mean 'max-retries'"):
        provider(triton.http_url, "add", max_retrys="3")
    with pytest.raises(TritonError, match=r"Model 'no_such_model': .*unknown model"):
        provider(triton.http_url, "no_such_model")
    with pytest.raises(SchemaError, match=r"Model 'identity_fp32': .*'x' is STRING.*expected FLOAT but got BYTES"):
        provider(triton.http_url, "identity_fp32", {"x": "STRING"}, {"y": "FLOAT"}).scalar_function()
    with pytest.raises(SchemaError, match=r"CAST\(\.\.\. AS FLOAT\)"):
        provider(triton.http_url, "identity_fp32").scalar_function(["STRING"])


def test_schemas_in_every_form(triton: Triton) -> None:
    wanted = str(Schema.new_builder().column("x", "BIGINT").build())
    forms: list[Any] = [
        {"x": "BIGINT"},
        [("x", DataTypes.BIGINT())],
        Schema.new_builder().column("x", "BIGINT").build(),
        Schema.new_builder().column("x", DataTypes.BIGINT()).build(),
        None,
    ]
    for form in forms:
        made = provider(triton.http_url, "identity_int64", form)
        assert str(made.input_schema) == wanted


def test_an_array_for_a_scalar_is_a_batch_of_its_own(triton: Triton) -> None:
    env = session(with_jar=False)
    view(env, "rows_in", {"v": "ARRAY<FLOAT>"}, [([1.0, 2.0],), ([],), (None,)])
    function = provider(triton.http_url, "identity_fp32").scalar_function([data_type("ARRAY<FLOAT>")])
    got = [row["y"] for row in rows_of(env, env.from_path("rows_in").select(function(col("v")).alias("y")))]
    assert sorted(got, key=str) == sorted([[1.0, 2.0], [], None], key=str)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_registered_model_is_a_function_of_sql(triton: Triton, asynchronous: bool) -> None:
    env = session(with_jar=False)
    view(env, "rows_in", {"a": "INT", "b": "FLOAT"}, [(1, 1.5), (2, 2.0)])
    provider(triton.http_url, "add").register(env, "plus", asynchronous=asynchronous)
    got = collect_exactly(env, "SELECT plus(a, b) AS s FROM rows_in WHERE plus(a, b) > 1")
    assert sorted(row["s"] for row in got) == [2.5, 4.0]
    assert env.get_config().get("python.fn-execution.bundle.time", "") == "100"


def test_a_pickled_function_holds_references_and_no_secrets(triton: Triton, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYFLINK_TRITON_SECRET_CANARY", "a-canarys-song")
    made = provider(triton.http_url, "identity_int64", auth_token="${SECRET:canary}")
    for kind in DOORS:
        function = getattr(made, kind)()._func
        pickled = pickle.dumps(function)
        assert b"${SECRET:canary}" in pickled
        assert b"a-canarys-song" not in pickled
        assert isinstance(pickle.loads(pickled), type(function))
