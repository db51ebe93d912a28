"""Arrays as batches: the elements of a row's arrays are predicted as rows, and the outputs are put back into arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints, from_offsets, offsets, present, take
from pyflink_triton.schema.binding import ColumnBindings, TensorBinding
from pyflink_triton.tensors.parts import Part, by_place, join


def element_bindings(columns: ColumnBindings) -> ColumnBindings:
    """The bindings for the elements: each input binding has a column in the batch of elements."""
    inputs = tuple(replace(_element(binding), place=place) for place, binding in enumerate(columns.inputs))
    return replace(
        columns,
        inputs=inputs,
        outputs=tuple(map(_element, columns.outputs)),
        argument_types=tuple(binding.argument_type for binding in inputs),
        references={},
        nullable=frozenset(binding.place for binding in inputs if binding.tensor.optional),
    )


def _element(binding: TensorBinding) -> TensorBinding:
    column = replace(binding.column, type=binding.column.type.leaf)
    return replace(binding, column=column, argument_type=binding.argument_type.leaf)


@dataclass
class ArrayBatch:
    """A batch whose rows hold arrays, and what was answered of it.

    Attributes:
        elements: A column for each input binding, with a row for each element of the arrays in the good rows.
        errors: The message of each row that failed.
        not_null: A mask of the rows that hold no NULL.
        owners: The row that each element belongs to, ascending.
    """

    elements: pa.RecordBatch
    errors: dict[int, str]
    not_null: Bools
    owners: Ints

    def __post_init__(self) -> None:
        self._edges = np.searchsorted(self.owners, np.arange(len(self.not_null) + 1))
        #: How many elements of each row are not answered yet.
        self._left = np.zeros(len(self.not_null), dtype=np.int64)
        self._parts: list[Part] = []
        self._failed: dict[int, str] = {}

    def begin(self, elements: Ints, failed: Mapping[int, str]) -> tuple[Ints, Ints]:
        """Say what is to be sent.

        Args:
            elements: The elements that can be sent.
            failed: The message of each element that cannot.

        Returns:
            The elements to send, those of rows without a failed element; and the rows that have none to send.
        """
        if failed:
            self._failed.update(failed)
            broken = np.zeros(len(self.not_null), dtype=np.bool_)
            broken[self.owners[list(failed)]] = True
            elements = elements[~broken[self.owners[elements]]]
        self._left = np.bincount(self.owners[elements], minlength=len(self.not_null))
        return elements, np.flatnonzero(self._left == 0)

    def answered(self, elements: Ints, columns: Sequence[pa.Array], failed: Mapping[int, str]) -> Ints:
        """Take the answer to some elements.

        Args:
            elements: The elements.
            columns: Their outputs, in the same order.
            failed: The message of each that failed, by its place among them.

        Returns:
            The rows all of whose elements are answered now.
        """
        self._parts.append((elements, columns))
        self._failed.update((int(elements[place]), text) for place, text in failed.items())
        owners = self.owners[elements]
        self._left -= np.bincount(owners, minlength=len(self._left))
        rows = np.unique(owners)
        done: Ints = rows[self._left[rows] == 0]
        return done

    def are_all(self, elements: Bools) -> Bools:
        """The rows that have elements, all of which are in a mask."""
        counts = np.bincount(self.owners[elements], minlength=len(self.not_null))
        is_all: Bools = (counts > 0) & (counts == np.diff(self._edges))
        return is_all

    def collect(self, rows: Ints, types: Sequence[pa.DataType]) -> tuple[list[pa.Array], dict[int, str]]:
        """Put the outputs of answered rows into arrays. A row with a failed element fails as a whole, and is NULL.

        Args:
            rows: The rows, ascending.
            types: The types of the outputs' elements.

        Returns:
            A column for each output, and the message of each row that failed, by its place among ``rows``.
        """
        for element in sorted(self._failed):
            self.errors.setdefault(int(self.owners[element]), self._failed[element])
        self._failed.clear()
        errors = by_place(self.errors, rows)
        is_whole = self.not_null[rows]
        is_whole[list(errors)] = False
        starts = self._edges[rows]
        counts = np.where(is_whole, self._edges[rows + 1] - starts, 0)
        ends = np.cumsum(counts)
        elements = np.arange(counts.sum()) + np.repeat(starts - (ends - counts), counts)
        columns = self._outputs(elements, types)
        lists = [from_offsets(pa.list_(column.type), np.concatenate(([0], ends)), column) for column in columns]
        # What is left of a part is of rows that wait for others.
        self._parts = [part for part in self._parts if self._left[self.owners[part[0]]].any()]
        if is_whole.all():
            return lists, errors
        places = np.where(is_whole, np.arange(len(rows)), -1)
        return [take(column, places) for column in lists], errors

    def _outputs(self, elements: Ints, types: Sequence[pa.DataType]) -> list[pa.Array]:
        """The outputs of some answered elements."""
        if not len(elements):
            return [pa.nulls(0, type_) for type_ in types]
        held, columns = join(self._parts)
        places = np.empty(len(self.owners), dtype=np.int64)
        places[held] = np.arange(len(held))
        wanted = places[elements]
        if len(wanted) == len(held) and np.array_equal(wanted, np.arange(len(held))):
            return columns
        return [take(column, wanted) for column in columns]


def explode(bindings: ColumnBindings, inputs: pa.RecordBatch) -> ArrayBatch:
    """Turn the elements of a batch's arrays into rows. A scalar is repeated for each element of its row.

    Args:
        bindings: The bindings of the declared columns, with ``is_array_batch``.
        inputs: All input columns.
    """
    rows = inputs.num_rows
    not_null = np.ones(rows, dtype=np.bool_)
    for place, column in enumerate(inputs.columns):
        if column.null_count and place not in bindings.nullable:
            not_null &= present(column)
    errors: dict[int, str] = {}
    lengths, of_which = np.full(rows, -1, dtype=np.int64), ""
    for binding in bindings.inputs:
        if not binding.argument_type.depth:
            continue
        name, column = binding.column.name, inputs.column(binding.place)
        edges, held = offsets(column), present(column)
        own = np.diff(edges)
        for row in np.flatnonzero(not_null & held & (lengths >= 0) & (own != lengths)).tolist():
            errors.setdefault(row, f"columns '{of_which}' and '{name}' hold arrays of unequal lengths")
        lengths = np.where(held & (lengths < 0), own, lengths)
        of_which = of_which or name
        if column.values.null_count:
            nulls = np.concatenate(([0], np.cumsum(~present(column.values))))
            for row in np.flatnonzero(not_null & held & (nulls[edges[1:]] > nulls[edges[:-1]])).tolist():
                errors.setdefault(row, f"column '{name}' holds a NULL, which no tensor can hold")
    not_null &= lengths >= 0  # every array is the NULL of an optional tensor
    is_good = not_null.copy()
    is_good[list(errors)] = False
    counts = np.where(is_good, np.maximum(lengths, 0), 0)
    owners = np.repeat(np.arange(rows), counts)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = [_elements(binding, inputs.column(binding.place), owners, within) for binding in bindings.inputs]
    names = [f"c{number}" for number in range(len(columns))]
    return ArrayBatch(pa.record_batch(columns, names=names), errors, not_null, owners)


def _elements(binding: TensorBinding, column: pa.Array, owners: Ints, within: Ints) -> pa.Array:
    """The values of a column for the elements: a view where they lie together, and scalars repeated."""
    if not binding.argument_type.depth:
        return take(column, owners)
    places = offsets(column)[owners] + within
    if column.null_count:
        places = np.where(present(column)[owners], places, -1)
    if len(places) and places[0] >= 0 and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
        return column.values.slice(int(places[0]), len(places))
    return take(column.values, places)
