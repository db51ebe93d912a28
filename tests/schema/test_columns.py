"""Columns to tensors and back: every datatype, shape and fault, without a server."""

from __future__ import annotations

import asyncio
import math
from decimal import Context, Decimal
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import Echo, identity, predictor

from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.runtime.predictor import Prediction
from pyflink_triton.types.casting import cast_column
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES


def tensor(datatype: str, *dims: int, name: str = "x") -> TensorSpec:
    return TensorSpec(name, DATATYPES[datatype], dims)


def run(
    spec: TensorSpec, sql: str, values: list[Any], *, argument: str | None = None, output: str | None = None,
    batch: int = 64, echo: Echo | None = None, **options: str,
) -> tuple[list[Any], dict[int, str]]:  # fmt: skip
    made = predictor(
        identity(spec, max_batch_size=batch),
        echo or Echo(),
        [sql],
        [argument] if argument else None,
        [output] if output else None,
        **options,
    )
    column = pa.array(values, parse_type(argument or sql, "x").arrow)
    prediction: Prediction = asyncio.run(made.predict(pa.record_batch([column], names=["c0"])))
    return prediction.outputs.column(0).to_pylist(), prediction.errors


I8, I16, I32, I64 = ([-(2**n), -1, 0, 1, 2**n - 1] for n in (7, 15, 31, 63))
F32 = [float(np.float32(v)) for v in (0.0, -0.0, 1.5, 1e-45, 3.4028234e38, -3.4028234e38, math.inf, -math.inf)]
TEXTS = ["", "a", "ünïcødé", "\0", "x" * 5000, "日本語", "🙂"]


@pytest.mark.parametrize(
    ("datatype", "sql", "values"),
    [
        ("BOOL", "BOOLEAN", [True, False]),
        ("INT8", "TINYINT", I8),
        ("INT16", "SMALLINT", I16),
        ("INT16", "TINYINT", I8),
        ("INT32", "INT", I32),
        ("INT32", "SMALLINT", I16),
        ("INT32", "TINYINT", I8),
        ("INT64", "BIGINT", [*I64, 9007199254740993]),
        ("INT64", "INT", I32),
        ("FP32", "FLOAT", F32),
        ("FP64", "DOUBLE", [0.0, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, 0.1]),
        ("FP64", "FLOAT", F32),
        ("FP16", "FLOAT", [0.0, 1.5, 65504.0, -65504.0, 6e-8, math.inf]),
        ("BF16", "FLOAT", [0.0, 1.5, -2.0, 3.3895314e38, math.inf, -math.inf]),
        ("UINT64", "DECIMAL(20, 0)", [Decimal(0), Decimal(2**63), Decimal(2**64 - 1)]),
        ("BYTES", "STRING", TEXTS),
        ("BYTES", "BYTES", [b"", b"\xff\xfe", b"\0", b"a" * 70000]),
    ],
)
def test_every_datatype_goes_round_with_boundary_values_and_nulls(datatype: str, sql: str, values: list[Any]) -> None:
    widened = {"TINYINT": DATATYPES[datatype].sql, "SMALLINT": DATATYPES[datatype].sql, "INT": DATATYPES[datatype].sql}
    output = "DOUBLE" if datatype == "FP64" else widened.get(sql, sql)
    expected = [None, *values, None]
    for batch in (64, 3, 0):
        got, errors = run(tensor(datatype, 1), sql, expected, output=output, batch=batch)
        assert errors == {}
        if datatype in ("FP16", "BF16"):
            got = [None if v is None else pytest.approx(v, rel=1e-2, abs=1e-7) for v in got]
        assert got == expected
    arrays = [values, [], None, values[:1]]
    got, errors = run(tensor(datatype, -1), f"ARRAY<{sql}>", arrays, output=f"ARRAY<{output}>")
    assert errors == {}
    if datatype not in ("FP16", "BF16"):
        assert got == arrays


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32"])
def test_a_nan_stays_one(datatype: str) -> None:
    got, errors = run(tensor(datatype, 1), "FLOAT", [math.nan, 1.0])
    assert errors == {}
    assert math.isnan(got[0])
    assert got[1] == 1.0


