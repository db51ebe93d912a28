"""Turns tensors into Arrow arrays of the declared types, and checks them against the model's signature."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import from_offsets
from pyflink_triton.errors import ContractError, RowError
from pyflink_triton.protocol.inference import OutputTensor
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import TensorBinding
from pyflink_triton.tensors.encode import Reject
from pyflink_triton.types.wire import WireError

_MAX_ELEMENTS = (1 << 31) - 1
_OF_ANOTHER = (
    ". It may be the answer to another request with the same bytes, because a model's response_cache does not look at "
    "shapes. " + Remedy.SWITCH_CACHE_OFF()
)
#: An output in a response: the shape of one row, and the bytes of all rows. None: the response lacks it, and may.
Output = tuple[tuple[int, ...], memoryview] | None


def check_shape(
    binding: TensorBinding, shape: tuple[int, ...], rows: int, has_batch_axis: bool, may_cache: bool
) -> tuple[tuple[int, ...], int]:
    """Check the shape of one output of one response against the model's signature.

    Args:
        binding: The declared column and its tensor.
        shape: The shape, with the batch axis where there is one.
        rows: The number of rows that were sent.
        has_batch_axis: Whether the first axis is that of the rows.
        may_cache: Whether the response may come from the server's cache.

    Returns:
        The shape of one row, and the bytes that all rows have at the least.

    Raises:
        RowError: The shape does not fit the signature, but the response may be that of another request.
        ContractError: The shape does not fit the signature or the column.
    """
    tensor, declared = binding.tensor, binding.column.type
    promised = (rows, *tensor.dims) if has_batch_axis else tensor.dims
    is_inner_good = len(shape) == len(promised) and all(
        size >= 0 and dim in (-1, size) for dim, size in zip(tensor.dims, shape[has_batch_axis:], strict=True)
    )
    if not is_inner_good or (has_batch_axis and shape[0] != rows):
        message = f"output '{tensor.name}' has the shape {list(shape)}, and the model promised {list(promised)}"
        message += f" for {rows} row{'s' * (rows != 1)}"
        if may_cache and is_inner_good:  # the response to another request has the same dims, but another number of rows
            raise RowError(message + _OF_ANOTHER, splits=True)
        raise ContractError(message)
    inner = shape[1:] if has_batch_axis else shape
    per_row = math.prod(inner)
    if declared.depth == 0 and per_row != 1 and not binding.is_raw:
        raise ContractError(
            f"output '{tensor.name}' has {per_row} elements a row, but column '{binding.column.name}' is "
            f"{declared}: {Remedy.DECLARE(type=f'ARRAY<{declared}>')}"
        )
    if rows * math.prod(max(size, 1) for size in inner) > _MAX_ELEMENTS:
        raise ContractError(
            f"output '{tensor.name}' has the shape {list(shape)}, which has more elements than a batch can hold"
        )
    return inner, rows * per_row * tensor.datatype.itemsize


def check_bytes(binding: TensorBinding, answer: OutputTensor, size: int) -> memoryview:
    """Check the bytes of one output of one response.

    Args:
        binding: The declared column and its tensor.
        answer: The tensor's shape and its bytes.
        size: How many there are; at the least, where elements have sizes of their own.

    Returns:
        The bytes.

    Raises:
        ContractError: There are none, or their number does not fit.
    """
    tensor, data = binding.tensor, answer.data
    if data is None:
        raise ContractError(f"output '{tensor.name}' is not binary, but the request asked for binary data")
    if len(data) < size or (tensor.datatype.is_fixed_size and len(data) != size):
        raise ContractError(f"output '{tensor.name}' has {len(data)} bytes for the shape {list(answer.shape)}")
    return data


def decode(
    binding: TensorBinding, inner: tuple[int, ...], data: memoryview | bytes, rows: int, reject: Reject
) -> pa.Array:
    """Decode an output of one response, or of several responses that were checked and joined.

    Args:
        binding: The declared column and its tensor.
        inner: The shape of one row.
        data: The bytes of all rows.
        rows: The number of rows.
        reject: Called with a mask of rows and the reason why their output cannot be taken.

    Returns:
        An array of ``rows`` values in the declared type.

    Raises:
        ContractError: The lengths in a BYTES tensor do not fit its bytes.
    """
    tensor, declared = binding.tensor, binding.column.type
    per_row = math.prod(inner)
    if binding.is_raw:
        return from_offsets(declared.arrow, np.arange(rows + 1) * (per_row * tensor.datatype.itemsize), data)
    try:
        elements, bad = tensor.datatype.wire.decode(data, rows * per_row, declared.leaf)
    except WireError as error:
        raise ContractError(f"output '{tensor.name}' {error}") from None
    if bad is not None:
        message = f"output '{tensor.name}' holds bytes that are not UTF-8: {Remedy.DECLARE_BYTES()}"
        reject(bad.reshape(rows, per_row).any(axis=1), message)
    return _nest(elements, rows, (per_row,) if declared.depth == 1 else inner, declared.depth)


def _nest(elements: pa.Array, rows: int, shape: tuple[int, ...], depth: int) -> pa.Array:
    for level in range(depth - 1, -1, -1):
        size = shape[level]
        lists = rows * math.prod(shape[:level])
        elements = from_offsets(pa.list_(elements.type), np.arange(lists + 1) * size, elements)
    return elements
