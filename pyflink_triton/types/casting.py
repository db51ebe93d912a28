"""Columns cast to their declared types, and elements to their tensors' datatypes, with the rows that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pyflink_triton._arrow import Bools, flags, from_flags, numbers, present
from pyflink_triton.types.triton import Datatype


def cast_column(column: pa.Array, target: pa.DataType) -> tuple[pa.Array, Bools | None]:
    """Cast a column to its declared type as Flink's implicit cast would.

    Args:
        column: The values as they came.
        target: The declared Arrow type.

    Returns:
        The column cast, and a mask of the rows whose value the declared type cannot hold exactly (None: none).
    """
    if column.type == target:
        return column, None
    if pa.types.is_integer(column.type) and pa.types.is_floating(target):
        cast, exact = column.cast(target, safe=False), numbers(column)
        floats = numbers(cast).astype(np.float64)
        in_range = floats < 2.0 ** (8 * exact.itemsize - 1)
        differs = ~in_range | (np.where(in_range, floats, 0).astype(exact.dtype) != exact)
        return cast, _any(differs & present(column))
    if pa.types.is_decimal(column.type) and pa.types.is_floating(target):
        # Arrow's own cast is off by a unit in the last place; its parser of text is not.
        return column.cast(pa.utf8()).cast(pa.float64()).cast(target), None
    if pa.types.is_decimal(column.type) or pa.types.is_decimal(target):
        if pa.types.is_integer(column.type):
            column = column.cast(pa.decimal128(38, 0))
        try:
            return column.cast(target), None
        except pa.ArrowInvalid:
            return _cast_each(column, target)
    return column.cast(target), None


def _any(mask: Bools) -> Bools | None:
    return mask if mask.any() else None


def _cast_each(column: pa.Array, target: pa.DataType) -> tuple[pa.Array, Bools | None]:
    """Find the values that stop a whole column's cast; only after it failed."""
    bad = np.array([not _fits(column.slice(row, 1), target) for row in range(len(column))])
    return pc.if_else(from_flags(bad), pa.scalar(None, column.type), column).cast(target), bad


def _fits(value: pa.Array, target: pa.DataType) -> bool:
    try:
        value.cast(target)
    except pa.ArrowInvalid:
        return False
    return True


def to_elements(values: pa.Array, datatype: Datatype) -> tuple[npt.NDArray[Any], Bools | None]:
    """Turn a flat Arrow array without NULLs into a tensor's elements.

    Args:
        values: The elements in their declared type; a NULL becomes any value.
        datatype: The tensor's datatype, not BYTES.

    Returns:
        The elements, a view where the bytes agree, and a mask of those out of the datatype's range (None: none).
    """
    assert datatype.numpy is not None
    if pa.types.is_decimal(values.type):
        return _decimal_to_uint64(values)
    native = flags(values) if pa.types.is_boolean(values.type) else numbers(values)
    if not datatype.checked:
        return native.astype(datatype.numpy, copy=False), None
    return _CHECKED[native.dtype.kind](native, datatype)


def _integers_checked(native: npt.NDArray[Any], datatype: Datatype) -> tuple[npt.NDArray[Any], Bools | None]:
    assert datatype.numpy is not None
    elements = native.astype(datatype.numpy)
    bad: Bools = (native < 0) | (elements.astype(np.int64) != native)
    return elements, _any(bad)


def _floats_checked(native: npt.NDArray[Any], datatype: Datatype) -> tuple[npt.NDArray[Any], Bools | None]:
    if datatype.name == "BF16":
        elements = _to_bfloat16(native)
        infinite = np.isinf(from_bfloat16(elements))
    else:
        with np.errstate(over="ignore"):
            elements = native.astype(np.float16)
        infinite = np.isinf(elements)
    bad: Bools = infinite & np.isfinite(native)
    return elements, _any(bad)


_Checked = Callable[[npt.NDArray[Any], Datatype], "tuple[npt.NDArray[Any], Bools | None]"]
_CHECKED: dict[str, _Checked] = {"i": _integers_checked, "f": _floats_checked}


_UINT64_LIMITS = pa.Array.from_buffers(
    pa.decimal128(38, 0), 2, [None, pa.py_buffer(b"".join(n.to_bytes(16, "little") for n in (0, 2**64 - 1)))]
)


def _decimal_to_uint64(values: pa.Array) -> tuple[npt.NDArray[Any], Bools | None]:
    wide = values.cast(pa.decimal128(38, 0))
    low, high = _UINT64_LIMITS
    good = pc.fill_null(pc.and_(pc.greater_equal(wide, low), pc.less_equal(wide, high)), False)
    # A decimal128 of 0 to 2**64-1 is its lower eight bytes, little-endian.
    filled = pc.if_else(good, wide, low)
    halves = np.frombuffer(filled.buffers()[1], np.uint64)[2 * filled.offset :][: 2 * len(filled)]
    elements = np.ascontiguousarray(halves[::2])
    bad = present(values) & ~flags(good)
    return elements, _any(bad)


def _to_bfloat16(native: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Round to the nearest, ties to even; a NaN stays one."""
    bits = native.astype(np.float32).view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    return np.where(np.isnan(native), np.uint16(0x7FC0), rounded)


def from_bfloat16(elements: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Widen bfloat16's 16 bits to float32."""
    return (elements.astype(np.uint32) << 16).view(np.float32)
