"""ML_PREDICT over a real Triton through real Flink jobs, in streaming and in batch mode."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from flink_session import collect, collect_exactly, create_model, session, view
from pyflink.table import TableEnvironment
from soak import some
from triton import Triton
from type_cases import F32, I8, I32, KINDS, SHAPES

pytestmark = pytest.mark.either_mode

MODES = ("streaming", "batch")


@pytest.fixture(scope="module", params=MODES)
def env(request: pytest.FixtureRequest) -> TableEnvironment:
    return session(request.param)


def predict(
    env: TableEnvironment, url: str, served: str, given: str, declared: str, answered: str, values: list[Any]
) -> list[Any]:
    """Send values through an identity model; the answers in the order of the values."""
    view(env, "rows_in", {"n": "INT", "v": given}, [(n, value) for n, value in enumerate(values)])
    create_model(env, "echo", url, served, f"x {declared}", f"y {answered}")
    try:
        rows = collect(env, "SELECT n, y FROM ML_PREDICT(TABLE rows_in, MODEL echo, DESCRIPTOR(v))")
    finally:
        env.execute_sql("DROP MODEL echo")
        env.drop_temporary_view("rows_in")
    assert sorted(n for n, _ in rows) == list(range(len(values)))
    return [value for _, value in sorted(rows, key=lambda row: int(row[0]))]


@pytest.mark.parametrize(("kind", "shape", "batch"), some(list(product(KINDS, SHAPES, ["", "_nobatch"])), 3))
def test_every_type_goes_to_the_server_and_back(
    env: TableEnvironment, triton: Triton, kind: str, shape: str, batch: str
) -> None:
    """One row for each value of each type, and a row with a NULL in each column."""
    cases, (around, wrap) = KINDS[kind], SHAPES[shape]
    columns = [wrap(case.values) for case in cases]
    rows = [[column[n % len(column)] for column in columns] for n in range(max(map(len, columns)))]
    with_null = [[*rows[0][:n], None, *rows[0][n + 1 :]] for n in range(len(cases))]
    types = {"n": "INT", **{f"in_{case.datatype}": around.format(case.given) for case in cases}}
    view(env, "rows_in", types, [(n, *row) for n, row in enumerate([*rows, *with_null])])
    inputs, outputs = (
        ", ".join(f"{side}_{case.datatype} {around.format(getattr(case, which))}" for case in cases)
        for side, which in (("in", "given"), ("out", "answered"))
    )
    create_model(env, "types", triton.http_url, f"types{shape}{batch}", inputs, outputs)
    arguments = ", ".join(list(types)[1:])
    try:
        query = f"SELECT * FROM ML_PREDICT(TABLE rows_in, MODEL types, DESCRIPTOR({arguments}))"
        got = sorted(collect_exactly(env, query), key=lambda row: int(row["n"]))
    finally:
        env.execute_sql("DROP MODEL types")
        env.drop_temporary_view("rows_in")
    assert [row["n"] for row in got] == list(range(len(rows) + len(with_null)))
    for n, case in enumerate(cases):
        answers = [row[f"out_{case.datatype}"] for row in got]
        assert answers == [*(row[n] for row in rows), *([None] * len(with_null))], case.datatype


def test_a_nan_comes_back_as_one(env: TableEnvironment, triton: Triton) -> None:
    view(env, "rows_in", {"v": "FLOAT"}, [(math.nan,), (1.0,)])
    create_model(env, "echo", triton.http_url, "identity_fp32", "x FLOAT", "y FLOAT")
    rows = collect_exactly(env, "SELECT y FROM ML_PREDICT(TABLE rows_in, MODEL echo, DESCRIPTOR(v))")
    env.execute_sql("DROP MODEL echo")
    env.drop_temporary_view("rows_in")
    assert sum(math.isnan(row["y"]) for row in rows) == 1
    assert {"y": 1.0} in rows


@pytest.mark.parametrize(
    ("served", "given", "declared", "values", "expected"),
    [
        ("identity_int32", "TINYINT", "INT", I8, I8),
        ("identity_int64", "INT", "BIGINT", I32, I32),
        ("identity_fp32", "INT", "FLOAT", [1, -5, 16777216, None], [1.0, -5.0, 16777216.0, None]),
        ("identity_fp32", "DECIMAL(10, 2)", "FLOAT", [Decimal("1.25"), None], [1.25, None]),
        ("identity_fp64", "FLOAT", "DOUBLE", F32, F32),
        ("identity_int32_array", "ARRAY<TINYINT>", "ARRAY<INT>", [[-1], [200 - 256, 3], []], [[-1], [-56, 3], []]),
        ("identity_int64_array", "ARRAY<INT>", "ARRAY<BIGINT>", [[-1], [1, 2], None], [[-1], [1, 2], None]),
        ("identity_fp64_array", "ARRAY<FLOAT>", "ARRAY<DOUBLE>", [[1.5], []], [[1.5], []]),
    ],
)
def test_values_that_flink_lets_through_uncast_are_right(
    env: TableEnvironment,
    triton: Triton,
    served: str,
    given: str,
    declared: str,
    values: list[Any],
    expected: list[Any],
) -> None:
    assert predict(env, triton.http_url, served, given, declared, declared, values) == expected


@pytest.mark.parametrize(
    ("served", "given", "declared", "values", "words"),
    [
        ("identity_fp32_array", "ARRAY<INT>", "ARRAY<FLOAT>", [[1]], ["ARRAY<INT>", "CAST(... AS ARRAY<FLOAT>)"]),
        ("identity_fp64_array", "ARRAY<BIGINT>", "ARRAY<DOUBLE>", [[1]], ["CAST(... AS ARRAY<DOUBLE>)"]),
        ("identity_fp32", "INT", "FLOAT", [16777217], ["'x'", "CAST(... AS FLOAT)"]),
        ("identity_fp32", "FLOAT", "INT", [1.0], []),
        ("identity_fp32", "INT", "INT", [1], ["expected FLOAT but got INT32", "CAST"]),
        ("identity_uint8", "INT", "INT", [256], ["'x'", "out of the range of UINT8"]),
        ("identity_fp32_array", "ARRAY<FLOAT>", "ARRAY<FLOAT>", [[1.0, None]], ["'x'", "NULL"]),
        ("identity_fp32_nested", *["ARRAY<ARRAY<FLOAT>>"] * 2, [[[1.0], [1.0, 2.0]]], ["'x'", "ragged"]),
        ("fails", "BIGINT", "BIGINT", [-1], ["HTTP 500", "must not be negative"]),
        ("wrong_datatype", "FLOAT", "FLOAT", [1.0], ["output 'y' is INT32", "promised FP32"]),
        ("sequence", "BIGINT", "BIGINT", [1], ["stateful"]),
        ("no_such_model", "BIGINT", "BIGINT", [1], ["'no_such_model'", "unknown model"]),
    ],
)
def test_what_is_not_right_is_refused_with_a_sentence(
    env: TableEnvironment, triton: Triton, served: str, given: str, declared: str, values: list[Any], words: list[str]
) -> None:
    answered = declared if served != "sequence" else "BIGINT"
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own class is py4j's
        predict(env, triton.http_url, served, given, declared, answered, values)
    for word in words:
        assert word in str(error.value)


def test_an_output_that_narrows_is_refused_when_planned(env: TableEnvironment, triton: Triton) -> None:
    with pytest.raises(Exception, match="expected TINYINT but got INT32"):
        predict(env, triton.http_url, "identity_int32", "TINYINT", "TINYINT", "TINYINT", [1])


def test_three_inputs_and_two_outputs_of_different_types(env: TableEnvironment, triton: Triton) -> None:
    rows = [(n, n / 2, 10**12 + n, f"note {n}") for n in range(500)] + [(500, None, 1, "x"), (501, 1.0, 1, None)]
    types = {"n": "INT", "amount": "FLOAT", "account": "BIGINT", "note": "STRING"}
    view(env, "payments", types, rows)
    inputs = "note STRING, amount FLOAT, account BIGINT"
    create_model(env, "multi", triton.http_url, "multi", inputs, "label STRING, score FLOAT")
    query = "SELECT n, label, score FROM ML_PREDICT(TABLE payments, MODEL multi, DESCRIPTOR(note, amount, account))"
    got = sorted(collect(env, query))
    expected = [(n, note.upper(), amount * 2 + account % 7) for n, amount, account, note in rows[:500]]  # type: ignore[operator,union-attr] # no NULL among these
    assert got[:500] == [(n, label, pytest.approx(score)) for n, label, score in expected]
    assert got[500:] == [(500, None, None), (501, None, None)]
    env.execute_sql("DROP MODEL multi")
    env.drop_temporary_view("payments")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tiemout": "1s"}, ["no option 'tiemout'", "Did you mean 'timeout'?"]),
        ({"timeout": "soon"}, ["'timeout' = 'soon'", "'30s'"]),
        ({"endpoint": "http://127.0.0.1:9"}, ["Connection refused", "'best-effort'"]),
    ],
)
def test_a_bad_option_fails_when_planned(
    env: TableEnvironment, triton: Triton, options: dict[str, str], words: list[str]
) -> None:
    view(env, "numbers", {"v": "FLOAT"}, [(1.0,)])
    create_model(env, "bad", triton.http_url, "identity_fp32", "x FLOAT", "y FLOAT", **options)
    try:
        with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own class is py4j's
            env.explain_sql("SELECT y FROM ML_PREDICT(TABLE numbers, MODEL bad, DESCRIPTOR(v))")
        for word in (*words, "Model '"):
            assert word in str(error.value)
    finally:
        env.execute_sql("DROP MODEL bad")
        env.drop_temporary_view("numbers")


def test_plan_check_moves_the_check_to_the_start_of_the_job(env: TableEnvironment) -> None:
    view(env, "numbers", {"v": "FLOAT"}, [(1.0,)])
    query = "SELECT y FROM ML_PREDICT(TABLE numbers, MODEL away, DESCRIPTOR(v))"
    for check in ("best-effort", "off"):
        options = {"plan_check": check, "warmup_timeout": "100 ms"}
        create_model(env, "away", "http://127.0.0.1:9", "identity_fp32", "x FLOAT", "y FLOAT", **options)
        assert "MLPredict" in env.explain_sql(query)
        with pytest.raises(Exception, match="Connection refused"):
            collect(env, query)
        env.execute_sql("DROP MODEL away")
    env.drop_temporary_view("numbers")


def test_options_of_the_map_are_merged_and_checked(env: TableEnvironment, triton: Triton) -> None:
    view(env, "numbers", {"v": "FLOAT"}, [(1.5,)])
    create_model(env, "mapped", triton.http_url, "identity_fp32", "x FLOAT", "y FLOAT")
    query = "SELECT y FROM ML_PREDICT(TABLE numbers, MODEL mapped, DESCRIPTOR(v), MAP[{}])"
    good = "'async', 'true', 'request-timeout', '5s', 'max-concurrent-operations', '7'"
    assert collect(env, query.format(good)) == [(1.5,)]
    with pytest.raises(Exception, match="no option 'request-tmeout'"):
        env.explain_sql(query.format("'request-tmeout', '5s'"))
    env.execute_sql("DROP MODEL mapped")
    env.drop_temporary_view("numbers")


def test_the_operator_holds_enough_rows_unless_the_user_says_how_many(triton: Triton) -> None:
    capacity = "table.exec.async-ml-predict.max-concurrent-operations"
    env = session()
    view(env, "numbers", {"v": "FLOAT"}, [(1.5,)])
    create_model(env, "m", triton.http_url, "identity_fp32", "x FLOAT", "y FLOAT")
    query = "SELECT y FROM ML_PREDICT(TABLE numbers, MODEL m, DESCRIPTOR(v))"
    env.explain_sql(query)
    assert int(env.get_config().get(capacity, "10")) == 32 * 64
    env.get_config().set(capacity, "33")
    env.explain_sql(query)
    assert env.get_config().get(capacity, "10") == "33"
