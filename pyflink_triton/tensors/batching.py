"""Turns a batch of rows into tensors, and cuts it into requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints, present
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.tensors.encode import TensorColumn, encode

#: Takes the indexes of rows and the reason why they fail.
Fail = Callable[[Ints, str], None]


def encode_batch(
    bindings: ColumnBindings, has_batch_axis: bool, inputs: pa.RecordBatch, fail: Fail
) -> tuple[list[TensorColumn], Bools, Ints]:
    """Encode the column of each tensor.

    Args:
        bindings: The columns and their tensors.
        has_batch_axis: Whether tensors have a leading axis of rows.
        inputs: All input columns.
        fail: Called with the rows whose values a tensor cannot hold.

    Returns:
        The tensors, a mask of the rows that hold no NULL, and the indexes of those rows that did not fail.
    """
    not_null = np.ones(inputs.num_rows, dtype=np.bool_)
    good = np.ones(inputs.num_rows, dtype=np.bool_)
    holds = [present(column) if column.null_count else None for column in inputs.columns]
    for place, held in enumerate(holds):
        if held is not None and place not in bindings.nullable:
            not_null &= held
    if has_batch_axis and all(binding.tensor.optional for binding in bindings.inputs):
        _refuse_rows_of_nothing(bindings, holds, not_null, good, fail)
    columns = []
    for binding in bindings.inputs:
        held = holds[binding.place]

        def reject(mask: Bools, reason: str, name: str = binding.column.name, held: Bools | None = held) -> None:
            bad = mask & not_null if held is None else mask & not_null & held
            if bad.any():
                fail(np.flatnonzero(bad), f"column '{name}' {reason}")
                good[bad] = False

        encoded = encode(binding, inputs.column(binding.place), reject)
        columns.append(replace(encoded, present=held) if binding.tensor.optional else encoded)
    return columns, not_null, np.flatnonzero(not_null & good)


def _refuse_rows_of_nothing(
    bindings: ColumnBindings, holds: Sequence[Bools | None], not_null: Bools, good: Bools, fail: Fail
) -> None:
    """Fail the rows that would leave every tensor out: the server counts the rows of a request by its inputs."""
    held = [holds[binding.place] for binding in bindings.inputs]
    something = [mask for mask in held if mask is not None]
    if len(something) < len(held):
        return
    bad = not_null & ~np.logical_or.reduce(something)
    if bad.any():
        names = ", ".join(f"'{binding.column.name}'" for binding in bindings.inputs)
        fail(
            np.flatnonzero(bad),
            f"all inputs are NULL ({names}), and Triton counts a request's rows by its inputs. {Remedy.GIVE_A_VALUE()}",
        )
        good[bad] = False


def split(
    signature: ModelSignature,
    columns: Sequence[TensorColumn],
    rows: Ints,
    rows_per_request: Callable[[], int],
    bytes_per_request: int,
) -> Iterator[Ints]:
    """Cut rows into requests of rows with equal shapes, with limits for rows and bytes.

    Args:
        signature: The model's signature.
        columns: The tensors of the whole batch.
        rows: The rows to send, ascending.
        rows_per_request: Returns the greatest number of rows in a request. It is called for each request, because the
            limit may change in between.
        bytes_per_request: The greatest number of bytes of tensors in a request. A larger row goes alone.
    """
    if not signature.has_batch_axis:
        yield from rows.reshape(-1, 1)
        return
    fixed = sum(column.size or 0 for column in columns)
    varying = [column.sizes for column in columns if column.sizes is not None]
    for group in _alike(columns, rows):
        ends = np.cumsum(np.sum(varying, axis=0)[group] + fixed) if varying else None
        start = 0
        while start < len(group):
            if ends is None:
                fitting = start + bytes_per_request // fixed
            else:
                limit = (ends[start - 1] if start else 0) + bytes_per_request
                fitting = int(np.searchsorted(ends, limit, side="right"))
            stop = min(max(fitting, start + 1), start + rows_per_request())
            yield group[start:stop]
            start = stop


def _alike(columns: Sequence[TensorColumn], rows: Ints) -> Iterator[Ints]:
    """Group the rows that have the same tensors with the same shapes."""
    shapes = [column.shapes[rows] for column in columns if column.shapes is not None]
    shapes += [column.present[rows, None].astype(np.int64) for column in columns if column.present is not None]
    if not shapes:
        yield rows
        return
    _, group = np.unique(np.concatenate(shapes, axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    if group.max() == 0:
        yield rows
        return
    order = np.argsort(group, kind="stable")
    yield from np.split(rows[order], np.flatnonzero(np.diff(group[order])) + 1)
