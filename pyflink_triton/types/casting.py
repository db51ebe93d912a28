"""Columns cast to their declared types, with the rows whose value a type cannot hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyflink_triton._arrow import Bools, any_of, from_flags, numbers, present


def cast_column(column: pa.Array, target: pa.DataType) -> tuple[pa.Array, Bools | None]:
    """Cast a column to its declared type as Flink's implicit cast would.

    Args:
        column: The values in the type of the argument.
        target: The declared Arrow type.

    Returns:
        The cast column, and a mask of the rows whose value the declared type cannot hold exactly (None: it holds
            all).
    """
    if column.type == target:
        return column, None
    if pa.types.is_integer(column.type) and pa.types.is_floating(target):
        cast, exact = column.cast(target, safe=False), numbers(column)
        floats = numbers(cast).astype(np.float64)
        in_range = floats < 2.0 ** (8 * exact.itemsize - 1)
        differs = ~in_range | (np.where(in_range, floats, 0).astype(exact.dtype) != exact)
        return cast, any_of(differs & present(column))
    if pa.types.is_decimal(column.type) and pa.types.is_floating(target):
        # Arrow's cast can be wrong in the last digit. The way over text is exact.
        return column.cast(pa.utf8()).cast(pa.float64()).cast(target), None
    if pa.types.is_decimal(column.type) or pa.types.is_decimal(target):
        if pa.types.is_integer(column.type):
            column = column.cast(pa.decimal128(38, 0))
        try:
            return column.cast(target), None
        except pa.ArrowInvalid:
            return _cast_each(column, target)
    return column.cast(target), None


def _cast_each(column: pa.Array, target: pa.DataType) -> tuple[pa.Array, Bools | None]:
    """Cast a column whose whole cast failed, and find the values that do not fit."""
    bad = np.array([not _fits(column.slice(row, 1), target) for row in range(len(column))])
    return pc.if_else(from_flags(bad), pa.scalar(None, column.type), column).cast(target), bad


def _fits(value: pa.Array, target: pa.DataType) -> bool:
    try:
        value.cast(target)
    except pa.ArrowInvalid:
        return False
    return True
