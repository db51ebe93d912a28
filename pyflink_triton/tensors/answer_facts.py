"""What is known of an answer beside its outputs, as columns: the version of the model, and how long its call took."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import from_numbers, from_values, numbers, offsets, present, take
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.schema.own_columns import OwnColumn


def _versions(response: InferenceResponse, rows: int) -> pa.Array:
    version = from_values([response.version], pa.utf8())
    return take(version, np.zeros(rows, dtype=np.int64))


def _milliseconds(response: InferenceResponse, rows: int) -> pa.Array:
    return from_numbers(np.full(rows, response.seconds * 1000), pa.float64())


_FACTS: dict[OwnColumn, tuple[pa.DataType, Callable[[InferenceResponse, int], pa.Array]]] = {
    OwnColumn.MODEL_VERSION: (pa.utf8(), _versions),
    OwnColumn.LATENCY: (pa.float64(), _milliseconds),
}


class AnswerFacts:
    """Makes the columns that options ask for. They follow those of the outputs, in the order of ``columns``.

    Args:
        own: The columns of this package's own.

    Attributes:
        columns: Those that are facts of an answer.
    """

    def __init__(self, own: Sequence[OwnColumn]) -> None:
        self.columns = [column for column in _FACTS if column in own]

    @property
    def types(self) -> list[pa.DataType]:
        """Their types."""
        return [_FACTS[column][0] for column in self.columns]

    def of(self, response: InferenceResponse, rows: int) -> list[pa.Array]:
        """The facts of a response, for each of the rows that it answers."""
        return [_FACTS[column][1](response, rows) for column in self.columns]

    def of_kept(self, version: str | None, rows: int) -> list[pa.Array]:
        """The facts of rows whose answer was there before: the version that gave it, and no call."""
        response = InferenceResponse({}, "", version=version)
        return [
            pa.nulls(rows, pa.float64()) if column is OwnColumn.LATENCY else _FACTS[column][1](response, rows)
            for column in self.columns
        ]

    def nothing(self, rows: int) -> list[pa.Array]:
        """NULL for rows without an answer."""
        return [pa.nulls(rows, type_) for type_ in self.types]

    def of_rows(self, lists: list[pa.Array]) -> list[pa.Array]:
        """The facts of rows whose elements may have been answered by several responses: of the slowest.

        Args:
            lists: Columns whose last ones hold the facts of each row's elements.
        """
        first = len(lists) - len(self.columns)
        return [*lists[:first], *map(_of_slowest, lists[first:])]


def _of_slowest(lists: pa.Array) -> pa.Array:
    """The greatest number of each list, and of texts the first; NULL where there is none."""
    edges, values = offsets(lists), lists.values
    is_full = np.diff(edges) > 0
    starts, places = edges[:-1][is_full], np.full(len(lists), -1, dtype=np.int64)
    if pa.types.is_floating(values.type) and len(starts):
        known = np.where(present(values), numbers(values), -1.0)
        greatest = np.maximum.reduceat(known, starts)
        values, starts = from_numbers(greatest, values.type), np.where(greatest < 0, -1, np.arange(len(starts)))
    places[is_full] = starts
    return take(values, places)
