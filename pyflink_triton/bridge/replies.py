"""Writes predicted rows to the shim: all that were answered at the same time, whatever frames they came in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Ints
from pyflink_triton.bridge.frames import MAX_BODY
from pyflink_triton.bridge.messages import Result
from pyflink_triton.errors import JobError
from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.operator_limits import FRAME_BYTES

#: The numbers of rows, their columns in the same order, and the message of each that failed, by its number.
_Part = tuple[Ints, Sequence[pa.Array], dict[int, str]]


class Replies:
    """Collects rows until the event loop has handled what came together.

    Args:
        send: Takes a reply and its body.
        fail: Takes a fault that no row's policy covers.
        metrics: What was counted goes with the rows.
        name: Puts the model's name in front of a message.
        columns: How many output columns there are.
    """

    def __init__(
        self,
        send: Callable[[Result, memoryview], None],
        fail: Callable[[BaseException], None],
        metrics: Metrics,
        name: Callable[[str], str],
        columns: int,
    ) -> None:
        self._send, self._fail = send, fail
        self._metrics = metrics
        self._name = name
        self._names = [f"c{index}" for index in range(columns)]
        self._parts: list[_Part] = []

    def add(self, first: int, rows: Ints, columns: Sequence[pa.Array], failed: dict[int, str]) -> None:
        """Take answered rows.

        Args:
            first: The number of the first row of their frame.
            rows: Their indexes in the frame.
            columns: Their outputs, in the same order.
            failed: The message of each that failed, by its place among them.
        """
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._flush)
        numbers = rows + first
        self._parts.append((numbers, columns, {int(numbers[place]): text for place, text in failed.items()}))

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        numbers, columns, errors = parts[0] if len(parts) == 1 else _joined(parts)
        try:
            for part in _fitting(columns, len(numbers)):
                self._write(numbers[part], [column[part] for column in columns], errors)
        except Exception as error:
            self._fail(error)

    def _write(self, numbers: Ints, columns: Sequence[pa.Array], errors: dict[int, str]) -> None:
        reply: Result = {"kind": "result", "rows": _runs(numbers)}
        if errors:
            own = {str(row): self._name(errors[row]) for row in numbers.tolist() if row in errors}
            if own:
                reply["errors"] = own
        deltas = self._metrics.take()
        if deltas is not None:
            reply["metrics"] = deltas
        body = memoryview(pa.record_batch(columns, names=self._names).serialize())
        if len(body) > MAX_BODY:
            raise JobError(f"the outputs of a row have {len(body)} bytes, too many for a frame")
        self._send(reply, body)


def _joined(parts: Sequence[_Part]) -> _Part:
    numbers = np.concatenate([part for part, _, _ in parts])
    columns = [pa.concat_arrays(chunks) for chunks in zip(*(columns for _, columns, _ in parts), strict=True)]
    return numbers, columns, {row: text for _, _, errors in parts for row, text in errors.items()}


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
