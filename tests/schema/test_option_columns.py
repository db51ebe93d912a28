"""Columns that options refer to: found, checked, derived, and never sent as tensors."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest
from fakes import Echo, declare, identity, parse_columns

from pyflink_triton.errors import SchemaError
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.options import Options
from pyflink_triton.options.validation import parse_options
from pyflink_triton.schema.binding import bind_columns
from pyflink_triton.schema.derived import derive_inputs, derive_outputs
from pyflink_triton.schema.function_types import call_types
from pyflink_triton.schema.own_columns import OwnColumn
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES

X, USER = TensorSpec("x", DATATYPES["INT64"], (1,)), TensorSpec("user", DATATYPES["INT64"], (1,))
ALL = {"sequence-id": "c-${user}-${room}", "sequence-start": "${first}", "sequence-end": "${last}"}


def options(**written: str) -> Options:
    more = {key.replace("_", "-"): value for key, value in written.items()}
    return parse_options({"endpoint": "http://h", "model-name": "m", **more})


def test_each_reference_is_found_and_is_no_tensor() -> None:
    inputs = ["first BOOLEAN", "USER BIGINT", "x BIGINT", "room CHAR(3)", "last BOOLEAN"]
    found = bind_columns(identity(X), parse_columns(inputs), parse_columns(["x BIGINT"]), options=options(**ALL))
    assert found.references == {"user": 1, "room": 3, "first": 0, "last": 4}
    assert [(binding.tensor.name, binding.place) for binding in found.inputs] == [("x", 2)]
    assert [type_.leaf.name for type_ in found.argument_types] == ["BOOLEAN", "BIGINT", "BIGINT", "STRING", "BOOLEAN"]


def test_a_tensor_may_be_referred_to_as_well() -> None:
    found = bind_columns(
        identity(X, USER), parse_columns(["user BIGINT", "x BIGINT"]), parse_columns(["x BIGINT"]),
        options=options(sequence_id="${user}"),
    )  # fmt: skip
    assert found.references == {"user": 0}
    assert [binding.tensor.name for binding in found.inputs] == ["user", "x"]
    found = bind_columns(
        identity(X), parse_columns(["id BIGINT"]), parse_columns(["y BIGINT"]), options=options(sequence_id="${id}")
    )
    assert [binding.tensor.name for binding in found.inputs] == ["x"]


def test_references_are_not_sent_and_their_nulls_make_the_row_null() -> None:
    echo = Echo()
    made = declare(
        identity(X), echo, ["user STRING", "x BIGINT", "first BOOLEAN"], ["x BIGINT"],
        sequence_id="${user}", sequence_start="${first}",
    )  # fmt: skip
    columns = [pa.array(["a", None, "c", "d"]), pa.array([1, 2, 3, None]), pa.array([True, True, None, False])]
    prediction = asyncio.run(made.predict(pa.record_batch(columns, names=["c0", "c1", "c2"])))
    assert prediction.outputs.column(0).to_pylist() == [1, None, None, None]
    assert [entry["name"] for entry, _ in echo.requests[0]] == ["x"]
    assert echo.shapes == [[1, 1]]


@pytest.mark.parametrize(
    ("inputs", "written", "words"),
    [
        (["x BIGINT"], {"sequence-id": "${user}"}, "the column 'user', which is not in INPUT. Add `user` STRING"),
        (["x BIGINT", "user STRING"], {"sequence-id": "${user}", "sequence-start": "${f}"}, "Add `f` BOOLEAN to INPUT"),
        (["x BIGINT", "user DOUBLE"], {"sequence-id": "${user}"}, "is DOUBLE but has to be an integer or character"),
        (["x BIGINT", "user ARRAY<INT>"], {"sequence-id": "${user}"}, "is ARRAY<INT> but has to be"),
        (["x BIGINT", "f INT"], {"sequence-id": "s", "sequence-end": "${f}"}, "is INT but has to be BOOLEAN"),
        (["x BIGINT", "user STRING", "z INT"], {"sequence-id": "${user}"}, "'z' is not a tensor of the model"),
    ],
)  # fmt: skip
def test_a_reference_that_cannot_be_one_is_refused(inputs: list[str], written: dict[str, str], words: str) -> None:
    with pytest.raises(SchemaError) as error:
        bind_columns(identity(X), parse_columns(inputs), parse_columns(["x BIGINT"]), options=options(**written))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("declared", "given", "is_taken"),
    [
        ("STRING", "BIGINT", True),
        ("BIGINT", "VARCHAR(7)", True),
        ("INT", "BIGINT", True),
        ("STRING", "DOUBLE", False),
        ("STRING", "ARRAY<STRING>", False),
        ("STRING", "BYTES", False),
    ],
)
def test_a_template_takes_any_integer_or_text(declared: str, given: str, is_taken: bool) -> None:
    inputs, outputs = parse_columns(["x BIGINT", f"user {declared}"]), parse_columns(["x BIGINT"])
    types = [parse_type("BIGINT", "x"), parse_type(given, "user")]
    refers = options(sequence_id="${user}")
    if is_taken:
        assert bind_columns(identity(X), inputs, outputs, types, refers).argument_types[1] == types[1]
        cast, _ = call_types(inputs, outputs, ["INT", given], refers)
        assert [str(column) for column in cast] == ["x BIGINT", f"user {given}"]
        return
    with pytest.raises(SchemaError, match="Write "):
        bind_columns(identity(X), inputs, outputs, types, refers)
    with pytest.raises(SchemaError, match="Write "):
        call_types(inputs, outputs, ["INT", given], refers)


def test_a_flag_takes_a_boolean_only() -> None:
    inputs, outputs = parse_columns(["x BIGINT", "f BOOLEAN"]), parse_columns(["x BIGINT"])
    refers = options(sequence_id="s", sequence_start="${f}")
    with pytest.raises(SchemaError, match=r"CAST\(\.\.\. AS BOOLEAN\)"):
        bind_columns(identity(X), inputs, outputs, [parse_type("BIGINT", "x"), parse_type("INT", "f")], refers)


def test_a_derived_schema_ends_with_them() -> None:
    signature = ModelSignature("m", (X, USER), (X,), 8)
    refers = options(**ALL, error_column="why")
    assert [str(column) for column in derive_inputs(signature, refers)] == [
        *("x BIGINT", "user BIGINT", "room STRING", "first BOOLEAN", "last BOOLEAN")
    ]
    assert [str(column) for column in derive_outputs(signature, refers)] == ["x BIGINT", "why STRING"]
    found = bind_columns(signature, derive_inputs(signature, refers), derive_outputs(signature, refers), options=refers)
    assert found.own == {OwnColumn.ERROR: 1}
    assert found.references == {"user": 1, "room": 2, "first": 3, "last": 4}
    same = options(sequence_id="s", sequence_start="${f}", sequence_end="${f}")
    assert [str(column) for column in derive_inputs(signature, same)][2:] == ["f BOOLEAN"]
