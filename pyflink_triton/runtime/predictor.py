"""Predicts batches of Arrow columns, and answers each row as soon as its request is answered."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints
from pyflink_triton._async import cancel_all
from pyflink_triton.delivery.request import Delivers
from pyflink_triton.delivery.route_deliveries import RouteDeliveries
from pyflink_triton.delivery.warmup import warm_up
from pyflink_triton.errors import RowError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.options.routes import Route
from pyflink_triton.runtime.answer_cache import AnswerCache, RouteAnswers
from pyflink_triton.runtime.exchange import Exchange
from pyflink_triton.runtime.lane import Lane
from pyflink_triton.runtime.request_queue import Answered, Piece, RowSource
from pyflink_triton.runtime.route_table import OpenRoute, RouteTable
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.sequences.state import SequenceFlags, lone_sequence
from pyflink_triton.sequences.tracker import SequenceTracker
from pyflink_triton.tensors.array_batch import ArrayBatch, element_bindings, explode
from pyflink_triton.tensors.batching import encode_batch, group_alike
from pyflink_triton.tensors.failed_rows import Policy
from pyflink_triton.tensors.parts import Part, by_place, merge
from pyflink_triton.tensors.row_parameters import ParameterColumns, RowParameters
from pyflink_triton.tensors.row_routes import RouteColumns

_LOG = logging.getLogger("pyflink_triton")
#: A large batch is encoded in slices.
_ROWS_AT_ONCE = 1024

#: Takes some rows of a batch: their indexes, their declared output columns in the same order, and the message of each
#: that failed and that no option covers, by its place among them.
Deliver = Callable[[Ints, list[pa.Array], dict[int, str]], None]
#: Takes a fault that no row's policy covers; nothing more is delivered then.
Fail = Callable[[BaseException], None]


@dataclass
class Prediction:
    """The outcome of a batch.

    Attributes:
        outputs: The declared output columns, named c0, c1, ..., a row for each row that came in; NULL where
            the row held a NULL, and by the options `default-value` and `error-column` where it failed.
        errors: The message of each row that failed and that these options do not cover.
    """

    outputs: pa.RecordBatch
    errors: dict[int, str]


class Predictor:
    """Predicts batches with one model, or with those that rows name.

    Args:
        delivery: Carries the requests; where rows name their models, what makes a delivery for each of them.
        signature: The model's signature.
        columns: The declared columns and their tensors.
        options: The model's options.
        metrics: Where rows and calls are counted.
        subtask: Index of the subtask, for the ids of sequences.
        warn: Takes a message for the log, where options should be set otherwise.
    """

    def __init__(
        self,
        delivery: Delivers | RouteDeliveries,
        signature: ModelSignature,
        columns: ColumnBindings,
        options: Options,
        metrics: Metrics,
        subtask: int = 0,
        warn: Callable[[str], object] = _LOG.warning,
    ) -> None:
        self._declared = columns
        self._columns = element_bindings(columns) if columns.is_array_batch else columns
        columns = self._columns
        self._exchange = Exchange(signature, columns, options, metrics)
        self._policy = Policy.of(columns, self._exchange.facts.columns)
        self._metrics = metrics
        self._signature = signature
        self._has_batch_axis = signature.has_batch_axis
        scheduling = signature.scheduling
        self._row_parameters = ParameterColumns.of(options.parameters, self._declared.references)
        self._options, self._warn = options, warn
        self._cache: AnswerCache | None = None
        if options.cache_max_bytes:
            self._cache = AnswerCache(options.cache_max_bytes, options.cache_ttl)
        self._routes: RouteTable | None = None
        self._lane: Lane | None = None
        if isinstance(delivery, RouteDeliveries):
            self._deliveries, self._opened = delivery, itertools.count()
            self._route_columns = RouteColumns(options, self._declared.references)
            self._routes = RouteTable(self._open_route)
        else:
            self._lane = self._open_lane(delivery, self._cache)
        self._sequences: SequenceTracker | None = None
        self._has_steps = scheduling.has_steps
        if scheduling.sequences is not None:
            self._sequences = SequenceTracker(options, scheduling.sequences, columns.references, metrics, subtask)
        self._output_names = [f"c{index}" for index in range(len(columns.output_types))]
        self._tasks: set[asyncio.Task[None]] = set()

    def _open_lane(
        self, delivery: Delivers, cache: AnswerCache | RouteAnswers | None, *, is_one_of_many: bool = False
    ) -> Lane:
        return Lane(
            delivery,
            self._signature,
            self._exchange,
            self._options,
            self._metrics,
            cache,
            self._warn,
            is_one_of_many=is_one_of_many,
        )

    def _open_route(self, route: Route) -> OpenRoute:
        """Begin to send rows to a model."""
        delivery = self._deliveries.open(route)
        cache = None if self._cache is None else RouteAnswers(self._cache, next(self._opened))
        lane = self._open_lane(delivery, cache, is_one_of_many=True)
        self._deliveries.follow_replicas(delivery, lane.limits.forget)
        return OpenRoute(delivery, lane)

    async def predict(self, inputs: pa.RecordBatch) -> Prediction:
        """Predict a batch, and wait for all of its rows.

        Args:
            inputs: All input columns, in order, in the arguments' types.

        Returns:
            A row for each row, in the same order.

        Raises:
            JobError: A fault that no row's policy covers.
        """
        parts: list[Part] = []
        errors: dict[int, str] = {}
        left = inputs.num_rows
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def deliver(first: int, rows: Ints, columns: list[pa.Array], failed: dict[int, str]) -> None:
            nonlocal left
            rows = rows + first
            parts.append((rows, columns))
            errors.update((int(rows[place]), text) for place, text in failed.items())
            left -= len(rows)
            if not left and not done.done():
                done.set_result(None)

        def fail(error: BaseException) -> None:
            if not done.done():
                done.set_exception(error)

        if not left:
            deliver(0, np.arange(0), self._policy.complete(self._exchange.nothing(0), {}), {})
        sources = []
        try:
            for first in range(0, inputs.num_rows, _ROWS_AT_ONCE):
                sources.append(self.submit(inputs.slice(first, _ROWS_AT_ONCE), partial(deliver, first), fail))
                await asyncio.sleep(0)  # the requests of these rows go out while the next are encoded
                if done.done():
                    break
            await done
        finally:
            for source in sources:
                source.is_over = True
        return Prediction(pa.record_batch(merge(parts, inputs.num_rows), names=self._output_names), errors)

    def submit(self, inputs: pa.RecordBatch, deliver: Deliver, fail: Fail, waited: float = 0.0) -> RowSource:
        """Take a batch; each of its rows is delivered once, as soon as it is answered.

        Args:
            inputs: All input columns, in order, in the arguments' types.
            deliver: Takes rows; called once or often, also before this returns.
            fail: Takes a fault that no row's policy covers.
            waited: How many seconds the first of the rows has waited already, for the metric.

        Returns:
            What to set ``is_over`` of where nobody waits any more.
        """
        since = asyncio.get_running_loop().time() - waited
        arrays = explode(self._declared, inputs) if self._declared.is_array_batch else None
        rows = inputs if arrays is None else arrays.elements
        errors: dict[int, str] = {}

        def reject(bad: Ints, message: str) -> None:
            for row in bad.tolist():
                errors.setdefault(row, message)

        columns, not_null, sent = encode_batch(self._columns, self._has_batch_axis, rows, reject)
        hits = None if self._cache is None else np.zeros(rows.num_rows, dtype=np.bool_)
        whole = self._answering(not_null if arrays is None else arrays.not_null, deliver, hits, arrays)
        parameters = None if self._row_parameters is None else self._row_parameters.read(inputs)
        if parameters is not None:
            parameters = parameters if arrays is None else parameters.taken(arrays.owners)
            sent = parameters.sendable(sent, reject)
        routes = None if self._routes is None else self._route_columns.read(inputs)
        if routes is not None:
            sent = routes.sendable(sent, reject)
        answered = whole if arrays is None else self._collecting(arrays, whole)
        if (padding := self._exchange.padding) is not None:
            columns, sent, lengths = padding.pad(columns, rows.num_rows, sent, reject)
            answered = padding.trimming(lengths, answered)
        source = RowSource(columns, answered, fail, parameters, since, hits=hits)
        if arrays is None:
            if len(sent) < rows.num_rows:
                unsent = np.ones(rows.num_rows, dtype=np.bool_)
                unsent[sent] = False
                none = np.flatnonzero(unsent)
                self._reject(none, self._exchange.nothing(len(none)), by_place(errors, none), whole)
        else:
            sent, none = arrays.begin(sent, errors)
            if len(none):
                self._reject(none, *self._collected(arrays, none), whole)
        if self._sequences is not None:
            self._start(self._predict_sequences(self._sequences, inputs, sent, source))
        elif self._lane is not None:
            _send(source, sent, self._lane)
        else:
            assert self._routes is not None
            assert routes is not None
            for route, group in routes.groups(sent):
                self._routes.use(route, partial(_send, source, group))
        return source

    def _answering(
        self, not_null: Bools | None, deliver: Deliver, hits: Bools | None, arrays: ArrayBatch | None
    ) -> Answered:
        """Apply the policy for failed rows, and count the rows."""

        def answered(rows: Ints, outputs: list[pa.Array], errors: dict[int, str]) -> None:
            failed, is_covered = len(errors), self._policy.covers
            full = len(rows) if not_null is None else int(np.count_nonzero(not_null[rows]))
            kept = 0
            if hits is not None:  # a row that is an array is not asked for where none of its elements is
                is_kept = (hits if arrays is None else arrays.are_all(hits))[rows]
                is_kept[list(errors)] = False
                kept = int(np.count_nonzero(is_kept))
            self._metrics.settle(
                full - kept,
                failed,
                answered=failed if is_covered else 0,
                defaults=failed if self._policy.defaults is not None else 0,
                nulls=len(rows) - full,
                kept=kept,
            )
            deliver(rows, self._policy.complete(outputs, errors), {} if is_covered else errors)

        return answered

    def _collecting(self, arrays: ArrayBatch, answered: Answered) -> Answered:
        """Answer the rows whose elements are all answered."""

        def of_elements(elements: Ints, outputs: list[pa.Array], errors: dict[int, str]) -> None:
            done = arrays.answered(elements, outputs, errors)
            if len(done):
                answered(done, *self._collected(arrays, done))

        return of_elements

    def _collected(self, arrays: ArrayBatch, rows: Ints) -> tuple[list[pa.Array], dict[int, str]]:
        types = [binding.column.type.arrow for binding in self._columns.outputs]
        lists, errors = arrays.collect(rows, [*types, *self._exchange.facts.types])
        return self._exchange.facts.of_rows(lists), errors

    def _reject(self, rows: Ints, outputs: list[pa.Array], errors: dict[int, str], answered: Answered) -> None:
        """Answer rows that are not sent: those with a NULL, and those that have failed already."""
        if errors:
            self._metrics.reject(len(errors))
        answered(rows, outputs, errors)

    async def _predict_sequences(
        self, tracker: SequenceTracker, inputs: pa.RecordBatch, sent: Ints, source: RowSource
    ) -> None:
        """Send a batch's rows one by one, those of a sequence in their order."""
        deadlines: dict[int, float | None] = {}

        def fail(row: int, message: str) -> None:
            source.answered(np.array([row]), self._exchange.nothing(1), {0: message})

        async def send(row: int, flags: SequenceFlags, endpoint: str | None) -> str:
            return await self._send_row(source, row, flags, endpoint, deadlines)

        try:
            await tracker.predict(inputs, sent, send, fail)
        except Exception as error:  # the batch's owner raises it
            source.is_over = True
            source.failed(error)

    async def _send_row(
        self,
        source: RowSource,
        row: int,
        flags: SequenceFlags,
        endpoint: str | None,
        deadlines: dict[int, float | None],
    ) -> str:
        """Send the request of one row of a sequence; returns the endpoint that answered."""
        rows = np.array([row])
        assert self._lane is not None
        request = self._lane.write([Piece(source, rows, 0)], flags.parameters)
        request.endpoint, request.sticky = endpoint, True
        request.resend, request.urgent = flags.start, not flags.start
        request.has_steps = self._has_steps
        request.deadline = deadlines.get(row)
        if row in deadlines:  # it was sent before
            request.since = None
        try:
            response = await self._lane.sender.send(request)
        finally:
            deadlines[row] = request.deadline
        try:
            outputs, errors = self._lane.read(response, 1)
        except RowError as error:  # the row fails alone, because the server has taken it into the sequence
            outputs, errors = self._exchange.nothing(1), {0: error.words}
        source.answered(rows, outputs, errors)
        return response.endpoint

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, endpoint: str) -> None:
        """Forget how many rows an endpoint takes, because there is none of that name any more."""
        if self._lane is not None:
            self._lane.limits.forget(endpoint)

    async def close(self) -> None:
        """End every request under way."""
        await cancel_all(self._tasks)
        if self._lane is not None:
            await self._lane.close()
        if self._routes is not None:
            await self._routes.close()

    async def warm_up(self, seconds: float) -> str | None:
        """Send one request of zeros, a whole sequence for a stateful model; see ``warm_up``."""
        parameters = lone_sequence(self._signature.scheduling.sequences) or {}
        assert self._lane is not None
        return await warm_up(self._lane.sender, self._signature, self._lane.make(parameters), seconds)


def _send(source: RowSource, rows: Ints, lane: Lane) -> None:
    """Put rows of a batch into a lane, those that may share a request together."""
    if not len(rows):
        return
    parameters: RowParameters | None = source.parameters
    for key, group in [(b"", rows)] if parameters is None else parameters.groups(rows):
        for alike, rows_alike, sizes in group_alike(source.columns, group):
            lane.add(alike + key, Piece(source, rows_alike, sizes))
