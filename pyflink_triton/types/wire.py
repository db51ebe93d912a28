"""How the values of a column become the bytes of a tensor and come back, a whole column at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pyflink_triton._arrow import (
    Bools,
    Ints,
    any_of,
    flags,
    from_flags,
    from_numbers,
    from_offsets,
    numbers,
    numpy_type,
    present,
    raw_offsets,
)
from pyflink_triton._arrow import offsets as offsets_of
from pyflink_triton.types.sql import SqlType

#: pa.scalar would import pandas.
_NOTHING = from_offsets(pa.binary(), np.zeros(2), b"")[0]
#: pyarrow's functions make such options for each call, which costs more than the work on a few rows.
_JOIN, _WITH_NULLS_EMPTY = pc.get_function("binary_join_element_wise"), pc.JoinOptions("replace", "")
#: Without an end, or with a greater one, it fails for more than a row.
_SLICE, _BEHIND_THE_LENGTH = pc.get_function("binary_slice"), pc.SliceOptions(4, (1 << 31) - 1)
_read_length = struct.Struct("<I").unpack_from


class WireError(Exception):
    """The bytes of a tensor do not hold its elements; the message is the predicate of a sentence about the tensor."""


@dataclass(frozen=True)
class Elements:
    """A tensor's elements as a request holds them.

    Attributes:
        data: The bytes of all elements, one after the other.
        offsets: Where each element begins in ``data``, with the end appended; None where all have the same size.
        out_of_range: A mask of the values that the datatype cannot hold; None where it holds them all.
    """

    data: memoryview
    offsets: Ints | None = None
    out_of_range: Bools | None = None


@dataclass(frozen=True)
class FixedSize:
    """Elements that all have the same number of bytes.

    Attributes:
        dtype: The bytes of one element, little-endian.
        to_wire: Turns numbers or booleans into the nearest elements. A float that rounds to beyond the limits must
            become an element outside them (an infinity or NaN), because floats are checked once they are rounded.
        from_wire: Turns elements into numbers or booleans of a numpy type that holds each of them exactly.
        limits: The least and the greatest finite value, which each value is checked against. None where the datatype
            holds all values of the SQL types that it takes.
    """

    dtype: np.dtype[Any]
    to_wire: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
    from_wire: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
    limits: tuple[float, float] | None

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def encode(self, values: pa.Array) -> Elements:
        """Encode a flat array.

        Args:
            values: The values; a NULL becomes any element.

        Returns:
            The elements, a view of the values where the bytes agree.
        """
        native, bad = self._read(values)
        if self.limits is None or _are_within(self.limits, native):
            elements = self.to_wire(native)
        else:
            with np.errstate(over="ignore"):
                elements = self.to_wire(native)
            if native.dtype.kind == "f":
                bad = _floats_out_of(self.limits, native, self.from_wire(elements))
            else:
                bad = _integers_out_of(self.limits, native)
        return Elements(np.ascontiguousarray(elements).data.cast("B"), None, bad)

    def decode(self, data: memoryview | bytes, count: int, leaf: SqlType) -> tuple[pa.Array, Bools | None]:
        """Decode elements to a declared type that holds each of them.

        Args:
            data: The bytes of all elements.
            count: How many elements there are.
            leaf: The declared type.

        Returns:
            The values, and no mask, because each element is a value of the type.
        """
        values = self.from_wire(np.frombuffer(data, self.dtype, count))
        if leaf.name == "DECIMAL":
            return from_numbers(values, pa.uint64()).cast(pa.decimal128(20, 0)).cast(leaf.arrow), None
        if leaf.name == "BOOLEAN":
            return from_flags(values), None
        widened = values.astype(numpy_type(leaf.arrow), copy=not values.flags.aligned)
        return from_numbers(widened, leaf.arrow), None

    def _read(self, values: pa.Array) -> tuple[npt.NDArray[Any], Bools | None]:
        """Read the values as numpy holds them, and find the decimals that are out of the limits."""
        if pa.types.is_boolean(values.type):
            return flags(values), None
        if not pa.types.is_decimal(values.type):
            return numbers(values), None
        assert self.limits is not None
        wide = values.cast(pa.decimal128(38, 0))
        low, high = _decimals(*map(int, self.limits))
        good = pc.and_(pc.greater_equal(wide, low), pc.less_equal(wide, high))
        # A decimal128 of 0 to 2**64-1 is its lower eight bytes, little-endian.
        filled = pc.if_else(good, wide, low)
        halves = np.frombuffer(filled.buffers()[1], np.uint64)[2 * filled.offset :][: 2 * len(filled)]
        return halves[::2], any_of(present(values) & ~flags(good))


class LengthPrefixed:
    """Elements of any size: the length in four bytes, little-endian, then the bytes themselves."""

    #: Bytes of the shortest element, which is a length of zero.
    itemsize: ClassVar[int] = 4
    limits: ClassVar[None] = None

    def encode(self, values: pa.Array) -> Elements:
        """Encode a flat array of texts or byte strings; a NULL becomes an empty element."""
        edges = raw_offsets(values)
        lengths = edges[1:] - edges[:-1]
        if values.null_count:
            lengths = np.where(present(values), lengths, 0).astype("<i4")
        prefixes = from_offsets(pa.binary(), np.arange(0, 4 * len(lengths) + 4, 4, "<i4"), lengths)
        joined = _JOIN.call([prefixes, values.view(pa.binary()), _NOTHING], _WITH_NULLS_EMPTY)
        body = joined.buffers()[2]
        return Elements(memoryview(body if body is not None else b""), offsets_of(joined))

    def decode(self, data: memoryview | bytes, count: int, leaf: SqlType) -> tuple[pa.Array, Bools | None]:
        """Decode elements to texts or byte strings.

        Args:
            data: The bytes of all elements.
            count: How many elements there are.
            leaf: The declared type.

        Returns:
            The values, and a mask of the elements that are not UTF-8 where a text is declared (None: all are).

        Raises:
            WireError: The lengths do not fit the data.
        """
        values = _split(memoryview(data), count)
        return _to_text(values) if leaf.name == "STRING" else (values, None)


Wire: TypeAlias = FixedSize | LengthPrefixed


def plain(code: str, limits: tuple[float, float] | None = None) -> FixedSize:
    """Describe elements that have a numpy type.

    Args:
        code: numpy's name of the type, with the byte order.
        limits: See ``FixedSize``.
    """
    dtype = np.dtype(code)
    return FixedSize(dtype, lambda native: native.astype(dtype, copy=False), lambda elements: elements, limits)


def _are_within(limits: tuple[float, float], native: npt.NDArray[Any]) -> bool:
    """Whether all values are finite and within the limits; two passes, where a mask would need four."""
    low, high = limits
    return not native.size or bool(low <= native.min().item() and native.max().item() <= high)


def _integers_out_of(limits: tuple[float, float], native: npt.NDArray[Any]) -> Bools | None:
    low, high = limits
    held = np.iinfo(native.dtype)
    bad = np.zeros(len(native), np.bool_)
    if low > held.min:
        bad |= native < low
    if high < held.max:
        bad |= native > high
    return any_of(bad)


def _floats_out_of(
    limits: tuple[float, float], native: npt.NDArray[Any], sent: npt.NDArray[np.floating[Any]]
) -> Bools | None:
    """Find the finite values that became too large, and the infinite ones and NaN that became something else."""
    low, high = limits
    is_finite = (low <= sent) & (sent <= high)
    is_kept = np.where(np.isfinite(native), is_finite, (native == sent) | (np.isnan(native) & np.isnan(sent)))
    return any_of(~is_kept)


def _decimals(*values: int) -> pa.Array:
    data = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
    return pa.Array.from_buffers(pa.decimal128(38, 0), len(values), [None, pa.py_buffer(data)])


def element_edges(data: memoryview) -> list[int]:
    """Where each element of any size begins in well-formed data, with the end appended."""
    edges, position, size = [0], 0, len(data)
    while position < size:
        position += 4 + _read_length(data, position)[0]
        edges.append(position)
    return edges


def _split(data: memoryview, count: int) -> pa.Array:
    """Strip the length prefixes. This is a loop because each prefix says where the next one is."""
    starts, position, size = [0], 0, len(data)
    try:
        for _ in range(count):
            position += 4 + _read_length(data, position)[0]
            starts.append(position)
    except struct.error:
        raise WireError(f"ends before its element {len(starts) - 1}") from None
    if position != size:
        raise WireError(f"has {size} bytes, and the lengths of its elements add up to {position}")
    return _SLICE.call([from_offsets(pa.binary(), np.array(starts), data)], _BEHIND_THE_LENGTH)


def _to_text(values: pa.Array) -> tuple[pa.Array, Bools | None]:
    """Read bytes as UTF-8; those that are not UTF-8 become empty texts and are marked."""
    texts = values.view(pa.utf8())
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        bad = np.array([not _is_utf8(value) for value in values.to_pylist()])
        return pc.if_else(from_flags(bad), b"", values).cast(pa.utf8()), bad
    return texts, None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
