"""Columns and tensors: which pairs are taken, and the sentence for those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from pyflink_triton.errors import ContractError, SchemaError
from pyflink_triton.model.signature import ModelSignature, TensorSpec, read_signature
from pyflink_triton.schema.binding import Column, bind_columns
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES


def spec(name: str, datatype: str, *dims: int, optional: bool = False) -> TensorSpec:
    return TensorSpec(name, DATATYPES[datatype], dims, optional)


def model(inputs: list[TensorSpec], outputs: list[TensorSpec], **fields: Any) -> ModelSignature:
    return ModelSignature("served", tuple(inputs), tuple(outputs), 8, **fields)


def columns(*pairs: str) -> list[Column]:
    return [Column.parse(*pair.split(" ", 1)) for pair in pairs]


A, B = spec("A", "FP32", 1), spec("b", "INT64", 1)
OUT = spec("y", "FP32", 1)


def test_names_match_exactly_then_ignoring_case_then_by_position() -> None:
    found = bind_columns(model([A, B], [OUT]), columns("b BIGINT", "a FLOAT"), columns("Y FLOAT"))
    assert [binding.tensor.name for binding in found.inputs] == ["b", "A"]
    found = bind_columns(model([A], [OUT]), columns("anything FLOAT"), columns("else DOUBLE"))
    assert [binding.tensor.name for binding in (*found.inputs, *found.outputs)] == ["A", "y"]
    twins = [spec("a", "FP32", 1), spec("A", "FP32", 1)]
    found = bind_columns(model(twins, [OUT]), columns("A FLOAT", "a FLOAT"), columns("y FLOAT"))
    assert [binding.tensor.name for binding in found.inputs] == ["A", "a"]


def test_a_name_that_may_be_two_tensors_is_refused() -> None:
    twins = [spec("Score", "FP32", 1), spec("SCORE", "FP32", 1)]
    with pytest.raises(SchemaError, match="may be any of Score"):
        bind_columns(model([A], twins), columns("A FLOAT"), columns("score FLOAT"))


def test_some_of_the_outputs_and_no_optional_input_are_enough() -> None:
    served = model([A, spec("extra", "BYTES", 1, optional=True)], [OUT, spec("z", "BYTES", 1)])
    found = bind_columns(served, columns("A FLOAT"), columns("z STRING"))
    assert [binding.tensor.name for binding in (*found.inputs, *found.outputs)] == ["A", "z"]


FP32, BYTES = spec("x", "FP32", 1), spec("x", "BYTES", 1)


@pytest.mark.parametrize(
    ("tensor", "column", "words"),
    [
        (FP32, "x INT", ["expected FLOAT but got INT32", "CAST(... AS FLOAT)"]),
        (FP32, "x DOUBLE", ["expected FLOAT but got FP64"]),
        (FP32, "x STRING", ["expected FLOAT but got BYTES"]),
        (FP32, "x DECIMAL(10, 2)", ["'x' is DECIMAL(10, 2)", "CAST(... AS FLOAT)"]),
        (spec("x", "INT32", 1), "x BIGINT", ["expected INT but got INT64"]),
        (spec("x", "INT8", 1), "x INT", ["expected TINYINT", "CAST(... AS TINYINT)"]),
        (spec("x", "FP64", 1), "x INT", ["expected DOUBLE but got INT32"]),
        (spec("x", "BOOL", 1), "x INT", ["expected BOOLEAN"]),
        (BYTES, "x INT", ["expected STRING but got INT32", "CAST(... AS STRING)"]),
        (spec("x", "UINT64", 1), "x DECIMAL(20, 2)", ["DECIMAL(20, 0)"]),
        (spec("x", "UINT8", 1), "x FLOAT", ["expected SMALLINT"]),
        (FP32, "x TIMESTAMP(3)", ["TIMESTAMP(3)", "CAST"]),
        (FP32, "x MAP<INT, INT>", ["MAP<INT, INT>", "CAST"]),
        (spec("x", "FP32", 4), "x FLOAT", ["shapes differ", "declare it ARRAY<FLOAT>"]),
        (FP32, "x ARRAY<FLOAT>", ["shapes differ", "declare it FLOAT"]),
        (spec("x", "FP32", 2, 3), "x ARRAY<ARRAY<ARRAY<FLOAT>>>", ["declare it ARRAY<ARRAY<FLOAT>>"]),
        (spec("x", "FP32", -1, -1), "x ARRAY<FLOAT>", ["declare it ARRAY<ARRAY<FLOAT>>"]),
        (spec("x", "FP32", 4), "x ARRAY<ARRAY<FLOAT>>", ["declare it ARRAY<FLOAT>", "'flatten-batch-dim' = 'true'"]),
        (spec("x", "INT64", 1), "x DECIMAL(19, 0)", ["'x' is DECIMAL(19, 0)", "CAST(... AS BIGINT)"]),
        (BYTES, "x DECIMAL(5, 2)", ["CAST(... AS STRING)"]),
        (spec("x", "FP32", -1), "x ARRAY<DECIMAL(5, 2)>", ["CAST(... AS ARRAY<FLOAT>)"]),
        (spec("x", "FP32", -1), "x ARRAY<INT>", ["expected FLOAT but got INT32", "CAST(... AS ARRAY<FLOAT>)"]),
    ],
)
def test_a_bad_input_is_one_sentence_with_the_cast(tensor: TensorSpec, column: str, words: list[str]) -> None:
    with pytest.raises(SchemaError) as error:
        bind_columns(model([tensor], [OUT]), columns(column), columns("y FLOAT"))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("tensor", "column", "words"),
    [
        (spec("y", "INT32", 1), "y TINYINT", ["expected TINYINT but got INT32", "Declare it INT"]),
        (spec("y", "INT64", 1), "y INT", ["Declare it BIGINT"]),
        (spec("y", "FP64", 1), "y FLOAT", ["Declare it DOUBLE"]),
        (spec("y", "UINT32", 1), "y INT", ["Declare it BIGINT"]),
        (spec("y", "UINT64", 1), "y BIGINT", ["Declare it DECIMAL(20, 0)"]),
        (spec("y", "UINT64", 1), "y DECIMAL(10, 0)", ["Declare it DECIMAL(20, 0)"]),
        (spec("y", "BYTES", 1), "y VARCHAR(10)", ["Declare it STRING"]),
        (spec("y", "BYTES", 1), "y FLOAT", ["Declare it STRING"]),
        (spec("y", "FP32", 1), "y BIGINT", ["Declare it FLOAT"]),
        (spec("y", "FP32", 3), "y FLOAT", ["declare it ARRAY<FLOAT>"]),
        (spec("y", "FP32", -1), "y ARRAY<STRING>", ["Declare it ARRAY<FLOAT>"]),
    ],
)
def test_an_output_only_widens(tensor: TensorSpec, column: str, words: list[str]) -> None:
    with pytest.raises(SchemaError) as error:
        bind_columns(model([A], [tensor]), columns("A FLOAT"), columns(column))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        (["A FLOAT"], ["y FLOAT"], ["no input column stands for the tensor 'b'", "`b` BIGINT"]),
        (["A FLOAT", "b BIGINT", "c INT"], ["y FLOAT"], ["'c' is not a tensor", "A FP32[1], b INT64[1]"]),
        (["A FLOAT", "a FLOAT", "b BIGINT"], ["y FLOAT"], ["two input columns", "'A'"]),
        (["A FLOAT", "b BIGINT"], ["y FLOAT", "Y FLOAT"], ["two output columns"]),
        (["A FLOAT", "b BIGINT"], ["p FLOAT", "q FLOAT"], ["'p' is not a tensor", "y FP32[1]"]),
        ([], ["y FLOAT"], ["declares no input column"]),
    ],
)
def test_columns_and_tensors_that_do_not_pair_are_refused(
    inputs: list[str], outputs: list[str], words: list[str]
) -> None:
    with pytest.raises(SchemaError) as error:
        bind_columns(model([A, B], [OUT]), columns(*inputs), columns(*outputs))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("given", "declared", "is_taken"),
    [
        ("TINYINT", "INT", True),
        ("INT", "TINYINT", False),
        ("INT", "FLOAT", True),
        ("DECIMAL(10, 2)", "DOUBLE", True),
        ("FLOAT", "DOUBLE", True),
        ("DOUBLE", "FLOAT", False),
        ("VARCHAR(3)", "STRING", True),
        ("ARRAY<TINYINT>", "ARRAY<INT>", True),
        ("ARRAY<INT>", "ARRAY<FLOAT>", False),
        ("ARRAY<BIGINT>", "ARRAY<DOUBLE>", False),
        ("ARRAY<FLOAT>", "ARRAY<DOUBLE>", True),
        ("ARRAY<ARRAY<INT>>", "ARRAY<ARRAY<BIGINT>>", True),
        ("ARRAY<INT>", "ARRAY<ARRAY<INT>>", False),
    ],
)
def test_what_is_given_is_cast_to_what_is_declared_or_refused(given: str, declared: str, is_taken: bool) -> None:
    datatype = {"I": "INT32", "T": "INT8", "B": "INT64", "F": "FP32", "D": "FP64", "S": "BYTES"}
    leaf = declared.replace("ARRAY<", "")[0]
    tensor = spec("x", datatype[leaf], *([-1] * declared.count("ARRAY") or [1]))
    arguments = [parse_type(given, "x")]
    if is_taken:
        found = bind_columns(model([tensor], [OUT]), columns(f"x {declared}"), columns("y FLOAT"), arguments)
        assert found.inputs[0].argument_type == arguments[0]
        return
    with pytest.raises(SchemaError) as error:
        bind_columns(model([tensor], [OUT]), columns(f"x {declared}"), columns("y FLOAT"), arguments)
    remedy = f"CAST(... AS {declared})" if given.count("ARRAY") == declared.count("ARRAY") else "ARRAY[...]"
    assert f"Write {remedy}" in str(error.value)
    assert given in str(error.value)


def test_stateful_models_are_refused() -> None:
    with pytest.raises(SchemaError, match="stateful"):
        bind_columns(model([A], [OUT], stateful=True), columns("A FLOAT"), columns("y FLOAT"))


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ((TensorSpec("A", DATATYPES["FP16"], (1,)), OUT), "cannot hold FP16"),
        ((A, TensorSpec("y", DATATYPES["BF16"], (1,))), "cannot hold BF16"),
        ((TensorSpec("A", DATATYPES["FP32"], (2, 3)), OUT), "one flat array"),
        ((TensorSpec("A", DATATYPES["FP32"], (-1, -1)), OUT), "one flat array"),
    ],
)
def test_what_the_json_of_streams_cannot_hold_is_refused(tensors: tuple[TensorSpec, TensorSpec], words: str) -> None:
    given, answered = tensors
    depth = max(len(given.dims), 1)
    column = "A FLOAT" if given.dims == (1,) else f"A {'ARRAY<' * depth}FLOAT{'>' * depth}"
    with pytest.raises(SchemaError, match=words):
        bind_columns(model([given], [answered], decoupled=True), columns(column), columns("y FLOAT"))


METADATA = {
    "name": "m",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "BYTES", "shape": [-1, 1]}],
}


def test_a_signature_is_read_with_and_without_the_configuration() -> None:
    read = read_signature(METADATA, {"max_batch_size": 8, "input": [{"name": "x", "optional": True}]}, None)
    assert (read.inputs[0].dims, read.max_batch_size, read.inputs[0].optional) == ((4,), 8, True)
    assert read_signature(METADATA, {"max_batch_size": 8}, 5).max_batch_size == 5
    assert read_signature(METADATA, {"max_batch_size": 8}, 50).max_batch_size == 8
    assert read_signature(METADATA, None, 16).inputs[0].dims == (4,)
    assert read_signature(METADATA, None, 0).inputs[0].dims == (-1, 4)
    with pytest.raises(SchemaError, match="max-batch-size"):
        read_signature(METADATA, None, None)
    for broken in ({"foo": 1}, {**METADATA, "inputs": None}, {**METADATA, "outputs": [{"name": "y"}]}):
        with pytest.raises(ContractError):
            read_signature(broken, {}, None)
    odd = {**METADATA, "inputs": [{"name": "x", "datatype": "FP8", "shape": [1]}]}
    with pytest.raises(SchemaError, match="FP8"):
        read_signature(odd, {}, None)
