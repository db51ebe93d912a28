"""Predicts a batch of Arrow columns: splits it into requests, and puts the responses back in its order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Ints
from pyflink_triton._async import await_all
from pyflink_triton.delivery.batch_limits import BatchLimits
from pyflink_triton.delivery.batch_splitter import BatchSplitter
from pyflink_triton.delivery.request import Delivers, Request
from pyflink_triton.delivery.requested_outputs import RequestedOutputs
from pyflink_triton.delivery.warmup import warm_up
from pyflink_triton.errors import RowError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse, InputTensor
from pyflink_triton.runtime.answer_check import AnswerCheck
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.sequences.state import SequenceFlags, lone_sequence
from pyflink_triton.sequences.tracker import SequenceTracker
from pyflink_triton.tensors.array_batch import element_bindings, explode
from pyflink_triton.tensors.batching import encode_batch, split
from pyflink_triton.tensors.encode import TensorColumn
from pyflink_triton.tensors.failed_rows import Policy
from pyflink_triton.tensors.reorder import Part, assemble

_LOG = logging.getLogger("pyflink_triton")


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


@dataclass
class _Batch:
    """One batch under way: its encoded columns, the rows that failed, and the parts that were answered."""

    rows: int
    columns: list[TensorColumn] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    deadlines: dict[int, float | None] = field(default_factory=dict)

    def fail(self, rows: Ints, message: str) -> None:
        for row in rows.tolist():
            self.errors.setdefault(row, message)


class Predictor:
    """Predicts batches with one model.

    Args:
        delivery: Carries the requests.
        signature: The model's signature.
        columns: The declared columns and their tensors.
        options: The model's options.
        metrics: Where rows and calls are counted.
        subtask: Index of the subtask, for the ids of sequences.
        warn: Takes a message for the log, where options should be set otherwise.
    """

    def __init__(
        self,
        delivery: Delivers,
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
        self._policy = Policy.of(columns)
        self._metrics = metrics
        self._signature = signature
        self._has_batch_axis = signature.has_batch_axis
        self._bytes_per_request = options.max_request_bytes
        self._most_at_once = options.max_in_flight_requests
        scheduling = signature.scheduling
        self._wanted = tuple(binding.tensor for binding in columns.outputs)
        self._parameters = scheduling.parameters(options.priority)
        self._limits = BatchLimits(signature.max_batch_size, options.endpoints, metrics, warn)
        self._delivery = RequestedOutputs(delivery, metrics, scheduling.wants_all_outputs)
        self._splitter = BatchSplitter(self._delivery, self._limits)
        self._sequences: SequenceTracker | None = None
        self._has_steps = scheduling.has_steps
        if scheduling.sequences is not None:
            self._sequences = SequenceTracker(options, scheduling.sequences, columns.references, metrics, subtask)
        self._answers = AnswerCheck(signature, columns.outputs)
        self._output_names = [f"c{index}" for index in range(len(columns.output_types))]

    async def predict(self, inputs: pa.RecordBatch) -> Prediction:
        """Predict a batch.

        Args:
            inputs: All input columns, in order, in the arguments' types.

        Returns:
            A row for each row, in the same order.

        Raises:
            JobError: A fault that no row's policy covers.
        """
        arrays = explode(self._declared, inputs) if self._declared.is_array_batch else None
        rows = inputs if arrays is None else arrays.elements
        batch = _Batch(rows.num_rows)
        batch.columns, not_null, sent = encode_batch(self._columns, self._has_batch_axis, rows, batch.fail)
        if arrays is not None:
            sent = arrays.whole_rows(sent, batch.errors)
        if self._sequences is not None:
            await self._sequences.predict(inputs, sent, partial(self._send_row, batch), batch.errors.setdefault)
            sent = sent[:0]
        if len(sent):
            await self._requests(batch, self._split(batch.columns, sent))
        outputs = assemble(self._columns.outputs, batch.parts, batch.rows, batch.errors, batch.fail)
        errors = batch.errors
        if arrays is not None:
            outputs, not_null, errors = arrays.collect(outputs, batch.errors), arrays.not_null, arrays.errors
        return self._settle(outputs, int(np.count_nonzero(not_null)), errors)

    async def warm_up(self, seconds: float) -> str | None:
        """Send one request of zeros, a whole sequence for a stateful model; see ``warm_up``."""
        parameters = lone_sequence(self._signature.scheduling.sequences) or {}
        return await warm_up(self._delivery, self._signature, self._make((), parameters), seconds)

    def _split(self, columns: Sequence[TensorColumn], rows: Ints) -> Iterator[Ints]:
        return split(self._signature, columns, rows, lambda: self._limits.rows, self._bytes_per_request)

    def _settle(self, outputs: Sequence[pa.Array], attempted: int, errors: dict[int, str]) -> Prediction:
        """Apply the policy for failed rows, and count the batch's rows."""
        failed = len(errors)
        is_covered = self._policy.covers
        self._metrics.settle(
            attempted,
            failed,
            answered=failed if is_covered else 0,
            defaults=failed if self._policy.defaults is not None else 0,
        )
        columns = self._policy.complete(outputs, errors)
        return Prediction(pa.record_batch(columns, names=self._output_names), {} if is_covered else errors)

    async def _requests(self, batch: _Batch, requests: Iterator[Ints]) -> None:
        """Send a batch's requests, a limited number at once: an array as a batch may make very many."""

        async def send(rows: Ints) -> None:
            await self._request(batch, rows)
            for more in requests:
                await self._request(batch, more)

        first = list(islice(requests, self._most_at_once))
        if len(first) == 1:
            await send(first[0])
        else:
            await await_all([send(rows) for rows in first])

    async def _request(self, batch: _Batch, rows: Ints) -> None:
        def write(part: Ints) -> Request:
            return self._write(batch, part)

        def answered(part: Ints, response: InferenceResponse) -> None:
            batch.parts.append((part, self._answers.read(response, len(part))))

        def failed(part: Ints, error: RowError) -> None:
            batch.fail(part, str(error))

        await self._splitter.send(rows, write, answered, failed)

    async def _send_row(self, batch: _Batch, row: int, flags: SequenceFlags, endpoint: str | None) -> str:
        """Send the request of one row of a sequence; returns the endpoint that answered."""
        rows = np.array([row])
        request = self._write(batch, rows, flags)
        request.endpoint, request.sticky = endpoint, True
        request.resend, request.urgent = flags.start, not flags.start
        request.has_steps = self._has_steps
        request.deadline = batch.deadlines.get(row)
        try:
            response = await self._delivery.send(request)
        finally:
            batch.deadlines[row] = request.deadline
        try:
            batch.parts.append((rows, self._answers.read(response, 1)))
        except RowError as error:  # the row fails alone, because the server has taken it into the sequence
            batch.fail(rows, str(error))
        return response.endpoint

    def _write(self, batch: _Batch, rows: Ints, flags: SequenceFlags | None = None) -> Request:
        lead = (len(rows),) if self._has_batch_axis else ()
        inputs = [
            InputTensor(column.tensor, (*lead, *column.shape(int(rows[0]))), column.gather(rows))
            for column in batch.columns
            if column.present is None or column.present[rows[0]]
        ]
        request = self._make(inputs, {} if flags is None else flags.parameters)
        return Request(request, len(rows), limits=self._limits)

    def _make(self, inputs: Sequence[InputTensor], parameters: Mapping[str, Any]) -> InferenceRequest:
        """Make a request with the parameters of all requests, and its own."""
        return InferenceRequest(inputs, self._wanted, {**self._parameters, **parameters}, self._delivery.asks_for_all)
