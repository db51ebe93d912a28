"""Pads the tensors of rows to fixed lengths, so that they share requests, and trims the outputs that share the length.

A row's length decides alone what it is padded to, so its answer does not depend on the rows beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pyflink_triton._arrow import Ints, from_numbers, from_offsets, offsets, present, take
from pyflink_triton.errors import INVALID_ANSWER, FailureWords
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.schema.padding import Mask, PaddedGroup, PaddedInput
from pyflink_triton.tensors.batching import Fail
from pyflink_triton.tensors.encode import TensorColumn

#: Takes rows of a batch, their outputs in the same order, and the message of each that failed, by its place among them.
Answered = Callable[[Ints, list[pa.Array], dict[int, str]], None]


class Padding:
    """Pads the tensors of batches.

    Args:
        columns: The bindings of the columns, with something to pad.
    """

    def __init__(self, columns: ColumnBindings) -> None:
        self._columns = columns

    def pad(
        self, columns: Sequence[TensorColumn], rows: int, sent: Ints, fail: Fail
    ) -> tuple[list[TensorColumn], Ints, list[Lengths]]:
        """Pad the rows of a batch that are sent.

        Args:
            columns: The tensors of the batch.
            rows: How many rows it has.
            sent: The rows that are sent, ascending.
            fail: Called with the rows whose tensors should have the same length and do not.

        Returns:
            The tensors, with the masks; the rows that did not fail; the lengths of each group's rows.
        """
        padded = list(columns)
        lengths: list[Ints] = []
        for group in self._columns.padding:
            own, sent = self._lengths(group, columns, rows, sent, fail)
            lengths.append(own)
        found: list[Lengths] = []
        for group, own in zip(self._columns.padding, lengths, strict=True):
            kept = Lengths(group, own, rows, sent)
            found.append(kept)
            for each in group.inputs:
                padded[each.place] = kept.padded(columns[each.place], each)
            if group.mask is not None:
                padded.append(kept.mask(group.mask))
        return padded, sent, found

    def _lengths(
        self, group: PaddedGroup, columns: Sequence[TensorColumn], rows: int, sent: Ints, fail: Fail
    ) -> tuple[Ints, Ints]:
        """The length of each row, and the rows where all tensors of a group have it."""
        first = group.inputs[0]
        own = _length_of(columns[first.place], first.axis, rows)
        for other in group.inputs[1:]:
            column = columns[other.place]
            one, two = (self._columns.inputs[each.place].column.name for each in (first, other))
            if column.present is not None:  # a mask that the model can do without; what is padded cannot
                sent = _without(sent, ~column.present, fail, f"column '{two}' is NULL, and '{one}' is padded with it")
            differs = _length_of(column, other.axis, rows) != own
            sent = _without(sent, differs, fail, f"columns '{one}' and '{two}' hold arrays of unequal lengths")
        return own, sent

    def fits(self, columns: Sequence[TensorColumn], row: int, response: InferenceResponse) -> bool:
        """Whether the outputs that are trimmed are as long as what they were made of.

        Args:
            columns: The padded tensors.
            row: A row that the response answers; the shapes of all are the same.
            response: The response, which was checked.
        """
        for group in self._columns.padding:
            first = group.inputs[0]
            shape = columns[first.place].shape(row)
            for place, axis in group.outputs:
                tensor = self._columns.outputs[place].tensor
                answer = response.outputs.get(tensor.name)
                if answer is not None and answer.shape[axis - len(tensor.dims)] != shape[first.axis]:
                    return False
        return True

    def trimming(self, lengths: Sequence[Lengths], answered: Answered) -> Answered:
        """Trim the outputs that share a padded length before they are handed on.

        Args:
            lengths: The lengths of each group's rows.
            answered: Takes the outputs.
        """
        if not any(each.group.outputs for each in lengths):
            return answered
        bindings = self._columns.outputs

        def trimmed(rows: Ints, outputs: list[pa.Array], errors: dict[int, str]) -> None:
            outputs, errors = list(outputs), dict(errors)
            for each in lengths:
                for place, axis in each.group.outputs:
                    tensor = bindings[place].tensor
                    level = axis if bindings[place].column.type.depth > 1 else 0
                    unit = 1 if level or bindings[place].column.type.depth > 1 else math.prod(tensor.dims[axis + 1 :])
                    unit *= tensor.datatype.itemsize if bindings[place].is_raw else 1
                    outputs[place], bad = each.trimmed(rows, outputs[place], level, unit)
                    for row in bad.tolist():
                        errors.setdefault(row, _of_another_length(each.group, tensor.name))
            if errors:  # what else such a row has is not handed on either
                places = np.arange(len(rows))
                places[list(errors)] = -1
                outputs = [take(column, places) for column in outputs]
            answered(rows, outputs, errors)

        return trimmed


class Lengths:
    """The lengths of a batch's rows, and what they are padded to: the least edge that holds them, or their own.

    Args:
        group: What is padded.
        own: The length of each row.
        rows: How many rows there are.
        sent: The rows that are sent; the length of others counts as 0.
    """

    def __init__(self, group: PaddedGroup, own: Ints, rows: int, sent: Ints) -> None:
        self.group = group
        self._sent = sent
        self._own = np.zeros(rows, dtype=np.int64)
        self._own[sent] = own[sent]
        edges = np.array(group.edges, dtype=np.int64)
        places = np.minimum(edges.searchsorted(self._own), len(edges) - 1)
        self._padded = np.zeros(rows, dtype=np.int64)
        self._padded[sent] = np.maximum(edges[places], self._own)[sent]

    def padded(self, column: TensorColumn, given: PaddedInput) -> TensorColumn:
        """Pad a tensor."""
        if not column.tensor.datatype.is_fixed_size:
            return self._padded_texts(column, given)
        element = np.dtype(f"u{column.tensor.datatype.itemsize}")
        data = column.gather(self._sent) if len(self._sent) else memoryview(b"")
        return self._filled(column, given.axis, given.fill, np.frombuffer(data, element))

    def mask(self, mask: Mask) -> TensorColumn:
        """Make the mask of the rows."""
        element = np.dtype(f"u{mask.tensor.datatype.itemsize}")
        empty = TensorColumn(mask.tensor, None, memoryview(b""))
        return self._filled(empty, mask.axis, mask.zero, np.frombuffer(mask.one, element))

    def _filled(
        self, column: TensorColumn, axis: int, fill: bytes, values: npt.NDArray[np.unsignedinteger[Any]]
    ) -> TensorColumn:
        """Scatter values, or one value, into what is full of another."""
        dims = column.tensor.dims
        outer, inner = math.prod(dims[:axis]), math.prod(dims[axis + 1 :])
        own, padded = (np.repeat(each[self._sent] * inner, outer) for each in (self._own, self._padded))
        sizes = self._padded * (outer * inner)
        data = np.full(int(sizes.sum()), np.frombuffer(fill, values.dtype)[0])
        data[_places(_starts(padded)[:-1], own)] = values if len(values) != 1 else values[0]
        edges = _starts(sizes * values.dtype.itemsize)
        return replace(column, shapes=self._shapes(dims, axis), data=data.view(np.uint8).data, size=None, edges=edges)

    def _padded_texts(self, column: TensorColumn, given: PaddedInput) -> TensorColumn:
        """Pad elements that differ in their bytes."""
        inner = math.prod(column.tensor.dims[given.axis + 1 :])
        edges = _edges_of(column, len(self._own))
        own = np.zeros(len(self._own), dtype=np.int64)
        own[self._sent] = np.diff(edges)[self._sent]
        added = (self._padded - self._own) * inner
        ends = _starts(own + added * len(given.fill))
        data = np.empty(int(ends[-1]), dtype=np.uint8)
        if len(self._sent):
            data[_places(ends[:-1], own)] = np.frombuffer(column.gather(self._sent), np.uint8)
        fill = np.frombuffer(given.fill, np.uint8)
        behind = np.repeat(ends[:-1] + own, added)
        behind += len(fill) * (np.arange(len(behind)) - np.repeat(_starts(added)[:-1], added))
        data[behind[:, None] + np.arange(len(fill))] = fill
        return replace(
            column, shapes=self._shapes(column.tensor.dims, given.axis), data=data.data, size=None, edges=ends
        )

    def _shapes(self, dims: tuple[int, ...], axis: int) -> Ints:
        shapes = np.tile(np.array(dims, dtype=np.int64), (len(self._own), 1))
        shapes[:, axis] = self._padded
        return shapes

    def trimmed(self, rows: Ints, output: pa.Array, level: int, unit: int) -> tuple[pa.Array, Ints]:
        """Trim an output to the rows' own lengths.

        Args:
            rows: The rows.
            output: Their output: arrays, or byte strings.
            level: How many levels of arrays are above that of the length.
            unit: How many elements, or bytes, one step along it takes.

        Returns:
            The output, and the places of rows whose output is not as long as what they were padded to; these are NULL.
        """
        held = present(output)
        is_good = held & (_sizes(output, level, held) == self._padded[rows] * unit)
        cut = _cut(output, np.where(is_good, self._own[rows] * unit, 0), level)
        if not is_good.all():
            cut = take(cut, np.where(is_good, np.arange(len(rows)), -1))
        return cut, np.flatnonzero(held & ~is_good)


def _without(rows: Ints, bad: npt.NDArray[np.bool_], fail: Fail, reason: str) -> Ints:
    """Fail some rows; returns the others."""
    is_bad = bad[rows]
    if is_bad.any():
        fail(rows[is_bad], reason)
    return rows[~is_bad]


def _length_of(column: TensorColumn, axis: int, rows: int) -> Ints:
    if column.shapes is None:
        return np.ones(rows, dtype=np.int64)
    own: Ints = column.shapes[:, axis]
    return own


def _edges_of(column: TensorColumn, rows: int) -> Ints:
    return column.edges if column.edges is not None else np.arange(rows + 1) * (column.size or 0)


def _starts(sizes: Ints) -> Ints:
    """Where each begins if they lie one behind the other, with the end appended."""
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(sizes)))


def _places(starts: Ints, counts: Ints) -> Ints:
    """The places of some elements from each start."""
    before = _starts(counts)
    found: Ints = np.arange(before[-1]) + np.repeat(starts - before[:-1], counts)
    return found


def _sizes(array: pa.Array, level: int, held: npt.NDArray[np.bool_]) -> Ints:
    """How long each row's arrays of a level are; a row without one there counts as that of another row.

    The rows are those of one response, so their shapes are the same.
    """
    edges = offsets(array)
    if not level:
        return np.diff(edges)
    inner = array.values.slice(int(edges[0]), int(edges[-1] - edges[0]))
    sizes = _sizes(inner, level - 1, np.ones(len(inner), dtype=np.bool_))
    return np.full(len(held), int(sizes.max(initial=0)), dtype=np.int64)


def _cut(array: pa.Array, lengths: Ints, level: int) -> pa.Array:
    """Keep the first elements, or bytes, of each array of a level; lengths are by row."""
    edges = offsets(array)
    own = np.diff(edges)
    if level:
        inner = array.values.slice(int(edges[0]), int(edges[-1] - edges[0]))
        return from_offsets(array.type, edges - edges[0], _cut(inner, np.repeat(lengths, own), level - 1))
    kept = np.minimum(own, lengths)
    places = _places(edges[:-1], kept)
    if isinstance(array, pa.BinaryArray):
        data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[places]
        return from_offsets(array.type, _starts(kept), data)
    return from_offsets(array.type, _starts(kept), array.values.take(from_numbers(places, pa.int64())))


def _of_another_length(group: PaddedGroup, name: str) -> FailureWords:
    return FailureWords(
        f"the output '{name}' is not as long as what option '{group.option}' padded. {Remedy.NAME_UNTRIMMED()}",
        INVALID_ANSWER,
    )
