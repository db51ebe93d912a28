"""The outputs of single rows as bytes of the protocol, and rows with such outputs as columns again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from pyflink_triton.schema.binding import TensorBinding
from pyflink_triton.tensors.decode import Output
from pyflink_triton.tensors.parts import decode_outputs
from pyflink_triton.types.wire import element_edges

#: The shape of one row of each output.
Shapes = tuple[tuple[int, ...], ...]


def split_outputs(
    bindings: Sequence[TensorBinding], outputs: Sequence[Output], rows: int
) -> tuple[Shapes, list[list[bytes]]]:
    """Copy the outputs of one response row by row.

    Args:
        bindings: The output tensors and their columns.
        outputs: What the response has for each; a row that lacks one has no bytes of it.
        rows: How many rows it answers.

    Returns:
        The shapes, and for each output the bytes of each row.
    """
    shapes = tuple(() if output is None else output[0] for output in outputs)
    pairs = zip(bindings, outputs, strict=True)
    return shapes, [[b""] * rows if output is None else _split(binding, output[1], rows) for binding, output in pairs]


def _split(binding: TensorBinding, data: memoryview, rows: int) -> list[bytes]:
    datatype = binding.tensor.datatype
    if not datatype.is_fixed_size:
        return _split_elements(data, rows)
    size = len(data) // rows
    if not size:
        return [b""] * rows
    split: list[bytes] = np.frombuffer(data, f"V{size}").tolist()
    return split


def _split_elements(data: memoryview, rows: int) -> list[bytes]:
    """Split elements that have sizes of their own; each row has as many."""
    edges, whole = element_edges(data), bytes(data)
    step = (len(edges) - 1) // rows
    return [whole[a:b] for a, b in pairwise(edges[::step])] if step else [b""] * rows


def join_outputs(
    bindings: Sequence[TensorBinding], shapes: Shapes, values: Sequence[Sequence[bytes]], rows: int
) -> list[pa.Array]:
    """Make columns of rows that were split and whose outputs have the same shapes.

    Args:
        bindings: The output tensors and their columns.
        shapes: The shapes.
        values: For each output the bytes of each row.
        rows: How many rows there are.
    """
    outputs = [(shape, memoryview(b"".join(each))) for shape, each in zip(shapes, values, strict=True)]
    return decode_outputs(bindings, outputs, rows)[0]
