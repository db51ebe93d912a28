"""Arrow columns to tensors: shapes per row, and the bytes of any run of rows, without a loop over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pyflink_triton.casting import cast_column, to_elements
from pyflink_triton.mapping import Binding
from pyflink_triton.signature import TensorSpec

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Fault = Callable[[Bools, str], None]
#: From elements to the rows that hold one of them.
ToRows = Callable[[Bools], Bools]


@dataclass(frozen=True)
class TensorColumn:
    """One tensor's values for every row of a batch.

    Attributes:
        tensor: Which tensor.
        shapes: Each row's shape, (rows, rank); None when all rows have the tensor's own dims.
        data: The bytes of all rows, one after the other, as the protocol wants them.
        size: How many bytes each row has, where all have as many.
        starts: Where each row's bytes begin in ``data``; None where ``size`` says it.
        sizes: How many bytes each row has; None where ``size`` says it.
    """

    tensor: TensorSpec
    shapes: Ints | None
    data: memoryview
    size: int | None = None
    starts: Ints | None = None
    sizes: Ints | None = None

    def shape(self, row: int) -> tuple[int, ...]:
        """The shape of a row, without the batch axis."""
        if self.shapes is None:
            return tuple(1 if dim == -1 else dim for dim in self.tensor.dims)
        return tuple(self.shapes[row].tolist())

    def gather(self, rows: Ints) -> memoryview:
        """The bytes of these rows (ascending), a view where they lie together."""
        first, last = int(rows[0]), int(rows[-1])
        is_run = last - first + 1 == len(rows)
        if self.size is not None:
            if is_run:
                return self.data[first * self.size : (last + 1) * self.size]
            gathered: memoryview = np.frombuffer(self.data, np.uint8).reshape(-1, self.size)[rows].reshape(-1).data
            return gathered
        assert self.starts is not None
        assert self.sizes is not None
        if is_run:
            return self.data[self.starts[first] : self.starts[last] + self.sizes[last]]
        sizes = self.sizes[rows]
        ends = np.cumsum(sizes)
        index = np.arange(ends[-1]) + np.repeat(self.starts[rows] - (ends - sizes), sizes)
        gathered = np.frombuffer(self.data, np.uint8)[index].data
        return gathered


def encode(binding: Binding, column: pa.Array, fault: Fault) -> TensorColumn:
    """Encode a column.

    Args:
        binding: The column, its tensor and the type that its values come in.
        column: The values; rows that are NULL get any bytes and must not be sent.
        fault: Called with a mask of rows and what is wrong with them; those rows must not be sent either.
    """
    declared, tensor = binding.column.type, binding.tensor
    is_fixed = tensor.datatype.numpy is not None
    if declared.depth == 0:
        elements = _cast_elements(binding, column, fault, lambda mask: mask)
        if is_fixed:
            data = _fixed_bytes(binding, elements, fault, lambda mask: mask)
            return TensorColumn(tensor, None, data, size=tensor.datatype.itemsize)
        data, offsets = encode_bytes(elements)
        return TensorColumn(tensor, None, data, starts=offsets[:-1], sizes=np.diff(offsets))
    rows = len(column)
    present = _mask(column.is_valid())
    starts, ends = np.arange(rows, dtype=np.int64), np.arange(1, rows + 1, dtype=np.int64)
    lengths: list[Ints] = []
    elements = column
    for _ in range(declared.depth):
        starts, ends, elements = _descend(elements, starts, ends, lengths, present, fault)

    def of_rows(mask: Bools) -> Bools:
        return _any_between(mask, starts, ends)

    elements = _cast_elements(binding, elements, fault, of_rows)
    if elements.null_count:
        fault(present & of_rows(_mask(elements.is_null())), "holds a NULL; tensors cannot")
    shapes = _shapes(tensor, lengths, present, fault)
    if is_fixed:
        data, size = _fixed_bytes(binding, elements, fault, of_rows), tensor.datatype.itemsize
        return TensorColumn(tensor, shapes, data, starts=starts * size, sizes=(ends - starts) * size)
    data, offsets = encode_bytes(elements)
    return TensorColumn(tensor, shapes, data, starts=offsets[starts], sizes=offsets[ends] - offsets[starts])


def _fixed_bytes(binding: Binding, elements: pa.Array, fault: Fault, of_rows: ToRows) -> memoryview:
    values, bad = to_elements(elements, binding.tensor.datatype)
    if bad is not None:
        fault(of_rows(bad), f"is out of the range of {binding.tensor.datatype.name}")
    data: memoryview = np.ascontiguousarray(values).data.cast("B")
    return data


def encode_bytes(values: pa.Array) -> tuple[memoryview, Ints]:
    """Write each value as a BYTES element: its length in four bytes, then itself.

    Returns:
        The bytes of all elements, and where each begins in them, with the end appended.
    """
    binary = values.cast(pa.binary())
    lengths = pc.fill_null(pc.binary_length(binary), 0).to_numpy(zero_copy_only=False).astype("<u4")
    marks = np.arange(0, 4 * len(lengths) + 4, 4, dtype=np.int32)
    prefixes = pa.BinaryArray.from_buffers(
        pa.binary(), len(lengths), [None, pa.py_buffer(marks), pa.py_buffer(lengths)]
    )
    joined = pc.binary_join_element_wise(prefixes, binary, b"", null_handling="replace", null_replacement=b"")
    offsets = np.frombuffer(joined.buffers()[1], np.int32)[joined.offset :][: len(joined) + 1].astype(np.int64)
    body = joined.buffers()[2]
    return memoryview(body if body is not None else b""), offsets


def _cast_elements(binding: Binding, elements: pa.Array, fault: Fault, of_rows: ToRows) -> pa.Array:
    declared = binding.column.type.leaf
    cast, bad = cast_column(elements, declared.arrow)
    if bad is not None:
        message = f"holds a {binding.given.leaf} that {declared} cannot hold exactly; write CAST(... AS {declared})"
        fault(of_rows(bad), message)
    return cast


def _descend(
    lists: pa.Array, starts: Ints, ends: Ints, lengths: list[Ints], present: Bools, fault: Fault
) -> tuple[Ints, Ints, pa.Array]:
    """Go one ARRAY deeper: each row's range of the inner elements, and its one length at this level."""
    # Arrow's Java library writes no offset at all for an empty array.
    buffer = lists.buffers()[1] if len(lists) else bytes(4)
    offsets = np.frombuffer(buffer, np.int32)[lists.offset :][: len(lists) + 1].astype(np.int64)
    inner = np.diff(offsets)
    if lengths:
        fault(present & _any_between(_mask(lists.is_null()), starts, ends), "holds a NULL; tensors cannot")
    heads = np.append(inner, 0)[np.minimum(starts, len(inner))]
    counts = ends - starts
    length = np.where(counts > 0, heads, 0)
    if lengths:
        members = np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
        differs = np.zeros(len(inner), dtype=np.bool_)
        differs[members] = inner[members] != np.repeat(length, counts)
        fault(present & _any_between(differs, starts, ends), "is ragged: its inner arrays differ in length")
    lengths.append(length)
    base = offsets[0] if len(offsets) else 0
    return (
        offsets[starts] - base,
        offsets[ends] - base,
        lists.flatten() if lists.null_count == 0 else _child(lists),
    )


