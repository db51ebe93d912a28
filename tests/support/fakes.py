"""Transports that answer without a server, where a fault or an exact shape must be forced."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyflink_triton.delivery.concurrency_limit import ConcurrencyLimit
from pyflink_triton.delivery.request import Request
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.protocol.kserve_v2 import HEADER_KEY, read_response, write_request
from pyflink_triton.runtime.predictor import Predictor
from pyflink_triton.schema.binding import Column, bind_columns
from pyflink_triton.types.sql import parse_type

Entry = dict[str, Any]


def response(outputs: Sequence[tuple[Entry, bytes]]) -> tuple[Mapping[str, str], bytes]:
    """Write an answer as Triton does."""
    entries = [
        {**entry, "parameters": {"binary_data_size": len(data), **entry.get("parameters", {})}}
        for entry, data in outputs
    ]
    header = json.dumps({"model_name": "m", "outputs": entries}).encode()
    return {HEADER_KEY: str(len(header))}, header + b"".join(data for _, data in outputs)


class Sends:
    """Delivers to a transport of this file or of a test, and counts the calls."""

    def __init__(self, transport: Any, metrics: Metrics, most: int = 64) -> None:
        self._transport, self._metrics = transport, metrics
        self.limit = ConcurrencyLimit(most, 30.0)

    async def send(self, request: Request) -> InferenceResponse:
        inference = request.inference
        if not request.holds_place:
            await self.limit.take(False, None)
        request.holds_place = False
        self._metrics.begin(request.rows)
        try:
            header = write_request(inference, "1")
            headers, body = await self._transport.infer(header, [b"".join(tensor.data) for tensor in inference.inputs])
        finally:
            self._metrics.end(0.0)
            self.limit.give()
        return InferenceResponse(read_response(headers, body, inference.outputs)[0], "http://localhost:1")


class Echo:
    """Answers each input as the output of the same name, and remembers the requests."""

    def __init__(self, change: Callable[[list[tuple[Entry, bytes]]], None] | None = None) -> None:
        self.requests: list[list[tuple[Entry, bytes]]] = []
        self._change = change

    async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
        request = json.loads(header)
        sent = list(zip(request["inputs"], map(bytes, tensors), strict=True))
        for entry, data in sent:
            assert entry["parameters"].pop("binary_data_size") == len(data)
        self.requests.append(sent)
        answer = [(dict(entry), data) for entry, data in sent]
        if self._change is not None:
            self._change(answer)
        return response(answer)

    @property
    def shapes(self) -> list[list[int]]:
        """The shape of the first tensor of each request."""
        return [request[0][0]["shape"] for request in self.requests]


def identity(*tensors: TensorSpec, max_batch_size: int = 64) -> ModelSignature:
    """A model whose outputs are its inputs."""
    return ModelSignature("m", tensors, tensors, max_batch_size)


def declare(
    signature: ModelSignature,
    transport: Any,
    inputs: Sequence[str],
    outputs: Sequence[str],
    arguments: Sequence[str] | None = None,
    metrics: Metrics | None = None,
    **options: str,
) -> Predictor:
    """A predictor over columns as in ``INPUT`` and ``OUTPUT``."""
    written = {key.replace("_", "-"): value for key, value in options.items()}
    parsed = parse_options({"endpoint": "http://localhost:1", "model-name": "m", **written})
    given = None if arguments is None else [parse_type(text, "x") for text in arguments]
    columns = bind_columns(signature, parse_columns(inputs), parse_columns(outputs), given, parsed)
    counted = metrics or Metrics()
    return Predictor(Sends(transport, counted, parsed.max_in_flight_requests), signature, columns, parsed, counted)


def parse_columns(written: Sequence[str]) -> list[Column]:
    """Columns as in ``INPUT``: a name and a type."""
    return [Column.parse(*column.split(" ", 1)) for column in written]


def predictor(
    signature: ModelSignature,
    transport: Any,
    types: Sequence[str],
    arguments: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    **options: str,
) -> Predictor:
    """A predictor over columns named like the model's tensors."""
    names = [tensor.name for tensor in signature.inputs]
    inputs, gives = (
        [f"{name} {text}" for name, text in zip(names, side, strict=True)] for side in (types, outputs or types)
    )
    return declare(signature, transport, inputs, gives, arguments, None, **options)