@pytest.mark.parametrize(
    ("datatype", "sql", "good", "bad"),
    [
        ("UINT8", "SMALLINT", [0, 255], [-1, 256]),
        ("UINT16", "INT", [0, 65535], [-1, 65536]),
        ("UINT32", "BIGINT", [0, 2**32 - 1], [-1, 2**32]),
        ("UINT64", "DECIMAL(20, 0)", [Decimal(0), Decimal(2**64 - 1)], [Decimal(-1), Decimal(2**64)]),
        ("FP16", "FLOAT", [65504.0, math.inf], [65520.0, -1e30]),
        ("BF16", "FLOAT", [3.0, math.inf], [3.4028234e38]),
    ],
)
def test_a_value_out_of_range_costs_its_own_row_only(datatype: str, sql: str, good: list[Any], bad: list[Any]) -> None:
    values = [good[0], *bad, good[1]]
    got, errors = run(tensor(datatype, 1), sql, values)
    assert (got[0] == pytest.approx(float(good[0]))) if datatype != "UINT64" else (got[0] == good[0])
    assert got[-1] == good[1]
    assert sorted(errors) == list(range(1, len(bad) + 1))
    assert all("out of the range" in message and "'x'" in message for message in errors.values())
    assert got[1 : len(bad) + 1] == [None] * len(bad)
    got, errors = run(tensor(datatype, -1), f"ARRAY<{sql}>", [good, [*good, *bad], good])
    assert sorted(errors) == [1]
    assert got[1] is None


def test_matrices_go_round_flat_and_nested() -> None:
    nested = [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], None, [[7.0, 8.0, 9.0], [10.0, 11.0, 12.0]]]
    flat = [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], None, [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]]
    assert run(tensor("FP32", 2, 3), "ARRAY<ARRAY<FLOAT>>", nested) == (nested, {})
    assert run(tensor("FP32", 2, 3), "ARRAY<FLOAT>", flat) == (flat, {})
    assert run(tensor("FP32", 2, 3), "ARRAY<FLOAT>", flat, output="ARRAY<ARRAY<FLOAT>>") == (nested, {})
    assert run(tensor("FP32", -1, 3), "ARRAY<FLOAT>", flat, output="ARRAY<ARRAY<FLOAT>>") == (nested, {})
    cubes = [[[[1], [2]]], [[[3], [4]], [[5], [6]]], []]
    assert run(tensor("INT64", -1, 2, 1), "ARRAY<ARRAY<ARRAY<BIGINT>>>", cubes) == (cubes, {})
    texts = [[["a", ""], ["ccc", "dd"]], [["é", "f"]]]
    assert run(tensor("BYTES", -1, -1), "ARRAY<ARRAY<STRING>>", texts) == (texts, {})


def test_rows_of_different_shapes_go_in_requests_of_their_own_and_keep_their_order() -> None:
    echo = Echo()
    rows = [[float(i)] * (i % 3 + 1) for i in range(30)]
    assert run(tensor("FP32", -1), "ARRAY<FLOAT>", rows, echo=echo, batch=4) == (rows, {})
    assert sorted(set(map(tuple, echo.shapes))) == [(2, 1), (2, 2), (2, 3), (4, 1), (4, 2), (4, 3)]


@pytest.mark.parametrize(
    ("dims", "sql", "bad", "what"),
    [
        ((-1,), "ARRAY<FLOAT>", [1.0, None], "NULL"),
        ((2,), "ARRAY<FLOAT>", [1.0, 2.0, 3.0], "shape"),
        ((2, 2), "ARRAY<ARRAY<FLOAT>>", [[1.0, 2.0, 3.0], [4.0]], "ragged"),
        ((-1, -1), "ARRAY<ARRAY<FLOAT>>", [[1.0, 2.0], [4.0]], "ragged"),
        ((-1, -1), "ARRAY<ARRAY<FLOAT>>", [[1.0, 2.0], None], "NULL"),
        ((-1, -1), "ARRAY<ARRAY<FLOAT>>", [[1.0, 2.0], [None, 1.0]], "NULL"),
        ((2, 2), "ARRAY<FLOAT>", [1.0], "shape"),
        ((-1, 2), "ARRAY<FLOAT>", [1.0, 2.0, 3.0], "shape"),
        ((-1, 2), "ARRAY<ARRAY<FLOAT>>", [[1.0]], "shape"),
    ],
)
def test_a_bad_array_costs_its_own_row_only(dims: tuple[int, ...], sql: str, bad: list[Any], what: str) -> None:
    two = [[1.0, 2.0], [3.0, 4.0]]
    good = two if sql.count("ARRAY") == 2 else [1.0, 2.0, 3.0, 4.0] if len(dims) == 2 else [1.0, 2.0]
    echo = Echo()
    got, errors = run(tensor("FP32", *dims), sql, [good, bad, None, good], echo=echo)
    assert got == [good, None, None, good]
    assert list(errors) == [1]
    assert what in errors[1]
    assert [shape[0] for shape in echo.shapes] == [2]


