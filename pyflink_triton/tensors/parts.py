"""The outputs of one response as columns, and the parts of a batch put together in the order of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints, take
from pyflink_triton.errors import INVALID_ANSWER, FailureWords
from pyflink_triton.schema.binding import TensorBinding
from pyflink_triton.tensors.decode import Output, decode

#: Rows of a batch, and their columns in the same order.
Part = tuple[Ints, Sequence[pa.Array]]


def decode_outputs(
    bindings: Sequence[TensorBinding], outputs: Sequence[Output], rows: int
) -> tuple[list[pa.Array], dict[int, str]]:
    """Decode the outputs of one response.

    Args:
        bindings: The output tensors and their columns.
        outputs: What the response has for each.
        rows: How many rows it answers.

    Returns:
        A column for each output tensor, and the message of each row whose output is not a value of the declared type;
        such a row is NULL.
    """
    errors: dict[int, str] = {}

    def reject(mask: Bools, reason: str) -> None:
        for row in np.flatnonzero(mask).tolist():
            errors.setdefault(row, FailureWords(reason, INVALID_ANSWER))

    columns = [
        pa.nulls(rows, binding.column.type.arrow) if output is None else decode(binding, *output, rows, reject)
        for binding, output in zip(bindings, outputs, strict=True)
    ]
    if errors:
        places = np.arange(rows)
        places[list(errors)] = -1
        columns = [take(column, places) for column in columns]
    return columns, errors


def join(parts: Sequence[Part]) -> tuple[Ints, list[pa.Array]]:
    """The rows of parts, one after the other, and their columns in the same order."""
    columns = [pa.concat_arrays(chunks) for chunks in zip(*(columns for _, columns in parts), strict=True)]
    return np.concatenate([rows for rows, _ in parts]), columns


def by_place(errors: Mapping[int, str], rows: Ints) -> dict[int, str]:
    """Messages by the places of their rows, not by the rows."""
    return {place: errors[row] for place, row in enumerate(rows.tolist()) if row in errors} if errors else {}


def merge(parts: Sequence[Part], rows: int) -> list[pa.Array]:
    """Put the parts of a batch together.

    Args:
        parts: Parts that together hold each row once; one at least.
        rows: How many rows the batch has.
    """
    order, columns = join(parts)
    if np.array_equal(order, np.arange(rows)):
        return columns
    places = np.empty(rows, dtype=np.int64)
    places[order] = np.arange(rows)
    return [take(column, places) for column in columns]
