"""Arrow arrays as numpy arrays and back, without copies where the bytes agree.

pyarrow's own ways (``pa.array``, ``Array.to_numpy``) import pandas where it is installed: half a second at each
worker's first row.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pyflink_triton.errors import JobError

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Keeps each digit of a DECIMAL.
EXACT = Context(prec=60)
_OFFSET = np.dtype("<i4")
_MAX_OFFSET = (1 << 31) - 1
#: By the types' ids, because pyarrow makes a text of a type to hash it.
_NUMPY: dict[int, np.dtype[np.generic]] = {
    pa.int8().id: np.dtype("<i1"),
    pa.int16().id: np.dtype("<i2"),
    pa.int32().id: np.dtype("<i4"),
    pa.int64().id: np.dtype("<i8"),
    pa.uint32().id: np.dtype("<u4"),
    pa.uint64().id: np.dtype("<u8"),
    pa.float32().id: np.dtype("<f4"),
    pa.float64().id: np.dtype("<f8"),
}


def numpy_type(type_: pa.DataType) -> np.dtype[np.generic]:
    """The numpy type of a number's bytes."""
    found = _NUMPY.get(type_.id)
    if found is None:
        raise KeyError(str(type_))
    return found


def numbers(array: pa.Array) -> npt.NDArray[Any]:
    """View an array of integers or floats; where it is NULL, any value."""
    return _view(array.buffers()[1], numpy_type(array.type), array.offset, len(array))


def flags(array: pa.Array) -> Bools:
    """Unpack an array of booleans; where it is NULL, any value."""
    return _unpack(array.buffers()[1], array.offset, len(array))


def any_of(mask: Bools) -> Bools | None:
    """A mask, or None where it is False everywhere."""
    return mask if mask.any() else None


def present(array: pa.Array) -> Bools:
    """Where an array is not NULL."""
    bitmap = array.buffers()[0]
    if bitmap is None:
        return np.full(len(array), array.null_count == 0)
    return _unpack(bitmap, array.offset, len(array))


def offsets(array: pa.Array) -> Ints:
    """Where each list, text or byte string of an array begins in its child or data, with the end appended."""
    return raw_offsets(array).astype(np.int64)


def raw_offsets(array: pa.Array) -> npt.NDArray[np.int32]:
    """View what ``offsets`` returns."""
    # Arrow's Java library writes no offset at all for an empty array.
    if not len(array):
        return np.zeros(1, _OFFSET)
    return np.frombuffer(array.buffers()[1], _OFFSET, len(array) + 1, array.offset * 4)


def from_numbers(values: npt.NDArray[Any], type_: pa.DataType) -> pa.Array:
    """Wrap integers or floats of the type's own width."""
    return pa.Array.from_buffers(type_, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def from_flags(values: Bools) -> pa.Array:
    """Pack booleans."""
    packed = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(packed)])


def from_offsets(type_: pa.DataType, starts: npt.NDArray[Any], data: Any) -> pa.Array:
    """Make byte strings of ``data``, or lists of a child array, from where each begins, with the end appended."""
    if starts[-1] > _MAX_OFFSET:
        raise JobError("a batch holds more than 2 GiB in one column, which no Arrow array can")
    buffers = [None, pa.py_buffer(starts.astype(_OFFSET, copy=False))]
    if isinstance(data, pa.Array):
        return pa.Array.from_buffers(type_, len(starts) - 1, buffers, children=[data])
    return pa.Array.from_buffers(type_, len(starts) - 1, [*buffers, pa.py_buffer(data)])


def from_values(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """Make an array of a few Python values, None for NULL, nested as the type is."""
    bitmap = pa.py_buffer(_pack([value is not None for value in values]))
    if pa.types.is_list(type_):
        edges = np.cumsum([0, *(len(value or ()) for value in values)]).astype("<i4")
        child = from_values([each for value in values for each in value or ()], type_.value_type)
        return pa.Array.from_buffers(type_, len(values), [bitmap, pa.py_buffer(edges)], children=[child])
    if type_ in (pa.utf8(), pa.binary()):
        pieces = [value.encode() if isinstance(value, str) else value or b"" for value in values]
        edges = np.cumsum([0, *map(len, pieces)]).astype("<i4")
        return pa.Array.from_buffers(type_, len(values), [bitmap, pa.py_buffer(edges), pa.py_buffer(b"".join(pieces))])
    if pa.types.is_boolean(type_):
        data = _pack([bool(value) for value in values])
    elif pa.types.is_decimal(type_):
        units = [int((value or Decimal(0)).scaleb(type_.scale, EXACT)) for value in values]
        data = b"".join(unit.to_bytes(16, "little", signed=True) for unit in units)
    else:
        data = np.array([0 if value is None else value for value in values], numpy_type(type_)).tobytes()
    return pa.Array.from_buffers(type_, len(values), [bitmap, pa.py_buffer(data)])


def take(array: pa.Array, places: Ints) -> pa.Array:
    """Reorder an array; a place below 0 gives NULL."""
    valid = pa.py_buffer(np.packbits(places >= 0, bitorder="little"))
    return array.take(pa.Array.from_buffers(pa.int64(), len(places), [valid, pa.py_buffer(places)]))


def gather_bytes(data: memoryview, edges: Ints, rows: Ints) -> memoryview:
    """Copy some byte strings together.

    Args:
        data: All byte strings.
        edges: Where each begins in ``data``, with the end appended.
        rows: The indexes of those to copy.
    """
    buffers = [None, pa.py_buffer(edges), pa.py_buffer(data)]
    taken = pa.Array.from_buffers(pa.large_binary(), len(edges) - 1, buffers).take(from_numbers(rows, pa.int64()))
    _, ends, body = taken.buffers()
    return memoryview(body if body is not None else b"")[: np.frombuffer(ends, np.int64)[len(rows)]]


def _pack(flags_: Sequence[bool]) -> bytes:
    return np.packbits(np.array(flags_, dtype=np.bool_), bitorder="little").tobytes()


def _view(buffer: Any, dtype: np.dtype[Any], offset: int, length: int) -> npt.NDArray[Any]:
    if length == 0:
        return np.empty(0, dtype)
    return np.frombuffer(buffer, dtype, length, offset * dtype.itemsize)


def _unpack(bitmap: Any, offset: int, length: int) -> Bools:
    if length == 0:
        return np.empty(0, np.bool_)
    return np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little")[offset : offset + length].view(np.bool_)
