"""Turns failed rows into output rows: with the default value, or with the message in the error column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import from_offsets, from_values, take
from pyflink_triton.errors import code_of
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.schema.own_columns import OwnColumn


@dataclass(frozen=True)
class Policy:
    """What becomes of a row that failed because of its values, or because the server did not answer it in time.

    Attributes:
        defaults: The default value of each output, as an array of one row; None: a failed row is NULL.
        own: The indexes of the output columns that this package fills.
        given: Those of them whose columns come after those of the tensors, in their order.
    """

    defaults: tuple[pa.Array, ...] | None
    own: Mapping[OwnColumn, int] = field(default_factory=dict)
    given: Sequence[OwnColumn] = ()

    @staticmethod
    def of(columns: ColumnBindings, facts: Sequence[OwnColumn]) -> Policy:
        """The policy that the options declare.

        Args:
            columns: The declared columns.
            facts: Those that are facts of an answer.
        """
        defaults = columns.defaults
        if defaults is not None and columns.responses == "rows":  # a failed row becomes one row
            defaults = tuple(from_offsets(pa.list_(value.type), np.arange(2), value) for value in defaults)
        indexes = [OwnColumn.RESPONSE_INDEX] if OwnColumn.RESPONSE_INDEX in columns.own else []
        return Policy(defaults, columns.own, [*indexes, *facts])

    @property
    def covers(self) -> bool:
        """Whether a failed row becomes an output row, so that the job goes on."""
        return self.defaults is not None or OwnColumn.ERROR in self.own

    def complete(self, outputs: Sequence[pa.Array], errors: Mapping[int, str]) -> list[pa.Array]:
        """Make the declared columns from the columns of the tensors.

        Args:
            outputs: A column for each output tensor, NULL where the row failed; then those that are ``given``.
            errors: The message of each row that failed.
        """
        columns, rows = list(outputs), len(outputs[0])
        own = {self.own[column]: columns.pop() for column in reversed(self.given)}
        for column in self.given if errors else ():
            if column is not OwnColumn.RESPONSE_INDEX:  # a failed row has no facts of an answer, whatever came for it
                places = np.arange(rows, dtype=np.int64)
                places[list(errors)] = -1
                own[self.own[column]] = take(own[self.own[column]], places)
        if errors and self.defaults is not None:
            places = np.arange(rows, dtype=np.int64)
            places[list(errors)] = rows
            columns = [
                take(pa.concat_arrays([column, default]), places)
                for column, default in zip(columns, self.defaults, strict=True)
            ]
        if (place := self.own.get(OwnColumn.ERROR)) is not None:
            own[place] = _texts(errors, rows)
        if (place := self.own.get(OwnColumn.ERROR_CODE)) is not None:
            own[place] = _texts({row: code_of(message) for row, message in errors.items()}, rows)
        for place in sorted(own):
            columns.insert(place, own[place])
        return columns


def _texts(texts: Mapping[int, str], rows: int) -> pa.Array:
    """Texts for some of the rows, NULL for the others."""
    if not texts:
        return pa.nulls(rows, pa.utf8())
    places = np.full(rows, -1, dtype=np.int64)
    places[list(texts)] = np.arange(len(texts))
    return take(from_values(list(texts.values()), pa.utf8()), places)
