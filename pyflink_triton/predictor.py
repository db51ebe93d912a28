"""Rows in, rows out: a batch of Arrow columns is split into requests, and the answers put back in its order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pyflink_triton import mapping
from pyflink_triton.arrays import Bools, Ints, present, take
from pyflink_triton.decode import check, decode
from pyflink_triton.encode import TensorColumn, encode
from pyflink_triton.errors import RowError, UnavailableError
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
            the row held a NULL or failed.
        errors: The message of each row that failed.
    """

    outputs: pa.RecordBatch
    errors: dict[int, str]


@dataclass
class _Batch:
    """One batch under way: what was encoded, which rows failed, and the parts answered so far."""

    rows: int
    attempted: int = 0
    columns: list[TensorColumn] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    parts: list[tuple[Ints, list[tuple[tuple[int, ...], memoryview]]]] = field(default_factory=list)

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
        self._columns = columns
        self._metrics = metrics
        self._has_batch_axis = signature.has_batch_axis
        self._rows_per_request = max(1, signature.max_batch_size)
        self._bytes_per_request = options.max_request_bytes
        self._slots = asyncio.Semaphore(options.max_in_flight_requests)
        self._writer = RequestWriter(
            [binding.tensor for binding in columns.inputs], [binding.tensor for binding in columns.outputs]
        )
        self._may_be_null = {binding.place for binding in columns.inputs if binding.tensor.optional}
        self._may_be_null -= set(columns.references.values())
        self._promised = {binding.tensor.name: binding.tensor.datatype.name for binding in columns.outputs}
        self._output_types = [binding.column.type.arrow for binding in columns.outputs]
        self._output_names = [f"c{index}" for index in range(len(columns.outputs))]

    async def predict(self, inputs: pa.RecordBatch) -> Prediction:
        """Predict a batch.

        Args:
            inputs: A column for each input binding, in order, in the given types.

        Returns:
            A row for each row, in the same order.

        Raises:
            JobError: A fault that no row's policy covers.
        """
        batch = _Batch(inputs.num_rows)
        sent = self._encode(batch, inputs)
        requests = list(self._split(batch.columns, sent)) if len(sent) else []
        if len(requests) == 1:
            await self._request(batch, requests[0])
        elif requests:
            await _all([self._request(batch, rows) for rows in requests])
        self._metrics.settle(batch.attempted, len(batch.errors))
        return Prediction(self._assemble(batch), batch.errors)

    def _encode(self, batch: _Batch, inputs: pa.RecordBatch) -> Ints:
        """Encode every column; returns the rows to send."""
        given = np.ones(batch.rows, dtype=np.bool_)
        good = np.ones(batch.rows, dtype=np.bool_)
        holds = [present(column) if column.null_count else None for column in inputs.columns]
        for place, held in enumerate(holds):
            if held is not None and place not in self._may_be_null:
                given &= held
        for binding in self._columns.inputs:
            column, held = inputs.column(binding.place), holds[binding.place]

            def fault(mask: Bools, what: str, name: str = binding.column.name, held: Bools | None = held) -> None:
                bad = mask & given if held is None else mask & given & held
                if bad.any():
                    batch.fail(np.flatnonzero(bad), f"column '{name}' {what}")
                    good[bad] = False

            encoded = encode(binding, column, fault)
            batch.columns.append(replace(encoded, given=held) if binding.tensor.optional else encoded)
        batch.attempted = int(np.count_nonzero(given))
        return np.flatnonzero(given & good)

    def _split(self, columns: Sequence[TensorColumn], rows: Ints) -> Iterator[Ints]:
        """Cut rows into requests: equal shapes, at most so many rows and so many bytes."""
        if not self._has_batch_axis:
            yield from rows.reshape(-1, 1)
            return
        fixed = sum(column.size or 0 for column in columns)
        varying = [column.sizes for column in columns if column.sizes is not None]
        for group in _alike(columns, rows):
            if not varying:
                step = min(max(self._bytes_per_request // fixed, 1), self._rows_per_request)
                yield from (group[start : start + step] for start in range(0, len(group), step))
                continue
            ends = np.cumsum(np.sum(varying, axis=0)[group] + fixed)
            start = 0
            while start < len(group):
                limit = (ends[start - 1] if start else 0) + self._bytes_per_request
                fitting = int(np.searchsorted(ends, limit, side="right"))
                stop = min(max(fitting, start + 1), start + self._rows_per_request)
                yield group[start:stop]
                start = stop

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

    def _assemble(self, batch: _Batch) -> pa.RecordBatch:
        """Put the parts in the rows' order, NULL where there is none."""
        if not batch.parts:
            empty = [pa.nulls(batch.rows, type_) for type_ in self._output_types]
            return pa.record_batch(empty, names=self._output_names)
        batch.parts.sort(key=lambda part: int(part[0][0]))
        rows = np.concatenate([part_rows for part_rows, _ in batch.parts])
        columns = [self._column(batch, rows, output) for output in range(len(self._output_names))]
        if len(rows) < batch.rows or batch.errors or not np.array_equal(rows, np.arange(batch.rows)):
            places = np.full(batch.rows, -1, dtype=np.int64)
            places[rows] = np.arange(len(rows))
            places[list(batch.errors)] = -1
            columns = [take(column, places) for column in columns]
        return pa.record_batch(columns, names=self._output_names)

    def _column(self, batch: _Batch, rows: Ints, output: int) -> pa.Array:
        """Decode an output of all parts, at once where the size of each is known from its shape.

        BYTES are decoded part by part: a wrong length in one must not reach into the next.
        """
        binding = self._columns.outputs[output]
        is_fixed = binding.tensor.datatype.numpy is not None
        chunks: list[pa.Array] = []
        done = 0
        for _, run in groupby(batch.parts, key=lambda part: part[1][output][0] if is_fixed else id(part)):
            parts = list(run)
            inner = parts[0][1][output][0]
            count = sum(len(part_rows) for part_rows, _ in parts)
            data = parts[0][1][output][1] if len(parts) == 1 else b"".join(part[1][output][1] for part in parts)

            def fault(mask: Bools, what: str, of: Ints = rows[done : done + count]) -> None:
                batch.fail(of[mask], what)

            chunks.append(decode(binding, inner, data, count, fault))
            done += count
        return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)


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


def _alike(columns: Sequence[TensorColumn], rows: Ints) -> Iterator[Ints]:
    """Rows whose tensors have the same shapes and are the same ones."""
    shapes = [column.shapes[rows] for column in columns if column.shapes is not None]
    shapes += [column.given[rows, None].astype(np.int64) for column in columns if column.given is not None]
    if not shapes:
        yield rows
        return
    _, group = np.unique(np.concatenate(shapes, axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    if group.max() == 0:
        yield rows
        return
    order = np.argsort(group, kind="stable")
    yield from np.split(rows[order], np.flatnonzero(np.diff(group[order])) + 1)