def _child(lists: pa.Array) -> pa.Array:
    """The elements between the first and the last offset, those of NULL lists included."""
    first, last = lists.offsets[0].as_py(), lists.offsets[-1].as_py()
    return lists.values.slice(first, last - first)


def _shapes(tensor: TensorSpec, lengths: list[Ints], present: Bools, fault: Fault) -> Ints | None:
    """Each row's shape, checked against the tensor's dims; None when every dim is fixed."""
    dims = np.asarray(tensor.dims, dtype=np.int64)
    if len(lengths) == len(dims):
        shapes = np.stack(lengths, axis=1)
        # An empty outer array says nothing of its inner lengths: the model's own stand in.
        empty = (shapes == 0).any(axis=1)
        shapes[empty] = np.where((dims != -1) & (shapes[empty] == 0), dims, shapes[empty])
        shapes[empty, 0] = lengths[0][empty]
        bad = ((dims != -1) & (shapes != dims)).any(axis=1)
    else:
        known = int(np.prod(dims[dims != -1]))
        free = lengths[0] // max(known, 1)
        bad = (free * known != lengths[0]) if (dims == -1).any() else (lengths[0] != known)
        shapes = np.where(dims == -1, free[:, None], dims)
    if (bad & present).any():
        fault(bad & present, f"has a shape that the tensor {tensor} does not take")
    return shapes if (dims == -1).any() else None


def _any_between(mask: Bools, starts: Ints, ends: Ints) -> Bools:
    counts = np.concatenate(([0], np.cumsum(mask)))
    found: Bools = counts[ends] > counts[starts]
    return found


def _mask(values: pa.Array) -> Bools:
    mask: Bools = values.to_numpy(zero_copy_only=False)
    return mask
