"""Sequences of a stateful model: each has one request under way, in the order of its rows.

A client cannot see what the server keeps for a sequence. So a request that continues a sequence is sent only where this
task began it, and while the server is known to have it. Otherwise the sequence is lost: a row is never answered from a
state that is in doubt.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints, flags, present
from pyflink_triton._async import await_all
from pyflink_triton.errors import ExhaustedError, RowError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.scheduling import SequenceBatching
from pyflink_triton.options.options import Options
from pyflink_triton.remedies import Remedy
from pyflink_triton.sequences.ids import WireId, encode_id
from pyflink_triton.sequences.loss import NOT_FOUND, is_lost, why_lost
from pyflink_triton.sequences.state import Row, SequenceFlags, SequenceState, Turn
from pyflink_triton.tensors.text_template import TextTemplate

_EMPTY = f"Invalid sequence ID: the id of the row is empty. {Remedy.GIVE_ID()}"
_SAME_NUMBER = f"Invalid sequence ID: two ids are one number to the model. {Remedy.USE_NUMBERS()}"


#: Takes a row that failed, and the reason.
Fail = Callable[[int, str], object]


class Send(Protocol):
    """Sends the request of one row."""

    async def __call__(self, row: int, flags: SequenceFlags, endpoint: str | None) -> str | None:
        """Send it to this endpoint (None: to any); returns the endpoint that answered."""
        ...


class SequenceTracker:
    """Every sequence of one subtask.

    Args:
        options: The model's options; ``sequence_id`` is set.
        batching: How the model keeps state.
        columns: Where each column that the options refer to is in a batch.
        metrics: Where losses are counted.
        subtask: Index of the subtask, for automatic ids.
        clock: Returns seconds that only grow.
    """

    def __init__(
        self,
        options: Options,
        batching: SequenceBatching,
        columns: Mapping[str, int],
        metrics: Metrics,
        subtask: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        assert options.sequence_id is not None
        self._template = TextTemplate(options.sequence_id, columns)
        self._corrid = batching.corrid
        self._start, self._end = options.sequence_start, options.sequence_end
        self._begins = self._start is True
        self._restarts = (options.sequence_lost or ("restart" if self._begins else "fail")) == "restart"
        self._is_automatic = options.sequence_id_auto_increment
        self._columns = columns
        self._suffix = f"-{subtask}-"
        self._counter = 0
        self._keep_seconds = None if batching.idle_seconds is None else 2 * batching.idle_seconds
        self._max_ids = options.sequence_max_ids
        self._requests = asyncio.Semaphore(options.max_in_flight_requests)
        # First requests wait in the server while its slots are taken. They must leave room for those that end one.
        self._beginnings = asyncio.Semaphore(max(1, options.max_in_flight_requests // 2))
        self._sequences: dict[WireId, SequenceState] = {}
        self._idle: OrderedDict[WireId, SequenceState] = OrderedDict()
        self._metrics = metrics
        self._clock = clock
        metrics.live_sequences = 0

    async def predict(self, inputs: pa.RecordBatch, sent: Ints, send: Send, fail: Fail) -> None:
        """Send a batch's rows; batches are in the order in which they arrive here.

        Args:
            inputs: The batch, with the columns that the options refer to.
            sent: The rows to send, ascending; the others only hand on their START and END.
            send: Sends one row.
            fail: Takes each row that failed, and the reason.

        Raises:
            TritonError: A failure that no row's policy covers.
        """
        await await_all([self._run(turn, send, fail) for turn in self._enter(inputs, sent, fail)])

    def _enter(self, inputs: pa.RecordBatch, sent: Ints, fail: Fail) -> list[Turn]:
        """Queue a batch's rows, before anything is awaited."""
        ids = self._template.fill(inputs)
        if self._is_automatic:
            return [self._whole(row, ids[row]) for row in sent.tolist()]
        self._forget()
        is_sent = np.zeros(inputs.num_rows, dtype=np.bool_)
        is_sent[sent] = True
        starts, ends = self._flags(inputs, self._start), self._flags(inputs, self._end)
        turns: dict[WireId, Turn] = {}
        for row in _each(ids, starts, ends, is_sent):
            text = ids[row.number]
            problem = _EMPTY if not text else None
            turn = None if problem else self._turn(turns, text or "")
            if turn is not None and turn.sequence.text != text:
                problem = _SAME_NUMBER
            if problem is None and turn is not None:
                turn.rows.append(row)
            elif row.is_sent and problem is not None:
                fail(row.number, problem)
        return list(turns.values())

    def _whole(self, row: int, text: str | None) -> Turn:
        """A sequence of one row."""
        wire = encode_id(f"{text}{self._suffix}{self._counter}", self._corrid)
        self._counter += 1
        return Turn(SequenceState("", wire), None, [Row(row, True, True, True)])

    def _flags(self, inputs: pa.RecordBatch, option: bool | str) -> Bools:
        """The rows whose column says so; a constant belongs to every request and is not handed on."""
        if isinstance(option, bool):
            return np.zeros(inputs.num_rows, dtype=np.bool_)
        column = inputs.column(self._columns[option])
        return flags(column) & present(column)

    def _turn(self, turns: dict[WireId, Turn], text: str) -> Turn:
        wire = encode_id(text, self._corrid)
        turn = turns.get(wire)
        if turn is None:
            sequence = self._sequences.get(wire)
            if sequence is None:
                sequence = self._sequences[wire] = SequenceState(text, wire)
            self._idle.pop(wire, None)
            turn = turns[wire] = Turn(sequence, sequence.last)
            sequence.last = turn.done
            sequence.turns += 1
        return turn

    async def _run(self, turn: Turn, send: Send, fail: Fail) -> None:
        """Send a turn's rows one after the other, when those before it are done."""
        try:
            if turn.before is not None:
                await turn.before.wait()
            for row in turn.rows:
                if row.is_sent:
                    await self._request(turn.sequence, row, send, fail)
                else:
                    turn.sequence.hand_on(row)
        finally:
            turn.done.set()
            if not self._is_automatic:
                self._leave(turn.sequence)

    async def _request(self, sequence: SequenceState, row: Row, send: Send, fail: Fail) -> None:
        start, end = sequence.flags_of(row, begins=self._begins, ends=self._end is True)
        try:
            if not start and sequence.live:
                try:
                    await self._send(sequence, row, start=False, end=end, send=send)
                except RowError as error:
                    if not is_lost(error):
                        sequence.end_due = end
                        raise
                    self._lose(sequence)
                    if isinstance(error, ExhaustedError):
                        raise  # no time is left for this row
                    if not self._restarts:
                        raise RowError(why_lost(error), code="SEQUENCE_LOST") from None
                else:
                    return
            if not start and not self._restarts:
                raise RowError(NOT_FOUND, code="SEQUENCE_NOT_FOUND")
            await self._begin(sequence, row, end, send)
        except RowError as error:
            fail(row.number, error.words)

    async def _begin(self, sequence: SequenceState, row: Row, end: bool, send: Send) -> None:
        self._set_live(sequence, False)
        sequence.endpoint = None
        sequence.start_due, sequence.end_due = not end, False  # while it has not succeeded
        is_whole = end and (self._is_automatic or self._end is True)
        async with contextlib.nullcontext() if is_whole else self._beginnings:
            await self._send(sequence, row, start=True, end=end, send=send)

    async def _send(self, sequence: SequenceState, row: Row, *, start: bool, end: bool, send: Send) -> None:
        async with self._requests:
            endpoint = await send(row.number, SequenceFlags(sequence.id, start, end), sequence.endpoint)
        sequence.endpoint = None if end else endpoint
        sequence.start_due = sequence.end_due = False
        self._set_live(sequence, not end)

    def _set_live(self, sequence: SequenceState, live: bool) -> None:
        if not self._is_automatic:
            self._metrics.live_sequences = (self._metrics.live_sequences or 0) + live - sequence.live
        sequence.live = live

    def _lose(self, sequence: SequenceState) -> None:
        self._set_live(sequence, False)
        sequence.start_due = sequence.end_due = False
        sequence.endpoint = None
        self._metrics.lose_sequence()

    def _leave(self, sequence: SequenceState) -> None:
        """Keep the sequence while it is live or has a START or END to hand on."""
        sequence.turns -= 1
        if sequence.turns:
            return
        sequence.last = None
        sequence.used = self._clock()
        if sequence.live or sequence.start_due or sequence.end_due:
            self._idle[sequence.id] = sequence
            self._forget()
        else:
            del self._sequences[sequence.id]

    def _forget(self) -> None:
        """Forget sequences that the server dropped long ago or that exceed the limit, the longest idle first."""
        now = self._clock()
        while self._idle:
            sequence = next(iter(self._idle.values()))
            is_over = len(self._sequences) > self._max_ids
            is_old = self._keep_seconds is not None and now - sequence.used > self._keep_seconds
            if not is_over and not is_old:
                return
            del self._idle[sequence.id], self._sequences[sequence.id]
            if sequence.live and not is_old:
                self._lose(sequence)
            else:
                self._set_live(sequence, False)


def _each(ids: list[str | None], starts: Bools, ends: Bools, is_sent: Bools) -> list[Row]:
    """The rows whose id is known."""
    rows = zip(ids, starts.tolist(), ends.tolist(), is_sent.tolist(), strict=True)
    return [Row(number, start, end, sent) for number, (text, start, end, sent) in enumerate(rows) if text is not None]
