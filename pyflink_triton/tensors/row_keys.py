"""Keys of rows: two rows of a model have the same one only where the same would be sent for both."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from pyflink_triton._arrow import Ints
from pyflink_triton.tensors.encode import TensorColumn

#: Of a longer row a digest of 256 bits stands for the bytes, so that a key is small.
_LONGEST = 1024
#: What keys begin with, so that no row can be made to look like the digest of another.
_EXACT, _DIGEST = b"=", b"#"


def row_keys(columns: Sequence[TensorColumn], rows: Ints, alike: bytes) -> list[bytes]:
    """Make the keys of rows that may share a request.

    Args:
        columns: The tensors of the whole batch.
        rows: The rows, ascending; one at least.
        alike: What they have in common: their shapes, which optional tensors they have, their parameters.
    """
    held = [column for column in columns if column.present is None or column.present[rows[0]]]
    parts = [column.gather(rows) for column in held]
    if all(column.tensor.datatype.is_fixed_size for column in held) and sum(map(len, parts)) <= _LONGEST * len(rows):
        return _of_one_size(_EXACT + alike, parts, len(rows))
    edges = [_edges(column, rows) for column in held]
    slices = ([part[a:b] for a, b in pairwise(ends)] for part, ends in zip(parts, edges, strict=True))
    return [_key(alike, row) for row in zip(*slices, strict=True)]


def _of_one_size(head: bytes, parts: Sequence[memoryview], rows: int) -> list[bytes]:
    """The keys of short rows of one size, without a loop over them."""
    width = len(head) + sum(map(len, parts)) // rows
    whole = np.empty((rows, width), np.uint8)
    whole[:, : len(head)] = np.frombuffer(head, np.uint8)
    start = len(head)
    for part in parts:
        if size := len(part) // rows:
            whole[:, start : start + size] = np.frombuffer(part, np.uint8).reshape(rows, size)
            start += size
    keys: list[bytes] = whole.view(f"V{width}").reshape(-1).tolist()
    return keys


def _key(alike: bytes, tensors: Sequence[memoryview]) -> bytes:
    if sum(map(len, tensors)) <= _LONGEST:
        return b"".join((_EXACT, alike, *tensors))
    digest = blake2b(alike, digest_size=32)
    for tensor in tensors:
        digest.update(tensor)
    return _DIGEST + digest.digest()


def _edges(column: TensorColumn, rows: Ints) -> list[int]:
    """Where the bytes of some rows begin where they lie one behind the other, with the end appended."""
    if column.size is not None:
        return list(range(0, (len(rows) + 1) * column.size, column.size)) if column.size else [0] * (len(rows) + 1)
    assert column.edges is not None
    ends: list[int] = np.cumsum(column.edges[rows + 1] - column.edges[rows]).tolist()
    return [0, *ends]
