"""How many rows an operator holds and hands over at once; the shim and PyFlink's functions have the same limits."""

from __future__ import annotations

import math

from pyflink_triton.options.options import Options
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.schema.padding import PaddedGroup

#: The most rows of a batch.
BATCH_ROWS = 256
#: The shim sends a frame when it has this many bytes, or the rows of a batch.
FRAME_BYTES = 4 << 20
#: The most batches under way that are not full, so that rows come together while the model is busy.
BATCHES_IN_FLIGHT = 6
#: The operator should hold enough rows to fill this many of the model's batches ...
_BATCHES_IN_OPERATOR = 32
#: ... within these bounds, because the rows in the operator are sent again after a failure.
_CAPACITY_BOUNDS = (1000, 10_000)
#: The most requests in flight before rows wait for others to fill theirs.
_MOST_BEFORE_WAITING = 4


def stream_capacity(options: Options) -> int:
    """How many rows the operator should hold for a decoupled model: another one for each that is under way."""
    return 2 * options.max_in_flight_requests


def capacity(batch_rows: int, *, is_spread: bool = False) -> int:
    """How many rows the operator should hold to keep a model busy.

    Args:
        batch_rows: How many rows the model takes at once.
        is_spread: Whether few of them may share a request, so that it takes as many as there may be.
    """
    low, high = _CAPACITY_BOUNDS
    if is_spread:
        return high
    return min(max(_BATCHES_IN_OPERATOR * batch_rows, low), high)


def rows_in_flight(batch_rows: int, columns: ColumnBindings, options: Options) -> int:
    """How many rows a worker takes at once: three quarters of those in the operator, so that a full batch always waits.

    Fewer where their outputs, or what the least edges make of their inputs, would not fit into ``max-in-flight-bytes``.
    """
    tensors = [binding.tensor for binding in columns.outputs]
    output = sum(tensor.datatype.itemsize * abs(math.prod(tensor.dims)) for tensor in tensors)
    padded = sum(group.edges[0] * _entry_bytes(group, columns) for group in columns.padding)
    rows = max(BATCHES_IN_FLIGHT * BATCH_ROWS, capacity(batch_rows, is_spread=options.spreads_rows) * 3 // 4)
    return max(1, min(rows, options.max_in_flight_bytes // max(output, padded, 1)))


def _entry_bytes(group: PaddedGroup, columns: ColumnBindings) -> int:
    """The bytes that one step along what is padded takes in all tensors of a group, at the least."""
    tensors = [columns.inputs[each.place].tensor for each in group.inputs]
    if group.mask is not None:
        tensors.append(group.mask.tensor)
    return sum(tensor.datatype.itemsize * abs(math.prod(tensor.dims)) for tensor in tensors)


def requests_before_waiting(batch_rows: int, options: Options) -> int:
    """How many requests are in flight at the least before rows wait for others to fill theirs.

    It is at most half of the full requests that a worker holds, or rows would never wait.
    """
    by_rows = capacity(batch_rows) * 3 // 4 // (2 * max(batch_rows, 1))
    by_bytes = options.max_in_flight_bytes // (2 * options.max_request_bytes)
    return max(1, min(by_rows, by_bytes, _MOST_BEFORE_WAITING))