@pytest.mark.parametrize(
    ("argument", "declared", "datatype", "values", "expected", "bad"),
    [
        ("TINYINT", "INT", "INT32", [-128, 127, None], [-128, 127, None], []),
        ("INT", "BIGINT", "INT64", I32, I32, []),
        ("INT", "FLOAT", "FP32", [1, 16777216, 16777217, 2**31 - 1], [1.0, 16777216.0, None, None], [2, 3]),
        ("BIGINT", "DOUBLE", "FP64", [2**53, 2**53 + 1, 2**63 - 1], [2.0**53, None, None], [1, 2]),
        ("FLOAT", "DOUBLE", "FP64", F32, F32, []),
        ("DECIMAL(10, 2)", "FLOAT", "FP32", [Decimal("1.50"), None], [1.5, None], []),
        ("INT", "DECIMAL(20, 0)", "UINT64", [1, -1], [Decimal(1), None], [1]),
        ("DECIMAL(38, 0)", "DECIMAL(20, 0)", "UINT64", [Decimal(10**30), Decimal(7)], [None, Decimal(7)], [0]),
        ("ARRAY<TINYINT>", "ARRAY<INT>", "INT32", [[-1], [1, 2], [200 - 256]], [[-1], [1, 2], [-56]], []),
        ("ARRAY<FLOAT>", "ARRAY<DOUBLE>", "FP64", [[1.5], []], [[1.5], []], []),
    ],
)
def test_values_of_another_type_are_right_or_refused(
    argument: str, declared: str, datatype: str, values: list[Any], expected: list[Any], bad: list[int]
) -> None:
    spec = tensor(datatype, -1 if "ARRAY" in declared else 1)
    got, errors = run(spec, declared, values, argument=argument)
    assert got == expected
    assert sorted(errors) == bad


def test_requests_close_at_rows_and_at_bytes_and_a_larger_row_goes_alone() -> None:
    echo = Echo()
    rows = [[1.0] * 4] * 10
    assert run(tensor("FP32", 4), "ARRAY<FLOAT>", rows, echo=echo, max_request_bytes="50") == (rows, {})
    assert [shape[0] for shape in echo.shapes] == [3, 3, 3, 1]
    echo = Echo()
    assert run(tensor("FP32", 4), "ARRAY<FLOAT>", rows, echo=echo, max_request_bytes="7") == (rows, {})
    assert [shape[0] for shape in echo.shapes] == [1] * 10
    echo = Echo()
    run(tensor("FP32", 1), "FLOAT", [1.0] * 130, echo=echo)
    assert [shape[0] for shape in echo.shapes] == [64, 64, 2]
    echo = Echo()
    run(tensor("FP32", 1), "FLOAT", [None] * 130, echo=echo)
    assert echo.shapes == []


def test_sliced_batches_are_read_at_their_offset() -> None:
    spec = tensor("BYTES", -1)
    made = predictor(identity(spec), Echo(), ["ARRAY<STRING>"])
    whole = pa.record_batch([pa.array([["a"], ["bb", "c"], None, ["", "dd"], ["e"]])], names=["c0"])
    prediction = asyncio.run(made.predict(whole.slice(1, 3)))
    assert prediction.outputs.column(0).to_pylist() == [["bb", "c"], None, ["", "dd"]]
    made = predictor(identity(tensor("BOOL", 1)), Echo(), ["BOOLEAN"])
    whole = pa.record_batch([pa.array([True, False, None, False, True])], names=["c0"])
    prediction = asyncio.run(made.predict(whole.slice(1, 4)))
    assert prediction.outputs.column(0).to_pylist() == [False, None, False, True]


def test_random_nested_batches_equal_their_values() -> None:
    random = np.random.default_rng(7)
    for _ in range(60):
        rows: list[Any] = []
        for _ in range(int(random.integers(1, 40))):
            a, b = (int(n) for n in random.integers(0, 4, 2))
            # Inner arrays of length 0 carry no shape of their own when the outer one is empty too.
            value = [[float(v) for v in random.random(b).astype(np.float32)] for _ in range(a)]
            rows.append(None if random.random() < 0.2 else value)
        expected = list(rows)
        assert run(tensor("FP32", -1, -1), "ARRAY<ARRAY<FLOAT>>", rows, batch=5) == (expected, {})


def test_an_empty_child_as_arrow_java_writes_it_is_read() -> None:
    no_offsets = pa.Array.from_buffers(
        pa.list_(pa.float32()), 0, [None, pa.py_buffer(b"")], children=[pa.array([], pa.float32())]
    )
    nested = pa.list_(pa.list_(pa.float32()))
    column = pa.Array.from_buffers(nested, 1, [pa.py_buffer(b"\0"), pa.py_buffer(b"\0" * 8)], children=[no_offsets])
    made = predictor(identity(tensor("FP32", 2, 3)), Echo(), ["ARRAY<ARRAY<FLOAT>>"])
    prediction = asyncio.run(made.predict(pa.record_batch([column], names=["c0"])))
    assert prediction.outputs.column(0).to_pylist() == [None]


