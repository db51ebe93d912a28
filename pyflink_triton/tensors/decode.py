"""Tensors to Arrow arrays of the declared types, checked against what the model promised."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pyflink_triton._arrow import Bools, from_flags, from_numbers, from_offsets, numpy_type
from pyflink_triton.errors import ContractError, RowError
from pyflink_triton.protocol.inference import OutputTensor
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import Binding
from pyflink_triton.types.casting import from_bfloat16
from pyflink_triton.types.sql import SqlType

_MAX_ELEMENTS = (1 << 31) - 1
_OF_ANOTHER = (
    ". It may be the answer to another request of the same bytes: a model's response_cache does not look at shapes. "
    + Remedy.SWITCH_CACHE_OFF()
)
#: An output of an answer: the shape of one row and the bytes of all; None where the answer lacks it and may.
Output = tuple[tuple[int, ...], memoryview] | None
Fault = Callable[[Bools, str], None]


def check(binding: Binding, answer: OutputTensor, rows: int, has_batch_axis: bool, may_cache: bool) -> Output:
    """Check one output of one response against what the model promised.

    Args:
        binding: The declared column and its tensor.
        answer: The tensor's shape, with the batch axis where there is one, and its bytes.
        rows: How many rows were sent.
        has_batch_axis: Whether the first axis is the rows.
        may_cache: Whether the answer may come from the server's cache.

    Returns:
        The shape of one row, and the bytes of all.

    Raises:
        RowError: The shape is not what the model promised, and may be that of another request's answer.
        ContractError: Shape, form or size is not what the model promised.
    """
    tensor, declared = binding.tensor, binding.column.type
    shape, data = answer.shape, answer.data
    promised = (rows, *tensor.dims) if has_batch_axis else tensor.dims
    is_inner_good = len(shape) == len(promised) and all(
        size >= 0 and dim in (-1, size) for dim, size in zip(tensor.dims, shape[has_batch_axis:], strict=True)
    )
    if not is_inner_good or (has_batch_axis and shape[0] != rows):
        message = f"output '{tensor.name}' has the shape {list(shape)}, and the model promised {list(promised)}"
        message += f" for {rows} row{'s' * (rows != 1)}"
        if may_cache and is_inner_good:  # the model's answers to others have its dims, too, and another number of rows
            raise RowError(message + _OF_ANOTHER, splits=True)
        raise ContractError(message)
    if data is None:
        raise ContractError(f"output '{tensor.name}' is not binary, though it was asked for as such")
    inner = shape[1:] if has_batch_axis else shape
    per_row = math.prod(inner)
    if declared.depth == 0 and per_row != 1:
        raise ContractError(
            f"output '{tensor.name}' has {per_row} elements a row, and column '{binding.column.name}' is "
            f"{declared}: {Remedy.DECLARE(type=f'ARRAY<{declared}>')}"
        )
    if rows * math.prod(max(size, 1) for size in inner) > _MAX_ELEMENTS:
        raise ContractError(f"output '{tensor.name}' has the shape {list(shape)}, more than a batch can hold")
    size = rows * per_row * tensor.datatype.itemsize
    if len(data) < size or (tensor.datatype.numpy is not None and len(data) != size):
        raise ContractError(f"output '{tensor.name}' has {len(data)} bytes for the shape {list(shape)}")
    return inner, data


def decode(binding: Binding, inner: tuple[int, ...], data: memoryview | bytes, rows: int, fault: Fault) -> pa.Array:
    """Decode an output of some rows, of one response or of several that were checked and joined.

    Args:
        binding: The declared column and its tensor.
        inner: The shape of one row.
        data: The bytes of all rows.
        rows: How many there are.
        fault: Called with a mask of rows and what is wrong with their output.

    Returns:
        An array of ``rows`` values in the declared type.

    Raises:
        ContractError: A BYTES tensor is not what its lengths say.
    """
    tensor, declared = binding.tensor, binding.column.type
    per_row = math.prod(inner)
    if tensor.datatype.numpy is None:
        elements = _split_bytes(tensor.name, memoryview(data), rows * per_row)
        if declared.leaf.name == "STRING":
            elements, bad = _to_text(elements)
            if bad.any():
                message = f"output '{tensor.name}' holds bytes that are not UTF-8: {Remedy.DECLARE_BYTES()}"
                fault(bad.reshape(rows, per_row).any(axis=1), message)
    else:
        elements = _widen(np.frombuffer(data, tensor.datatype.numpy), tensor.datatype.name, declared.leaf)
    return _nest(elements, rows, (per_row,) if declared.depth == 1 else inner, declared.depth)


def _widen(values: npt.NDArray[Any], datatype: str, leaf: SqlType) -> pa.Array:
    if leaf.name == "DECIMAL":
        return from_numbers(values, pa.uint64()).cast(pa.decimal128(20, 0)).cast(leaf.arrow)
    if datatype == "BF16":
        values = from_bfloat16(values)
    if leaf.name == "BOOLEAN":
        return from_flags(values)
    return from_numbers(values.astype(numpy_type(leaf.arrow), copy=not values.flags.aligned), leaf.arrow)


def _split_bytes(name: str, data: memoryview, count: int) -> pa.Array:
    """Strip the length prefixes; where each stands depends on those before it."""
    starts = np.empty(count + 1, dtype=np.int64)
    position = 0
    size = len(data)
    for element in range(count):
        starts[element] = position
        if position + 4 > size:
            raise ContractError(f"output '{name}' ends before its element {element}")
        position += 4 + int.from_bytes(data[position : position + 4], "little")
    if position != size:
        raise ContractError(f"output '{name}' has {size} bytes, and its elements say {position}")
    starts[count] = position
    keep = np.ones(size, dtype=np.bool_)
    keep[(starts[:-1, None] + np.arange(4)).ravel()] = False
    return from_offsets(pa.binary(), starts - 4 * np.arange(count + 1), np.frombuffer(data, np.uint8)[keep])


def _to_text(values: pa.Array) -> tuple[pa.Array, Bools]:
    """Take bytes as UTF-8; where some are not, an empty text and their places."""
    try:
        return values.cast(pa.utf8()), np.zeros(len(values), dtype=np.bool_)
    except pa.ArrowInvalid:
        bad = np.array([not _is_utf8(value) for value in values.to_pylist()])
        return pc.if_else(from_flags(bad), b"", values).cast(pa.utf8()), bad


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _nest(elements: pa.Array, rows: int, shape: tuple[int, ...], depth: int) -> pa.Array:
    for level in range(depth - 1, -1, -1):
        size = shape[level]
        lists = rows * math.prod(shape[:level])
        elements = from_offsets(pa.list_(elements.type), np.arange(lists + 1) * size, elements)
    return elements
