"""BYTES declared for a tensor of numbers or BOOL: what planning takes, and what it says of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import identity, parse_columns

from pyflink_triton.errors import OptionError, SchemaError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.schema.binding import ColumnBindings, bind_columns
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES

NUMBERS = [name for name in DATATYPES if name != "BYTES"]


def spec(name: str, datatype: str, *dims: int, optional: bool = False) -> TensorSpec:
    return TensorSpec(name, DATATYPES[datatype], dims, optional)


def bind(
    tensors: list[TensorSpec], inputs: str, outputs: str, arguments: list[str] | None = None, /, **options: str
) -> ColumnBindings:
    parsed = parse_options(
        {"endpoint": "http://localhost:1", "model-name": "m"}
        | {key.replace("_", "-"): value for key, value in options.items()}
    )
    types = None if arguments is None else [parse_type(text, "x") for text in arguments]
    signature = identity(*tensors)
    return bind_columns(signature, parse_columns(inputs.split("; ")), parse_columns(outputs.split("; ")), types, parsed)


def refused(tensors: list[TensorSpec], inputs: str, outputs: str, *more: Any, **options: str) -> str:
    with pytest.raises((SchemaError, OptionError)) as error:
        bind(tensors, inputs, outputs, *more, **options)
    return str(error.value)


@pytest.mark.parametrize("datatype", NUMBERS)
@pytest.mark.parametrize("dims", [(), (1,), (3, 4), (-1,), (2, -1, 3)])
def test_bytes_are_the_content_of_a_tensor_where_they_are_declared(datatype: str, dims: tuple[int, ...]) -> None:
    bound = bind([spec("x", datatype, *dims)], "x BYTES", "x BYTES")
    assert bound.inputs[0].is_raw
    assert bound.outputs[0].is_raw


def test_nothing_else_is_the_content_of_a_tensor() -> None:
    bound = bind([spec("x", "BYTES", 1)], "x BYTES", "x BYTES")
    assert not bound.inputs[0].is_raw
    assert not bound.outputs[0].is_raw
    assert "expected FLOAT but got BYTES" in refused([spec("x", "FP32", 1)], "x STRING", "x FLOAT")
    # A function may send bytes for a text, and only a tensor of the datatype BYTES takes them.
    assert bind([spec("x", "BYTES", 1)], "x STRING", "x STRING", ["BYTES"]).inputs[0].argument_type.name == "BYTES"
    assert "expected FLOAT but got BYTES" in refused([spec("x", "FP32", 1)], "x STRING", "x FLOAT", ["BYTES"])
    assert "the argument is BYTES" in refused([spec("x", "FP32", 1)], "x FLOAT", "x FLOAT", ["BYTES"])


@pytest.mark.parametrize(
    ("dims", "given", "answered"),
    [
        ((3,), "BINARY(12)", "BINARY(12)"),
        ((3,), "VARBINARY(12)", "VARBINARY(12)"),
        ((3,), "VARBINARY(99)", "VARBINARY(99)"),
        ((3,), "VARBINARY(2147483647)", "BYTES"),
        ((-1, 3), "BINARY(24)", "BYTES"),
        ((-1, 3), "VARBINARY(13)", "BYTES"),
    ],
)
def test_a_declared_length_that_fits_is_taken(dims: tuple[int, ...], given: str, answered: str) -> None:
    bound = bind([spec("x", "FP32", *dims)], f"x {given}", f"x {answered}")
    assert (str(bound.inputs[0].column.type), str(bound.outputs[0].column.type)) == (
        given.replace("VARBINARY(2147483647)", "BYTES"),
        answered,
    )


@pytest.mark.parametrize(
    ("dims", "given", "answered", "words"),
    [
        ((3,), "BINARY(11)", "BYTES", "has 12 bytes: declare it BYTES"),
        ((3,), "BINARY", "BYTES", "has 12 bytes: declare it BYTES"),
        ((3,), "VARBINARY(11)", "BYTES", "has 12 bytes: declare it BYTES"),
        ((3,), "BYTES", "BINARY(13)", "has 12 bytes: declare it BYTES"),
        ((3,), "BYTES", "VARBINARY(11)", "has 12 bytes: declare it BYTES"),
        ((-1, 3), "BINARY(13)", "BYTES", "has a multiple of 12 bytes: declare it BYTES"),
        ((-1, 3), "BYTES", "BINARY(12)", "has a multiple of 12 bytes: declare it BYTES"),
        ((-1, 3), "BYTES", "VARBINARY(1200)", "has a multiple of 12 bytes: declare it BYTES"),
        ((-1, -1), "BYTES", "ARRAY<FLOAT>", "declare it ARRAY<ARRAY<FLOAT>>"),
        ((-1, -1), "ARRAY<ARRAY<FLOAT>>", "BYTES", "declare it ARRAY<ARRAY<FLOAT>>"),
        ((3,), "BYTES", "BYTES NOT NULL", "Declare it BYTES"),
    ],
)
def test_what_cannot_hold_the_tensor_is_refused(dims: tuple[int, ...], given: str, answered: str, words: str) -> None:
    message = refused([spec("x", "FP32", *dims)], f"x {given}", f"x {answered}")
    assert "column 'x' is" in message
    assert words in message


@pytest.mark.parametrize(("given", "answered"), [("ARRAY<BYTES>", "BYTES"), ("BYTES", "ARRAY<BINARY(12)>")])
@pytest.mark.parametrize("dims", [(1,), (3,), (2, 3)])
def test_arrays_of_bytes_are_no_numbers(given: str, answered: str, dims: tuple[int, ...]) -> None:
    message = refused([spec("x", "FP32", *dims)], f"x {given}", f"x {answered}")
    assert "column 'x' is ARRAY<" in message
    assert "declare it BYTES and give one value for each row" in message
    assert "ARRAY<BYTES> to" not in message


def test_a_row_with_the_content_of_a_tensor_is_no_batch() -> None:
    two = [spec("a", "FP32", 1), spec("b", "FP32", 1)]
    message = refused(two, "a ARRAY<FLOAT>; b BYTES", "a ARRAY<FLOAT>; b ARRAY<FLOAT>")
    assert "column 'b' is BYTES" in message
    assert message.endswith("Declare 'b' FLOAT")
    message = refused(two, "a ARRAY<FLOAT>; b FLOAT", "a ARRAY<FLOAT>; b BYTES")
    assert message.endswith("Declare 'b' ARRAY<FLOAT>")


def test_the_default_of_a_tensors_content_is_null() -> None:
    x, y = spec("x", "FP32", 2), spec("y", "FP32", 1)
    assert bind([x], "x BYTES", "x BYTES", default_value="null").defaults is not None
    for text in ("-1.0", "", "AAAAAAAAAAA="):
        message = refused([x], "x BYTES", "x BYTES", default_value=text)
        assert "output column 'x'" in message
        assert message.endswith("write it as 'null'")
    good = '{"x": null, "y": -1.0}'
    assert bind([x, y], "x BYTES; y FLOAT", "x BYTES; y FLOAT", default_value=good).defaults is not None
    assert bind([x, y], "x BYTES; y FLOAT", "x BYTES; y FLOAT", default_value="null").defaults is not None
    for text in ('{"x": "a", "y": -1.0}', '{"x": 1}'):
        message = refused([x, y], "x BYTES; y FLOAT", "x BYTES; y FLOAT", default_value=text)
        assert f"write it as '{good}'" in message
    # Of the datatype BYTES nothing changes.
    assert bind([spec("x", "BYTES", 1)], "x BYTES", "x BYTES", default_value="a").defaults is not None
