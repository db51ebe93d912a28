"""Turns Arrow columns into tensors: the shape of each row, and the bytes of any rows, without a loop over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints, gather_bytes, offsets, present
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import TensorBinding
from pyflink_triton.schema.columns import is_text_given_as_bytes
from pyflink_triton.schema.raw_tensors import in_bytes, raw_lengths, raw_unit
from pyflink_triton.types.casting import cast_column
from pyflink_triton.types.sql import SqlType, array_of
from pyflink_triton.types.wire import Elements

#: Takes a mask of rows and the reason why their values cannot be sent or taken.
Reject = Callable[[Bools, str], None]
#: Turns a mask of elements into a mask of the rows that hold them.
ToRows = Callable[[Bools], Bools]


@dataclass(frozen=True)
class TensorColumn:
    """The values of one tensor for all rows of a batch.

    Attributes:
        tensor: The tensor.
        shapes: The shape of each row, (rows, rank); None when all rows have the tensor's own dims.
        data: The bytes of all rows, one after the other, in the form of the protocol.
        size: The number of bytes of each row; None where it differs.
        edges: Where the bytes of each row begin in ``data``, with the end appended; None where ``size`` is set.
        present: A mask of the rows that have the tensor; None when all have it. A row may lack an optional tensor.
    """

    tensor: TensorSpec
    shapes: Ints | None
    data: memoryview
    size: int | None = None
    edges: Ints | None = None
    present: Bools | None = None

    def shape(self, row: int) -> tuple[int, ...]:
        """The shape of a row, without the batch axis."""
        if self.shapes is None:
            return self.tensor.least_dims
        return tuple(self.shapes[row].tolist())

    def gather(self, rows: Ints) -> memoryview:
        """The bytes of some rows, which are ascending; a view where they lie together."""
        first, last = int(rows[0]), int(rows[-1])
        is_run = last - first + 1 == len(rows)
        if self.size is not None:
            if is_run:
                return self.data[first * self.size : (last + 1) * self.size]
            gathered: memoryview = np.frombuffer(self.data, np.uint8).reshape(-1, self.size)[rows].reshape(-1).data
            return gathered
        assert self.edges is not None
        if is_run:
            return self.data[self.edges[first] : self.edges[last + 1]]
        return gather_bytes(self.data, self.edges, rows)


def encode(binding: TensorBinding, column: pa.Array, reject: Reject) -> TensorColumn:
    """Encode a column.

    Args:
        binding: The column, its tensor and the type of its values.
        column: The values. Rows that are NULL get any bytes and must not be sent.
        reject: Called with a mask of rows and the reason why they must not be sent.
    """
    declared, tensor = binding.column.type, binding.tensor
    if binding.is_raw:
        return _encode_raw(tensor, cast_column(column, declared.arrow)[0], reject)
    if declared.depth == 0:
        elements = _to_wire(binding, _cast_elements(binding, column, reject, _same), reject, _same)
        size = None if elements.offsets is not None else tensor.datatype.itemsize
        return TensorColumn(tensor, None, elements.data, size, elements.offsets)
    rows = len(column)
    not_null = present(column)
    starts, ends = np.arange(rows, dtype=np.int64), np.arange(1, rows + 1, dtype=np.int64)
    lengths: list[Ints] = []
    values = column
    for _ in range(declared.depth):
        starts, ends, values = _descend(values, starts, ends, lengths, not_null, reject)

    def of_rows(mask: Bools) -> Bools:
        return _any_between(mask, starts, ends)

    values = _cast_elements(binding, values, reject, of_rows)
    if values.null_count:
        reject(not_null & of_rows(~present(values)), "holds a NULL, which no tensor can hold")
    if binding.flatten:
        leads = lengths.pop(0)
        reject(not_null & (leads != 1), "has a leading dimension that is not 1, so 'flatten-batch-dim' cannot drop it")
    shapes = _shapes(tensor, lengths, not_null, reject)
    elements = _to_wire(binding, values, reject, of_rows)
    bounds = np.append(starts, ends[-1:])
    edges = bounds * tensor.datatype.itemsize if elements.offsets is None else elements.offsets[bounds]
    return TensorColumn(tensor, shapes, elements.data, edges=edges)


def _encode_raw(tensor: TensorSpec, column: pa.Array, reject: Reject) -> TensorColumn:
    """View byte strings as the content of a tensor. Rows of other lengths than fit it are rejected."""
    edges, unit, dims = offsets(column), raw_unit(tensor), np.asarray(tensor.dims, dtype=np.int64)
    sizes = np.diff(edges)
    is_free = -1 in tensor.dims
    bad = (sizes % max(unit, 1) != 0) if is_free else (sizes != unit)
    for size in np.unique(sizes[bad & present(column)]).tolist():
        reject(bad & (sizes == size), f"has {in_bytes(size)}, and the tensor {tensor} takes {raw_lengths(tensor)}")
    body = column.buffers()[2]
    data = memoryview(body if body is not None else b"")
    if is_free:
        shapes = np.where(dims == -1, (sizes // max(unit, 1))[:, None], dims)
        return TensorColumn(tensor, shapes, data, edges=edges)
    if bad.any():
        return TensorColumn(tensor, None, data, edges=edges)
    return TensorColumn(tensor, None, data[int(edges[0]) : int(edges[-1])], size=unit)


def _same(mask: Bools) -> Bools:
    """Rows from elements where the column is not an ARRAY, so that each element is a row."""
    return mask


def _to_wire(binding: TensorBinding, values: pa.Array, reject: Reject, of_rows: ToRows) -> Elements:
    datatype = binding.tensor.datatype
    elements = datatype.wire.encode(values)
    if elements.out_of_range is not None:
        reject(of_rows(elements.out_of_range), f"is out of the range of {datatype.name}")
    return elements


def _cast_elements(binding: TensorBinding, elements: pa.Array, reject: Reject, of_rows: ToRows) -> pa.Array:
    declared = binding.column.type.leaf
    if is_text_given_as_bytes(binding.argument_type, binding.column.type):
        return elements  # a cast would refuse what is not UTF-8
    cast, bad = cast_column(elements, declared.arrow)
    if bad is not None:
        reject(
            of_rows(bad),
            f"holds a {binding.argument_type.leaf} that {declared} cannot hold{_rounded(binding, declared)}",
        )
    return cast


def _rounded(binding: TensorBinding, declared: SqlType) -> str:
    """Advise the CAST to the nearest number; for a DECIMAL there is none, because Flink makes a too long one NULL."""
    nearest = array_of(declared, binding.argument_type.depth)
    return "" if declared.name == "DECIMAL" else f" exactly; {Remedy.CAST_NEAREST(type=nearest)}"


def _descend(
    lists: pa.Array, starts: Ints, ends: Ints, lengths: list[Ints], not_null: Bools, reject: Reject
) -> tuple[Ints, Ints, pa.Array]:
    """Go one ARRAY deeper: find the range of the inner elements of each row, and add the lengths at this level."""
    edges = offsets(lists)
    inner = np.diff(edges)
    if lengths:
        reject(not_null & _any_between(~present(lists), starts, ends), "holds a NULL, which no tensor can hold")
    heads = np.append(inner, 0)[np.minimum(starts, len(inner))]
    counts = ends - starts
    length = np.where(counts > 0, heads, 0)
    if lengths:
        members = np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
        differs = np.zeros(len(inner), dtype=np.bool_)
        differs[members] = inner[members] != np.repeat(length, counts)
        reject(not_null & _any_between(differs, starts, ends), "is ragged: its inner arrays differ in length")
    lengths.append(length)
    first, last = int(edges[0]), int(edges[-1])
    return edges[starts] - first, edges[ends] - first, lists.values.slice(first, last - first)


def _shapes(tensor: TensorSpec, lengths: list[Ints], not_null: Bools, reject: Reject) -> Ints | None:
    """The shape of each row, checked against the tensor's dims; None when every dim is fixed."""
    dims = np.asarray(tensor.dims, dtype=np.int64)
    if len(lengths) == len(dims):
        shapes = np.stack(lengths, axis=1)
        # An empty array does not show its inner lengths, so those of the model are taken.
        unknown = np.zeros(shapes.shape, dtype=np.bool_)
        unknown[:, 1:] = np.logical_or.accumulate(shapes == 0, axis=1)[:, :-1]
        shapes = np.where(unknown & (dims != -1), dims, shapes)
        bad = ((dims != -1) & (shapes != dims)).any(axis=1)
    else:
        known = int(np.prod(dims[dims != -1]))
        free = lengths[0] // max(known, 1)
        bad = (free * known != lengths[0]) if (dims == -1).any() else (lengths[0] != known)
        shapes = np.where(dims == -1, free[:, None], dims)
    if (bad & not_null).any():
        reject(bad & not_null, f"has a shape that the tensor {tensor} does not take")
    return shapes if (dims == -1).any() else None


def _any_between(mask: Bools, starts: Ints, ends: Ints) -> Bools:
    counts = np.concatenate(([0], np.cumsum(mask)))
    found: Bools = counts[ends] > counts[starts]
    return found
