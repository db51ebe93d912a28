"""The answers of a batch's requests as columns in the order of its rows, NULL where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa

from pyflink_triton.arrays import Bools, Ints, take
from pyflink_triton.batching import Fail
from pyflink_triton.decode import decode
from pyflink_triton.mapping import Binding

#: The rows of a request, and for each output the shape of one row and the bytes of all.
Part = tuple[Ints, list[tuple[tuple[int, ...], memoryview]]]


def assemble(
    outputs: Sequence[Binding], parts: list[Part], batch_rows: int, errors: dict[int, str], fail: Fail
) -> list[pa.Array]:
    """Put the parts in the rows' order.

    Args:
        outputs: The output tensors and their columns.
        parts: What was answered; sorted here.
        batch_rows: How many rows the batch has.
        errors: The rows that failed; ``fail`` may add some.
        fail: Told of the rows whose output is no value of the declared type.

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


def _column(binding: Binding, answered: list[Part], rows: Ints, output: int, fail: Fail) -> pa.Array:
    """Decode an output of all parts, at once where the size of each is known from its shape.

    BYTES are decoded part by part: a wrong length in one must not reach into the next.
    """
    is_fixed = binding.tensor.datatype.numpy is not None
    chunks: list[pa.Array] = []
    done = 0
    for _, run in groupby(answered, key=lambda part: part[1][output][0] if is_fixed else id(part)):
        parts = list(run)
        inner = parts[0][1][output][0]
        count = sum(len(part_rows) for part_rows, _ in parts)
        data = parts[0][1][output][1] if len(parts) == 1 else b"".join(part[1][output][1] for part in parts)

        def fault(mask: Bools, what: str, of: Ints = rows[done : done + count]) -> None:
            fail(of[mask], what)

        chunks.append(decode(binding, inner, data, count, fault))
        done += count
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
