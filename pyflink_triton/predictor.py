"""Rows in, rows out: a batch of Arrow columns is split into requests, and the answers put back in its order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pyflink_triton import mapping
from pyflink_triton.array_batch import element_mapping, explode
from pyflink_triton.arrays import Ints
from pyflink_triton.assembly import Part, assemble
from pyflink_triton.batching import encode_batch, split
from pyflink_triton.decode import check
from pyflink_triton.encode import TensorColumn
from pyflink_triton.errors import RowError, UnavailableError
from pyflink_triton.failed_rows import Policy
from pyflink_triton.metrics import Metrics
from pyflink_triton.options import Options
from pyflink_triton.signature import ModelSignature
from pyflink_triton.wire import RequestWriter, read_response


class Transport(Protocol):
    """What carries a request to the model and its answer back."""

    async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
        """Send one request; see ``Client.infer``."""
        ...


@dataclass
class Prediction:
    """What became of a batch.

    Attributes:
        outputs: The declared output columns, named c0, c1, ..., a row for each row that came in; NULL where
            the row held a NULL, and by the options `default-value` and `error-column` where it failed.
        errors: The message of each row that failed and that these options do not cover.
    """

    outputs: pa.RecordBatch
    errors: dict[int, str]


@dataclass
class _Batch:
    """One batch under way: what was encoded, which rows failed, and the parts answered so far."""

    rows: int
    columns: list[TensorColumn] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    def fail(self, rows: Ints, message: str) -> None:
        for row in rows.tolist():
            self.errors.setdefault(row, message)


class Predictor:
    """Predicts batches with one model.

    Args:
        transport: What carries the requests.
        signature: The server's model.
        columns: The declared columns and their tensors.
        options: The model's options.
        metrics: Where rows and calls are counted.
    """

    def __init__(
        self,
        transport: Transport,
        signature: ModelSignature,
        columns: mapping.Mapping,
        options: Options,
        metrics: Metrics,
    ) -> None:
        self._transport = transport
        self._declared = columns
        self._columns = element_mapping(columns) if columns.is_array_batch else columns
        columns = self._columns
        self._policy = Policy.of(columns)
        self._metrics = metrics
        self._signature = signature
        self._has_batch_axis = signature.has_batch_axis
        self._bytes_per_request = options.max_request_bytes
        self._slots = asyncio.Semaphore(options.max_in_flight_requests)
        self._writer = RequestWriter(
            [binding.tensor for binding in columns.inputs], [binding.tensor for binding in columns.outputs]
        )
        self._promised = {binding.tensor.name: binding.tensor.datatype.name for binding in columns.outputs}
        self._output_names = [f"c{index}" for index in range(len(columns.output_types))]

    async def predict(self, inputs: pa.RecordBatch) -> Prediction:
        """Predict a batch.

        Args:
            inputs: All input columns, in order, in the given types.

        Returns:
            A row for each row, in the same order.

        Raises:
            JobError: A fault that no row's policy covers.
        """
        arrays = explode(self._declared, inputs) if self._declared.is_array_batch else None
        rows = inputs if arrays is None else arrays.elements
        batch = _Batch(rows.num_rows)
        batch.columns, given, sent = encode_batch(self._columns, rows, batch.fail)
        if arrays is not None:
            sent = arrays.whole_rows(sent, batch.errors)
        requests = list(self._split(batch.columns, sent)) if len(sent) else []
        if len(requests) == 1:
            await self._request(batch, requests[0])
        elif requests:
            await _all([self._request(batch, rows) for rows in requests])
        outputs = assemble(self._columns.outputs, batch.parts, batch.rows, batch.errors, batch.fail)
        errors = batch.errors
        if arrays is not None:
            outputs, given, errors = arrays.collect(outputs, batch.errors), arrays.given, arrays.errors
        return self._settle(outputs, int(np.count_nonzero(given)), errors)

    def _split(self, columns: Sequence[TensorColumn], rows: Ints) -> Iterator[Ints]:
        return split(self._signature, columns, rows, self._bytes_per_request)

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

    async def _request(self, batch: _Batch, rows: Ints) -> None:
        async with self._slots:
            lead = (len(rows),) if self._has_batch_axis else ()
            tensors = [
                (column.tensor, (*lead, *column.shape(int(rows[0]))), column.gather(rows))
                for column in batch.columns
                if column.given is None or column.given[rows[0]]
            ]
            header = self._writer.write(tensors)
            self._metrics.begin(len(rows))
            began = time.perf_counter()
            try:
                headers, body = await self._transport.infer(header, [data for _, _, data in tensors])
            except (RowError, UnavailableError) as error:
                batch.fail(rows, str(error))
                return
            finally:
                self._metrics.end(time.perf_counter() - began)
        answered = read_response(headers, body, self._promised)

        outputs = []
        for binding in self._columns.outputs:
            answer = answered[binding.tensor.name]
            outputs.append((check(binding, answer, len(rows), self._has_batch_axis), answer.data))
        batch.parts.append((rows, outputs))


async def _all(requests: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Await all; the first that raises ends the others before it is raised."""
    tasks = [asyncio.ensure_future(request) for request in requests]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
