"""A function's arguments as the columns that a model takes, and its outputs as what a function gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from pyflink_triton.errors import JobError, RowError
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.planning import DeclaredModel, write_columns
from pyflink_triton.schema.columns import Column, check_argument
from pyflink_triton.schema.function_types import call_types
from pyflink_triton.table.function_call import FunctionCall
from pyflink_triton.types.sql import SqlType, array_of, simple

_NAMES = {simple(name).arrow: name for name in ("BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE")}
_NAMES |= {pa.utf8(): "STRING", pa.binary(): "BYTES"}


def given_columns(declared: DeclaredModel) -> tuple[Column, ...]:
    """The columns in the types of their arguments, where these are known; the core casts the values."""
    if declared.arguments is None:
        return declared.inputs
    return tuple(replace(column, type=type_) for column, type_ in zip(declared.inputs, declared.arguments, strict=True))


def retyped(call: FunctionCall, declared: DeclaredModel, types: Sequence[pa.DataType]) -> FunctionCall | None:
    """The call for arguments of other types than it was planned with; None where they are the same.

    Flink plans a Python function's call with one object and runs another, which never learns the types.
    """
    given = [_given(type_, column) for type_, column in zip(types, declared.inputs, strict=True)]
    if [type_.arrow for type_ in given] == [column.type.arrow for column in given_columns(declared)]:
        return None
    written_types = [str(type_) for type_ in given]
    inputs, outputs = call_types(declared.inputs, declared.outputs, written_types, declared.options)
    # The core casts values, as in ML_PREDICT. The elements of arrays are cast before.
    arguments = [
        str(column.type) if column.type.depth else text for column, text in zip(inputs, written_types, strict=True)
    ]
    return {**call, "input": write_columns(inputs), "output": write_columns(outputs), "arguments": arguments}


def fit(values: pa.Array, column: Column) -> pa.Array:
    """Widen the elements of arrays, which Flink does not cast.

    Raises:
        SchemaError: Their type cannot be widened; the message has the CAST to write.
    """
    target = column.type.arrow
    if values.type == target:
        return values
    check_argument(column, _given(values.type, column))
    return values.cast(target)


def _given(type_: pa.DataType, column: Column) -> SqlType:
    if pa.types.is_list(type_):
        return array_of(_given(type_.value_type, column))
    if pa.types.is_decimal(type_):
        return simple(f"DECIMAL({type_.precision}, {type_.scale})")
    if pa.types.is_fixed_size_binary(type_):
        return simple("BYTES")
    if type_ not in _NAMES:
        raise JobError(f"input column '{column.name}' came as {type_}, which no tensor holds. {Remedy.USE_TYPE()}")
    return simple(_NAMES[type_])


def constant_type(value: Any, declared: pa.DataType) -> pa.DataType:
    """The type in which a constant is sent: BIGINT where the declared type cannot hold a whole number exactly."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and pa.types.is_floating(declared) and float(np.array(value, declared.to_pandas_dtype())) != value:
        return pa.int64()
    return declared


def repeat(value: Any, column: Column, rows: int) -> pa.Array:
    """A column that holds a constant in each of its rows."""
    if isinstance(value, bytearray):
        value = bytes(value)
    elif isinstance(value, Decimal) and pa.types.is_floating(column.type.arrow):
        value = float(value)
    return pa.repeat(pa.array([value], column.type.arrow)[0], rows)


def record_batch(columns: Sequence[pa.Array]) -> pa.RecordBatch:
    """Make the record batch that a predictor takes."""
    return pa.record_batch(list(columns), names=[f"c{index}" for index in range(len(columns))])


def first_error(errors: Mapping[int, str]) -> RowError | None:
    """The error of the first row that failed, which fails the job; None where no row failed."""
    return RowError(errors[min(errors)]) if errors else None
