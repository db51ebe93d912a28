"""What the arguments of m(x) are cast to."""

from __future__ import annotations

import pytest
from fakes import parse_columns

from pyflink_triton.errors import SchemaError
from pyflink_triton.options.validation import parse_options
from pyflink_triton.schema.function_types import call_types


@pytest.mark.parametrize(
    ("declared", "given", "cast"),
    [
        ("FLOAT", "FLOAT NOT NULL", "FLOAT"),
        ("FLOAT", "DECIMAL(38, 18)", "FLOAT"),
        ("FLOAT", "NULL", "FLOAT"),
        ("DOUBLE", "BIGINT", "DOUBLE"),
        ("DOUBLE", "FLOAT", "DOUBLE"),
        ("BIGINT", "TINYINT", "BIGINT"),
        ("STRING", "CHAR(3)", "STRING"),
        ("BYTES", "VARBINARY(9)", "BYTES"),
        # The tensor holds bytes, and as a text they would be others.
        ("STRING", "BYTES", "STRING"),
        ("ARRAY<STRING>", "ARRAY<BYTES>", "ARRAY<BYTES>"),
        ("STRING", "ARRAY<VARBINARY(9)>", "ARRAY<VARBINARY(9)>"),
        # Flink's own cast would give NULL for what does not fit: such values stay as they are and are checked.
        ("DECIMAL(20, 0)", "DECIMAL(38, 0)", "DECIMAL(38, 0)"),
        ("DECIMAL(20, 0)", "BIGINT", "DECIMAL(20, 0)"),
        ("ARRAY<DOUBLE>", "ARRAY<INT NOT NULL>", "ARRAY<DOUBLE>"),
        ("ARRAY<ARRAY<FLOAT>>", "ARRAY<INT>", "ARRAY<FLOAT>"),
        ("ARRAY<FLOAT>", "ARRAY<ARRAY<FLOAT>>", "ARRAY<ARRAY<FLOAT>>"),
        ("FLOAT", "ARRAY<INT>", "ARRAY<FLOAT>"),
    ],
)
def test_what_flink_casts_implicitly_is_cast_to_the_declared_type(declared: str, given: str, cast: str) -> None:
    options = parse_options({"endpoint": "http://h", "model-name": "m"})
    inputs, outputs = parse_columns([f"x {declared}", "n INT"]), parse_columns(["y FLOAT", "z STRING"])
    (got, other), gives = call_types(inputs, outputs, [given, "SMALLINT"], options)
    assert [str(got), str(other)] == [f"x {cast}", "n INT"]
    is_batch = "ARRAY" in cast and "ARRAY" not in declared
    assert [str(column) for column in gives] == (
        ["y ARRAY<FLOAT>", "z ARRAY<STRING>"] if is_batch else list(map(str, outputs))
    )


@pytest.mark.parametrize(
    ("declared", "given", "remedy"),
    [
        ("FLOAT", "DOUBLE", "CAST(... AS FLOAT)"),
        ("INT", "BIGINT", "CAST(... AS INT)"),
        ("INT", "FLOAT", "CAST(... AS INT)"),
        ("INT", "DECIMAL(5, 0)", "CAST(... AS INT)"),
        ("STRING", "INT", "CAST(... AS STRING)"),
        ("BOOLEAN", "INT", "CAST(... AS BOOLEAN)"),
        ("BYTES", "STRING", "CAST(... AS BYTES)"),
        ("DECIMAL(20, 0)", "DOUBLE", "CAST(... AS DECIMAL(20, 0))"),
        ("DECIMAL(20, 0)", "DECIMAL(20, 2)", "CAST(... AS DECIMAL(20, 0))"),
        ("ARRAY<FLOAT>", "FLOAT", "ARRAY[...]"),
        ("ARRAY<FLOAT>", "ARRAY<DOUBLE>", "CAST(... AS ARRAY<FLOAT>)"),
        ("FLOAT", "ARRAY<ARRAY<FLOAT>>", "...[1][1]"),
        ("ARRAY<ARRAY<FLOAT>>", "ARRAY<ARRAY<ARRAY<FLOAT>>>", "...[1]"),
    ],
)
def test_all_else_is_an_error_with_what_to_write(declared: str, given: str, remedy: str) -> None:
    options = parse_options({"endpoint": "http://h", "model-name": "m"})
    with pytest.raises(SchemaError) as error:
        call_types(parse_columns([f"x {declared}"]), parse_columns(["y FLOAT"]), [given], options)
    assert f"declared {declared}, but the argument is {given}. Write {remedy}" in str(error.value)


def test_a_dimension_too_many_is_taken_where_it_is_dropped_and_the_error_column_stays_a_text() -> None:
    options = parse_options(
        {"endpoint": "http://h", "model-name": "m", "flatten-batch-dim": "true", "error-column": "why"}
    )
    outputs = parse_columns(["why STRING", "y FLOAT"])
    nested, _ = call_types(parse_columns(["x ARRAY<ARRAY<FLOAT>>"]), outputs, ["ARRAY<ARRAY<ARRAY<INT>>>"], options)
    assert str(nested[0]) == "x ARRAY<ARRAY<ARRAY<FLOAT>>>"
    _, gives = call_types(parse_columns(["x FLOAT"]), outputs, ["ARRAY<FLOAT>"], options)
    assert [str(column) for column in gives] == ["why STRING", "y ARRAY<FLOAT>"]
