"""Turns a batch of rows into tensors, and finds the rows that may share a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints, present
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.tensors.encode import Reject, TensorColumn, encode

#: Takes the indexes of rows and the reason why they fail.
Fail = Callable[[Ints, str], None]
#: What stands for an optional tensor that rows have, among what they have in common.
_HOLDS = np.ones(1, np.int64).tobytes()


def encode_batch(
    bindings: ColumnBindings, has_batch_axis: bool, inputs: pa.RecordBatch, fail: Fail
) -> tuple[list[TensorColumn], Bools | None, Ints]:
    """Encode the column of each tensor.

    Args:
        bindings: The columns and their tensors.
        has_batch_axis: Whether tensors have a leading axis of rows.
        inputs: All input columns.
        fail: Called with the rows whose values a tensor cannot hold.

    Returns:
        The tensors, a mask of the rows that hold no NULL (None: all), and the indexes of those that did not fail.
    """
    arrays = inputs.columns
    holds = [present(column) if column.null_count else None for column in arrays]
    needed = [held for place, held in enumerate(holds) if held is not None and place not in bindings.nullable]
    not_null = np.logical_and.reduce(needed) if needed else None
    failed: list[Bools] = []

    def reject(bad: Bools, reason: str) -> None:
        if not_null is not None:
            bad = bad & not_null
        if bad.any():
            fail(np.flatnonzero(bad), reason)
            failed.append(bad)

    if has_batch_axis and all(binding.tensor.optional for binding in bindings.inputs):
        _refuse_rows_of_nothing(bindings, holds, reject)
    columns = []
    for binding in bindings.inputs:
        held = holds[binding.place]
        encoded = encode(binding, arrays[binding.place], partial(_reject_held, reject, binding.column.name, held))
        columns.append(replace(encoded, present=held) if binding.tensor.optional else encoded)
    if not_null is None and not failed:
        return columns, None, np.arange(inputs.num_rows)
    good = np.ones(inputs.num_rows, dtype=np.bool_) if not_null is None else not_null.copy()
    for bad in failed:
        good[bad] = False
    return columns, not_null, np.flatnonzero(good)


def _reject_held(reject: Reject, name: str, held: Bools | None, mask: Bools, reason: str) -> None:
    """Reject rows because of a column's values; those that are NULL have none."""
    reject(mask if held is None else mask & held, f"column '{name}' {reason}")


def _refuse_rows_of_nothing(bindings: ColumnBindings, holds: Sequence[Bools | None], reject: Reject) -> None:
    """Fail the rows that would leave every tensor out: the server counts the rows of a request by its inputs."""
    held = [holds[binding.place] for binding in bindings.inputs]
    something = [mask for mask in held if mask is not None]
    if len(something) < len(held):
        return
    bad = ~np.logical_or.reduce(something)
    if bad.any():
        names = ", ".join(f"'{binding.column.name}'" for binding in bindings.inputs)
        reject(
            bad,
            f"all inputs are NULL ({names}), and Triton counts a request's rows by its inputs. {Remedy.GIVE_A_VALUE()}",
        )


def group_alike(columns: Sequence[TensorColumn], rows: Ints) -> Iterator[tuple[bytes, Ints, Ints | int]]:
    """Group the rows that have the same tensors with the same shapes, and so may share a request.

    Args:
        columns: The tensors of the whole batch.
        rows: The rows to send, ascending.

    Returns:
        For each group what its rows have in common, the rows, ascending, and the bytes of each where all have the
        same; else where each would begin if they lay one behind the other, with the end appended.
    """
    fixed = sum(column.size or 0 for column in columns)
    edges: Ints | None = None
    for column in columns:
        if column.edges is not None:
            edges = column.edges if edges is None else edges + column.edges
    if edges is not None and fixed:
        edges = edges + fixed * np.arange(len(edges))
    for alike, group in _alike(columns, rows):
        yield alike, group, fixed if edges is None else _edges(edges, group)


def _edges(edges: Ints, rows: Ints) -> Ints:
    """The edges of some rows: a view where they lie together."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows):
        return edges[first : last + 2]
    sizes = edges[rows + 1] - edges[rows]
    return np.concatenate(([0], np.cumsum(sizes)))


def _alike(columns: Sequence[TensorColumn], rows: Ints) -> Iterator[tuple[bytes, Ints]]:
    optional = [column.present for column in columns if column.tensor.optional]
    shapes = [column.shapes[rows] for column in columns if column.shapes is not None]
    if not shapes and all(held is None for held in optional):
        yield _HOLDS * len(optional), rows
        return
    all_hold = np.ones((len(rows), 1), np.int64)
    shapes += [all_hold if held is None else held[rows, None].astype(np.int64) for held in optional]
    kinds, group = np.unique(np.concatenate(shapes, axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    if len(kinds) == 1:
        yield kinds[0].tobytes(), rows
        return
    yield from zip((kind.tobytes() for kind in kinds), split_by(group, rows), strict=True)


def split_by(kinds: Ints, rows: Ints) -> list[Ints]:
    """Split rows into those of each kind, in the order of the kinds.

    Args:
        kinds: The kind of each row, a number.
        rows: The rows, ascending; there is one at the least.

    Returns:
        For each kind that a row has, its rows, ascending.
    """
    order = np.argsort(kinds, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(kinds[order])) + 1)
