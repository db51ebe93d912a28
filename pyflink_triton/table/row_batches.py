"""Rows that PyFlink hands over one by one, predicted in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from pyflink.common import Row

from pyflink_triton._arrow import Ints
from pyflink_triton.runtime.operator_limits import BATCH_ROWS, BATCHES_IN_FLIGHT
from pyflink_triton.schema.columns import Column
from pyflink_triton.table.columns import first_error, fit, record_batch
from pyflink_triton.table.model_thread import ModelThread

Complete = Callable[[list[Any]], None]
Fail = Callable[[BaseException], None]


class RowBatches:
    """Sends a row at once while few batches are under way, else together with all that wait.

    Args:
        model: Predicts.
        inputs: The columns of a row.
        fail: Takes the error that fails the job; the rows of that batch are not completed then.
    """

    def __init__(self, model: ModelThread, inputs: Sequence[Column], fail: Fail) -> None:
        self._model = model
        self._inputs = inputs
        self._fail = fail
        self._lock = threading.Lock()
        self._waiting: list[tuple[Sequence[Any], Complete]] = []
        self._in_flight = 0

    def add(self, arguments: Sequence[Any], complete: Complete) -> None:
        """Take a row.

        Args:
            arguments: Its values, which the caller does not reuse.
            complete: Takes a list of the one result; called in the model's thread.
        """
        with self._lock:
            self._waiting.append((arguments, complete))
            rows = self._next()
        self._send(rows)

    def _next(self) -> list[tuple[Sequence[Any], Complete]]:
        if self._in_flight >= BATCHES_IN_FLIGHT or not self._waiting:
            return []
        rows, self._waiting = self._waiting[:BATCH_ROWS], self._waiting[BATCH_ROWS:]
        self._in_flight += 1
        return rows

    def _send(self, rows: Sequence[tuple[Sequence[Any], Complete]]) -> None:
        if not rows:
            return
        columns = zip(*(arguments for arguments, _ in rows), strict=True)
        try:
            batch = record_batch(
                [_column(values, column) for values, column in zip(columns, self._inputs, strict=True)]
            )
        except Exception as error:  # any error has to fail the job
            self._fail(error)
            return
        left = len(rows)

        def deliver(places: Ints, outputs: list[pa.Array], failed: dict[int, str]) -> None:
            """Complete rows, and send those that came meanwhile; runs in the model's thread."""
            nonlocal left
            error = first_error(failed)
            if error is not None:
                self._fail(error.reworded(self._model.named(error)))
                return
            for place, result in zip(places.tolist(), _results(outputs), strict=True):
                rows[place][1]([result])
            left -= len(places)
            if not left:
                with self._lock:
                    self._in_flight -= 1
                    following = self._next()
                self._send(following)

        self._model.submit(batch, deliver, self._fail)


def _column(values: Sequence[Any], column: Column) -> pa.Array:
    return fit(pa.array(values, column.type.arrow), column)


def _results(outputs: Sequence[pa.Array]) -> list[Any]:
    """The result of each row: a value, or a Row where there are several outputs."""
    columns = [column.to_pylist() for column in outputs]
    return columns[0] if len(columns) == 1 else [Row(*values) for values in zip(*columns, strict=True)]