@pytest.mark.parametrize("dims", [(2, 3), (-1, 3)])
def test_an_empty_inner_array_is_its_own_rows_fault(dims: tuple[int, ...]) -> None:
    echo = Echo()
    good = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    got, errors = run(tensor("FP32", *dims), "ARRAY<ARRAY<FLOAT>>", [good, [[], []], good], echo=echo)
    assert got == [good, None, good]
    assert list(errors) == [1]
    assert "shape" in errors[1]
    assert echo.shapes == [[2, 2, 3]]


@pytest.mark.parametrize(("precision", "scale"), [(10, 2), (18, 18), (38, 10), (38, 0), (38, 38)])
def test_a_decimal_becomes_the_nearest_float(precision: int, scale: int) -> None:
    random = Random(1)
    units = [random.randint(1 - 10**precision, 10**precision - 1) for _ in range(2000)]
    values = [Decimal(unit).scaleb(-scale, Context(prec=60)) for unit in units]
    column = pa.array(values, pa.decimal128(precision, scale))
    doubles, bad = cast_column(column, pa.float64())
    assert bad is None
    assert doubles.to_pylist() == [float(value) for value in values]
    floats, _ = cast_column(column, pa.float32())
    assert floats.to_pylist() == [float(np.float32(float(value))) for value in values]


def test_a_null_for_an_optional_tensor_leaves_it_out() -> None:
    echo = Echo(lambda answer: answer.extend([({**answer[0][0], "name": "b"}, answer[0][1])] * (len(answer) < 2)))
    optional = TensorSpec("b", DATATYPES["FP32"], (1,), optional=True)
    made = predictor(identity(tensor("FP32", 1, name="a"), optional), echo, ["FLOAT", "FLOAT"])
    a, b = pa.array([1.0, 2.0, None, 4.0], pa.float32()), pa.array([None, 5.0, 6.0, None], pa.float32())
    prediction = asyncio.run(made.predict(pa.record_batch([a, b], names=["c0", "c1"])))
    assert prediction.errors == {}
    assert prediction.outputs.column(0).to_pylist() == [1.0, 2.0, None, 4.0]
    assert prediction.outputs.column(1).to_pylist() == [1.0, 5.0, None, 4.0]
    assert sorted([entry["name"] for entry, _ in request] for request in echo.requests) == [["a"], ["a", "b"]]


def test_a_leading_dimension_of_one_is_dropped_where_asked() -> None:
    spec, nested = tensor("FP32", -1), "ARRAY<ARRAY<FLOAT>>"
    rows: list[Any] = [[[1.0, 2.0]], [[3.0]], None, [[]]]
    echo = Echo()
    got, errors = run(spec, nested, rows, output="ARRAY<FLOAT>", echo=echo, flatten_batch_dim="true")
    assert (got, errors) == ([[1.0, 2.0], [3.0], None, []], {})
    assert sorted(echo.shapes) == [[1, 0], [1, 1], [1, 2]]
    bad = [[[1.0], [2.0]], [], [None], [[1.0, None]], [[4.0]]]
    got, errors = run(spec, nested, bad, output="ARRAY<FLOAT>", flatten_batch_dim="true")
    assert got == [None, None, None, None, [4.0]]
    what = ["has a leading dimension"] * 2 + ["holds a NULL"] * 2
    assert all(words in errors[row] for row, words in enumerate(what))
    assert sorted(errors) == [0, 1, 2, 3]
    cube = "ARRAY<ARRAY<ARRAY<FLOAT>>>"
    matrix = [[[1.0, 2.0], [3.0, 4.0]]]
    got, errors = run(tensor("FP32", -1, 2), cube, [matrix], output="ARRAY<ARRAY<FLOAT>>", flatten_batch_dim="true")
    assert (got, errors) == ([matrix[0]], {})
    # What has no such dimension goes as ever, flat values too.
    flat = [1.0, 2.0, 3.0, 4.0]
    got, errors = run(tensor("FP32", 2, 2), "ARRAY<FLOAT>", [flat], flatten_batch_dim="true")
    assert (got, errors) == ([flat], {})
    assert run(tensor("FP32", 1), "ARRAY<ARRAY<FLOAT>>", [[[1.0]], [[1.0, 2.0]]], output="FLOAT",
               flatten_batch_dim="true")[0] == [1.0, None]  # fmt: skip
