"""Writes predicted rows to the shim: all that were answered at the same time, whatever frames they came in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Ints, from_numbers, offsets, take
from pyflink_triton.bridge.frames import MAX_BODY
from pyflink_triton.bridge.messages import Result
from pyflink_triton.errors import JobError
from pyflink_triton.metrics import MetricDeltas, Metrics
from pyflink_triton.runtime.operator_limits import BATCH_ROWS, FRAME_BYTES

#: How long answered rows are collected while many requests are in flight.
_COLLECTING_SECONDS = 0.001
#: How long metrics are collected while rows are under way.
_METRICS_SECONDS = 0.1
#: The numbers of rows, their columns in the same order, and the message of each that failed, by its number.
_Part = tuple[Ints, Sequence[pa.Array], dict[int, str]]


class Replies:
    """Collects the rows that are answered at the same time: within an iteration of the event loop, or a millisecond.

    The millisecond is for when many requests are in flight. Then a reply for each would cost both sides more than the
    rows in it.

    Args:
        send: Takes a reply and its body.
        fail: Takes a fault that no row's policy covers.
        metrics: What was counted goes with the rows.
        name: Puts the model's name in front of a message.
        columns: How many output columns there are.
        gives_rows: Whether a row may have any number of output rows: its outputs come as lists of them.
        is_busy: Whether many requests are in flight.
    """

    def __init__(
        self,
        send: Callable[[Result, memoryview], None],
        fail: Callable[[BaseException], None],
        metrics: Metrics,
        name: Callable[[str], str],
        columns: int,
        gives_rows: bool,
        is_busy: Callable[[], bool],
    ) -> None:
        self._send, self._fail = send, fail
        self._metrics = metrics
        self._name = name
        self._gives_rows = gives_rows
        self._names = [*(["row"] if gives_rows else []), *(f"c{index}" for index in range(columns))]
        self._is_busy = is_busy
        self._loop = asyncio.get_running_loop()
        self._parts: list[_Part] = []
        self._collected = 0
        self._flushing: asyncio.Handle | None = None
        self._flushes_late = False
        #: Rows that came and are not answered, and when the metrics were sent last.
        self._open_rows = 0
        self._metrics_at = 0.0

    def expect(self, rows: int) -> None:
        """Rows came that will be answered."""
        self._open_rows += rows

    def add(self, first: int, rows: Ints, columns: Sequence[pa.Array], failed: dict[int, str]) -> None:
        """Take answered rows.

        Args:
            first: The number of the first row of their frame.
            rows: Their indexes in the frame.
            columns: Their outputs, in the same order.
            failed: The message of each that failed, by its place among them.
        """
        numbers = rows + first
        self._parts.append((numbers, columns, {int(numbers[place]): text for place, text in failed.items()}))
        self._collected += len(rows)
        self._open_rows -= len(rows)
        is_late = self._open_rows > 0 and self._collected < BATCH_ROWS and self._is_busy()
        if is_late and self._flushing is None:
            self._flushing, self._flushes_late = self._loop.call_later(_COLLECTING_SECONDS, self._flush), True
        elif not is_late and (self._flushing is None or self._flushes_late):
            if self._flushing is not None:
                self._flushing.cancel()
            self._flushing, self._flushes_late = self._loop.call_soon(self._flush), False

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        self._collected, self._flushing = 0, None
        numbers, columns, errors = parts[0] if len(parts) == 1 else _joined(parts)
        try:
            for part in _fitting(columns, len(numbers)):
                self._write(numbers[part], [column[part] for column in columns], errors)
        except Exception as error:
            self._fail(error)

    def _take_metrics(self) -> MetricDeltas | None:
        """What was counted; not with each reply, but with the last one of those under way."""
        now = self._loop.time()
        if self._open_rows and now - self._metrics_at < _METRICS_SECONDS:
            return None
        self._metrics_at = now
        return self._metrics.take()

    def _write(self, numbers: Ints, columns: Sequence[pa.Array], errors: dict[int, str]) -> None:
        reply: Result = {"kind": "result", "rows": _runs(numbers)}
        if errors:
            own = {str(row): self._name(errors[row]) for row in numbers.tolist() if row in errors}
            if own:
                reply["errors"] = own
        deltas = self._take_metrics()
        if deltas is not None:
            reply["metrics"] = deltas
        if self._gives_rows:
            columns = _rows_of_lists(columns)
        body = memoryview(pa.record_batch(columns, names=self._names).serialize())
        if len(body) > MAX_BODY:
            raise JobError(f"the outputs of a row have {len(body)} bytes, too many for a frame")
        self._send(reply, body)


def _joined(parts: Sequence[_Part]) -> _Part:
    numbers = np.concatenate([part for part, _, _ in parts])
    columns = [pa.concat_arrays(chunks) for chunks in zip(*(columns for _, columns, _ in parts), strict=True)]
    return numbers, columns, {row: text for _, _, errors in parts for row, text in errors.items()}


def _rows_of_lists(columns: Sequence[pa.Array]) -> list[pa.Array]:
    """Make a row of each place in lists that belong together; what is no list stands in each of them.

    Returns:
        Before the columns the place of each row among the lists, ascending.
    """
    edges = offsets(next(column for column in columns if pa.types.is_list(column.type)))
    places = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    rows = [column.flatten() if pa.types.is_list(column.type) else take(column, places) for column in columns]
    return [from_numbers(places.astype("<i4"), pa.int32()), *rows]


def _fitting(columns: Sequence[pa.Array], rows: int) -> Iterator[slice]:
    """Cut rows into frames of a usual size, by their mean size."""
    size = sum(column.nbytes for column in columns)
    step = max(1, rows * FRAME_BYTES // size) if size > FRAME_BYTES else rows
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _runs(numbers: Ints) -> list[tuple[int, int]]:
    """The first of each run of numbers, and how many it has."""
    if numbers[-1] - numbers[0] == len(numbers) - 1 and (len(numbers) < 3 or (np.diff(numbers) == 1).all()):
        return [(int(numbers[0]), len(numbers))]
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 2) != 1)
    counts = np.diff(starts, append=len(numbers))
    return list(zip(numbers[starts].tolist(), counts.tolist(), strict=True))
