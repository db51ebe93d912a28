"""What the stream of responses to a row becomes: one value of each output, an array of them, or several rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyflink_triton._arrow import Bools, Ints, from_numbers, from_offsets, from_values, take
from pyflink_triton.errors import RowError
from pyflink_triton.metrics import Metrics
from pyflink_triton.protocol.inference import OutputTensor
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import ColumnBindings, TensorBinding
from pyflink_triton.schema.own_columns import OwnColumn
from pyflink_triton.tensors.decode import decode
from pyflink_triton.types.sql import array_of

Stream = Sequence[Mapping[str, OutputTensor]]


class ResponseStreams:
    """Makes rows of streams of responses.

    For `array` and `rows` a row has a list of the values of each output, with one for each response. For `rows` the
    lists of one row become rows when they leave; then a column of indexes follows, where one is declared.

    Args:
        columns: The declared columns; ``responses`` says what a stream becomes.
        metrics: Where tokens are counted.
    """

    def __init__(self, columns: ColumnBindings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._tokens, self._finish = columns.tokens, columns.finish
        self._outputs = columns.outputs
        self._responses = columns.responses
        self._gives_lists = columns.gives_lists
        self._gives_rows = columns.responses == "rows"
        self._counts = OwnColumn.RESPONSE_INDEX in columns.own

    def read(self, stream: Stream) -> list[pa.Array]:
        """Read the stream of responses to one row.

        Args:
            stream: The outputs of each response, in order.

        Returns:
            Columns of one row.

        Raises:
            RowError: The number of responses is not one that the option takes, or a value is not of the declared type.
        """
        count = len(stream)
        if self._gives_lists:
            return self._lists(self._values(stream), np.array([count]))
        if count == 0:
            raise RowError(f"the model gave no response to the row. {Remedy.TAKE_NO_RESPONSE()}")
        if self._responses == "one" and count > 1:
            raise RowError(f"the model gave {count} responses to the row. {Remedy.TAKE_RESPONSES()}")
        if self._responses != "join":
            return self._values(stream[-1:])
        return [
            _joined(values) if pa.types.is_string(values.type) and place != self._finish else values[count - 1 :]
            for place, values in enumerate(self._values(stream))
        ]

    def of_one(self, outputs: list[pa.Array], rows: int) -> list[pa.Array]:
        """Make columns of rows that have one response each."""
        return self._lists(outputs, np.ones(rows, np.int64)) if self._gives_lists else outputs

    def nothing(self, rows: int) -> list[pa.Array]:
        """The columns of rows without an answer: NULL, and for `rows` one row of NULL."""
        nulls = [pa.nulls(rows, binding.column.type.arrow) for binding in self._outputs]
        if self._gives_rows:
            columns = [_lists(column, np.arange(rows + 1)) for column in nulls]
            return [*columns, *([_lists(pa.nulls(rows, pa.int32()), np.arange(rows + 1))] if self._counts else [])]
        if self._gives_lists:
            return [pa.nulls(rows, pa.list_(column.type)) for column in nulls]
        return nulls

    def _lists(self, values: Sequence[pa.Array], counts: Ints) -> list[pa.Array]:
        edges = np.concatenate(([0], np.cumsum(counts)))
        lists = [_lists(column, edges) for column in values]
        if self._counts:
            within = np.arange(edges[-1]) - np.repeat(edges[:-1], counts)
            lists.append(_lists(from_numbers(within.astype("<i4"), pa.int32()), edges))
        return lists

    def _values(self, stream: Stream) -> list[pa.Array]:
        """A value of each declared output for each response, NULL where the response lacks the output."""
        values = [
            _column(binding, [response.get(binding.tensor.name) for response in stream]) for binding in self._outputs
        ]
        count_tokens(self._metrics, values, self._tokens)
        return values


def count_tokens(metrics: Metrics, outputs: Sequence[pa.Array], place: int | None) -> None:
    """Add up the output that is a number of tokens.

    Args:
        metrics: Where they are counted.
        outputs: The outputs.
        place: The index of that output; None where there is none.
    """
    if place is not None:
        metrics.count_tokens(pc.sum(outputs[place]).as_py() or 0)


def _lists(values: pa.Array, edges: Ints) -> pa.Array:
    return from_offsets(pa.list_(values.type), edges, values)


def _column(binding: TensorBinding, tensors: Sequence[OutputTensor | None]) -> pa.Array:
    """The values of one output in several responses; NULL where a response lacks it, or has no element of a scalar."""
    depth = binding.column.type.depth
    places = [
        place for place, tensor in enumerate(tensors) if tensor is not None and (depth or math.prod(tensor.shape))
    ]
    given = [tensor for place in places if (tensor := tensors[place]) is not None]
    if not given:
        return pa.nulls(len(tensors), binding.column.type.arrow)
    sizes = [math.prod(tensor.shape) for tensor in given]
    if not depth and max(sizes) > 1:
        raise RowError(
            f"output '{binding.tensor.name}' of one response has {max(sizes)} elements, but column "
            f"'{binding.column.name}' is {binding.column.type}. {Remedy.DECLARE_AS(type=array_of(binding.column.type))}"
        )
    if min(sizes) == max(sizes):
        values = _decoded(binding, sizes[0], b"".join([tensor.data or b"" for tensor in given]), len(given))
    else:
        pairs = zip(given, sizes, strict=True)
        values = pa.concat_arrays([_decoded(binding, size, tensor.data or b"", 1) for tensor, size in pairs])
    if len(given) == len(tensors):
        return values
    taken = np.full(len(tensors), -1, np.int64)
    taken[places] = np.arange(len(places))
    return take(values, taken)


def _decoded(binding: TensorBinding, size: int, data: bytes | memoryview, count: int) -> pa.Array:
    def reject(_: Bools, reason: str) -> None:
        raise RowError(reason)

    return decode(binding, (size,), data, count, reject)


def _joined(texts: pa.Array) -> pa.Array:
    """The texts one after the other; NULL where there is none."""
    given = [text for text in texts.to_pylist() if text is not None]
    return from_values(["".join(given) if given else None], pa.utf8())
