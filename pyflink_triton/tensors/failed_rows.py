"""Turns failed rows into output rows: with the default value, or with the message in the error column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import from_offsets, from_values, take
from pyflink_triton.schema.binding import ColumnBindings


@dataclass(frozen=True)
class Policy:
    """What becomes of a row that failed because of its values, or because the server did not answer it in time.

    Attributes:
        defaults: The default value of each output, as an array of one row; None: a failed row is NULL.
        error_column: The index of the output column for the message; None: there is none.
        index_column: The index of the output column that counts responses, which comes after those of the tensors;
            None: there is none.
    """

    defaults: tuple[pa.Array, ...] | None
    error_column: int | None
    index_column: int | None = None

    @staticmethod
    def of(columns: ColumnBindings) -> Policy:
        """The policy that the options declare."""
        defaults = columns.defaults
        if defaults is not None and columns.responses == "rows":  # a failed row becomes one row
            defaults = tuple(from_offsets(pa.list_(value.type), np.arange(2), value) for value in defaults)
        return Policy(defaults, columns.error_column, columns.index_column)

    @property
    def covers(self) -> bool:
        """Whether a failed row becomes an output row, so that the job goes on."""
        return self.defaults is not None or self.error_column is not None

    def complete(self, outputs: Sequence[pa.Array], errors: Mapping[int, str]) -> list[pa.Array]:
        """Make the declared columns from the columns of the tensors.

        Args:
            outputs: A column for each output tensor, NULL where the row failed.
            errors: The message of each row that failed.
        """
        columns, rows = list(outputs), len(outputs[0])
        own = {} if self.index_column is None else {self.index_column: columns.pop()}
        if errors and self.defaults is not None:
            places = np.arange(rows, dtype=np.int64)
            places[list(errors)] = rows
            columns = [
                take(pa.concat_arrays([column, default]), places)
                for column, default in zip(columns, self.defaults, strict=True)
            ]
        if self.error_column is not None:
            own[self.error_column] = _messages(errors, rows)
        for place in sorted(own):
            columns.insert(place, own[place])
        return columns


def _messages(errors: Mapping[int, str], rows: int) -> pa.Array:
    if not errors:
        return pa.nulls(rows, pa.utf8())
    places = np.full(rows, -1, dtype=np.int64)
    places[list(errors)] = np.arange(len(errors))
    return take(from_values(list(errors.values()), pa.utf8()), places)
