"""The parameters of requests that differ from row to row, because they refer to columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Ints
from pyflink_triton.options.request_parameters import Parameter, Template
from pyflink_triton.tensors.batching import split_by
from pyflink_triton.tensors.text_template import TextTemplate

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


@dataclass(frozen=True)
class RowParameters:
    """The parameters of the rows of a batch.

    Attributes:
        kinds: Parameters that some rows have in common.
        of_row: The index in ``kinds`` of each row.
    """

    kinds: Sequence[Mapping[str, Any]]
    of_row: Ints

    def groups(self, rows: Ints) -> Iterator[tuple[bytes, Ints]]:
        """Group rows with equal parameters.

        Args:
            rows: Some rows, ascending.

        Returns:
            For each group what its rows have in common, and the rows, ascending.
        """
        for group in split_by(self.of_row[rows], rows):
            yield _encode(self.kinds[self.of_row[group[0]]]).encode(), group

    def sendable(self, rows: Ints, reject: Callable[[Ints, str], None]) -> Ints:
        """Reject rows with a text that the server would cut.

        Args:
            rows: Some rows, ascending.
            reject: Takes rows that cannot be sent, and why.

        Returns:
            The others.
        """
        is_cut = np.array(
            [any(isinstance(each, str) and "\0" in each for each in kind.values()) for kind in self.kinds]
        )
        bad = is_cut[self.of_row[rows]]
        if bad.any():
            reject(rows[bad], "a parameter of the request holds the character NUL, where the server ends a text")
        good: Ints = rows[~bad]
        return good

    def taken(self, rows: Ints) -> RowParameters:
        """The parameters of other rows, each of which has those of one of these."""
        return RowParameters(self.kinds, self.of_row[rows])


#: Gives a value for each row of a batch, None where a column is NULL.
_Read = Callable[[pa.RecordBatch], Sequence[Any]]


class ParameterColumns:
    """Makes the parameters of rows.

    Args:
        values: The parameters that differ from row to row, by their names.
    """

    def __init__(self, values: Sequence[tuple[str, _Read]]) -> None:
        self._values = values

    @staticmethod
    def of(parameters: Sequence[tuple[str, Parameter]], columns: Mapping[str, int]) -> ParameterColumns | None:
        """Find the parameters that refer to columns.

        Args:
            parameters: The option `parameters`.
            columns: Where each column that they refer to is in a batch.

        Returns:
            What makes them; None where there are none.
        """
        values = [(name, _reader(value, columns)) for name, value in parameters if isinstance(value, Template)]
        return ParameterColumns(values) if values else None

    def read(self, inputs: pa.RecordBatch) -> RowParameters:
        """The parameters of each row of a batch; a NULL leaves its parameter out."""
        names = [name for name, _ in self._values]
        places: dict[str, int] = {}
        kinds: list[Mapping[str, Any]] = []
        of_row = np.empty(inputs.num_rows, np.int64)
        for n, row in enumerate(zip(*(read(inputs) for _, read in self._values), strict=True)):
            place = places.setdefault(repr(row), len(kinds))  # a text, in which True is not 1, and -0.0 not 0.0
            if place == len(kinds):
                kinds.append({name: value for name, value in zip(names, row, strict=True) if value is not None})
            of_row[n] = place
        return RowParameters(kinds, of_row)


def constants(parameters: Sequence[tuple[str, Parameter]]) -> dict[str, Any]:
    """The parameters that are the same for all rows."""
    return {name: value for name, value in parameters if not isinstance(value, Template)}


def _reader(value: Template, columns: Mapping[str, int]) -> _Read:
    if not value.is_column:
        return TextTemplate(value.text, columns).fill
    place = columns[value.columns[0]]
    return lambda inputs: _values(inputs.column(place))


def _values(column: pa.Array) -> Sequence[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_float32(column.type):  # the shortest decimal that is this FLOAT
        return [None if value is None else float(str(np.float32(value))) for value in values]
    return values
