"""Puts the responses to the requests of a batch together, in the order of the batch's rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints, take
from pyflink_triton.schema.binding import TensorBinding
from pyflink_triton.tensors.batching import Fail
from pyflink_triton.tensors.decode import Output, decode

#: The rows of a request, and the outputs of its response.
Part = tuple[Ints, list[Output]]


def assemble(
    outputs: Sequence[TensorBinding], parts: list[Part], batch_rows: int, errors: dict[int, str], fail: Fail
) -> list[pa.Array]:
    """Put the outputs of all requests in the order of the rows; a row without a response is NULL.

    Args:
        outputs: The output tensors and their columns.
        parts: The requests that were answered; this function sorts them.
        batch_rows: The number of rows in the batch.
        errors: The rows that failed. ``fail`` may add some.
        fail: Called with the rows whose output is not a value of the declared type.

    Returns:
        A column for each output tensor.
    """
    if not parts:
        return [pa.nulls(batch_rows, binding.column.type.arrow) for binding in outputs]
    parts.sort(key=lambda part: int(part[0][0]))
    rows = np.concatenate([part_rows for part_rows, _ in parts])
    columns = [_column(binding, parts, rows, output, fail) for output, binding in enumerate(outputs)]
    if len(rows) < batch_rows or errors or not np.array_equal(rows, np.arange(batch_rows)):
        places = np.full(batch_rows, -1, dtype=np.int64)
        places[rows] = np.arange(len(rows))
        places[list(errors)] = -1
        columns = [take(column, places) for column in columns]
    return columns


def _column(binding: TensorBinding, answered: list[Part], rows: Ints, output: int, fail: Fail) -> pa.Array:
    """Decode an output of all parts, and all at once where elements have a fixed size.

    BYTES are decoded part by part, so that a wrong length in one part does not reach into the next one.
    """
    is_fixed_size = binding.tensor.datatype.is_fixed_size

    def key(part: Part) -> object:
        found = part[1][output]
        return None if found is None else found[0] if is_fixed_size else id(part)

    chunks: list[pa.Array] = []
    done = 0
    for _, run in groupby(answered, key=key):
        parts = list(run)
        of = rows[done : done + sum(len(part_rows) for part_rows, _ in parts)]
        done += len(of)
        found = [each for part in parts if (each := part[1][output]) is not None]
        if not found:
            chunks.append(pa.nulls(len(of), binding.column.type.arrow))
            continue

        def reject(mask: Bools, reason: str, of: Ints = of) -> None:
            fail(of[mask], reason)

        inner, data = found[0]
        joined = data if len(found) == 1 else b"".join(each for _, each in found)
        chunks.append(decode(binding, inner, joined, len(of), reject))
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
