"""Raw tensors: columns declared BYTES for tensors of numbers or BOOL, whose values are the tensor's content.

The content is that of a request: little-endian elements in row-major order. No element is checked.
"""

from __future__ import annotations

import math

from pyflink_triton.errors import SchemaError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column, pair


def is_raw(column: Column, tensor: TensorSpec) -> bool:
    """Whether a column's values are the content of its tensor, because it is declared BYTES."""
    return column.type.name == "BYTES" and tensor.datatype.is_fixed_size


def raw_unit(tensor: TensorSpec) -> int:
    """The bytes of one row where all dims are fixed, else those that one more step along the free dim adds."""
    return tensor.datatype.itemsize * math.prod(dim for dim in tensor.dims if dim != -1)


def raw_lengths(tensor: TensorSpec) -> str:
    """Which lengths in bytes fit a tensor, for messages."""
    return f"{'a multiple of ' if -1 in tensor.dims else ''}{in_bytes(raw_unit(tensor))}"


def in_bytes(size: int) -> str:
    """A length in words."""
    return f"{size} byte{'s' * (size != 1)}"


def check_raw(side: str, column: Column, tensor: TensorSpec) -> None:
    """Check that a raw column holds its tensor.

    Args:
        side: ``input`` or ``output``.
        column: The column; ``is_raw`` is true of it.
        tensor: Its tensor.

    Raises:
        SchemaError: Its bytes do not tell the tensor's shape, or its declared length does not fit.
    """
    if tensor.dims.count(-1) > 1:
        raise SchemaError(
            f"{pair(side, column, tensor)} Bytes alone do not tell a shape with more than one free dim: "
            + Remedy.DECLARE(type=tensor.sql_type)
        )
    if not _holds(side, column, tensor):
        raise SchemaError(
            f"{pair(side, column, tensor)} The lengths differ, because a row of the tensor has {raw_lengths(tensor)}: "
            + Remedy.DECLARE_BYTES()
        )


def _holds(side: str, column: Column, tensor: TensorSpec) -> bool:
    """Whether the declared length lets some row into an input, and each row of an output into the column."""
    most, unit, is_free = column.type.length, raw_unit(tensor), -1 in tensor.dims
    if most is None:
        return True
    if is_free and side == "output":
        return False
    if column.type.has_fixed_length:
        return most == unit or (is_free and most % max(unit, 1) == 0)
    return most >= unit
