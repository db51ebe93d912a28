"""A model's delivery and predictor in this process, against a real Triton or a proxy in front of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
from fault_proxy import Call, FaultProxy
from faults import PASS, Step
from triton import Triton

from pyflink_triton._arrow import Ints
from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.delivery.request import Request
from pyflink_triton.delivery.signature_guard import SignatureGuard
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.protocol.inference import InferenceRequest, InputTensor
from pyflink_triton.runtime.predictor import Prediction, Predictor
from pyflink_triton.schema.binding import Column, bind_columns
from pyflink_triton.types.triton import DATATYPES

#: A model that answers x with x, and fails where x is negative.
MODEL = "fails"
#: Options that make retries quick.
QUICK = {"retry_initial_backoff": "5 ms", "retry_max_backoff": "20 ms", "max_retries": "2"}


def upstream(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80


def request(*values: int, **more: Any) -> Request:
    """A request with these rows, as the predictor writes it."""
    x, y = (TensorSpec(name, DATATYPES["INT64"], (1,)) for name in "xy")
    data = np.array(values, np.int64)
    return Request(
        InferenceRequest([InputTensor(x, (len(values), 1), [data.data.cast("B")])], [y], {}), len(values), **more
    )


def values_of(request: Request) -> Ints:
    """The rows of such a request."""
    return np.frombuffer(b"".join(request.inference.inputs[0].data), np.int64)


@dataclass
class Model:
    """What carries rows to the model, and what was counted."""

    delivery: Delivery
    predictor: Predictor
    client: ModelClient
    _metrics: Metrics

    async def predict(self, *values: int) -> Prediction:
        batch = pa.record_batch([pa.array(values, pa.int64())], names=["c0"])
        return await self.predictor.predict(batch)

    async def answers(self, *values: int) -> list[int | None]:
        prediction = await self.predict(*values)
        answers: list[int | None] = prediction.outputs.column(0).to_pylist()
        return answers

    def taken(self) -> tuple[Counter[str], Mapping[str, int]]:
        """Counters and gauges since the last time."""
        taken = self._metrics.take()
        return (Counter(taken["counters"]), taken["gauges"]) if taken else (Counter(), {})


@asynccontextmanager
async def model(endpoint: str, describer: str, name: str = MODEL, **written: str) -> AsyncIterator[Model]:
    """A model at an endpoint.

    Args:
        endpoint: Where the rows go.
        describer: The Triton that is asked for the signature at first, directly.
        name: The model's name.
        written: Its options, with `_` for `-`.
    """
    options = parse_options(
        {"endpoint": endpoint, "model-name": name, **{key.replace("_", "-"): value for key, value in written.items()}}
    )
    async with ModelClient(parse_options({"endpoint": describer, "model-name": name})) as direct:
        signature = await direct.signature()
    if options.max_batch_size is not None:
        signature = replace(signature, max_batch_size=options.max_batch_size)
    metrics = Metrics()
    async with ModelClient(options) as client:
        guard = SignatureGuard(client.signature, signature)
        delivery = Delivery(options, client.transport, metrics, guard.check)
        columns = bind_columns(signature, [Column.parse("x", "BIGINT")], [Column.parse("y", "BIGINT")], None)
        try:
            yield Model(delivery, Predictor(delivery, signature, columns, options, metrics), client, metrics)
        finally:
            await delivery.close()


def through(
    triton: Triton,
    proxy: FaultProxy,
    work: Callable[[Model], Awaitable[None]],
    name: str = MODEL,
    endpoint: str | None = None,
    **options: str,
) -> FaultProxy:
    """Do some work with a model behind a proxy; returns the proxy with its log."""

    async def main() -> None:
        async with proxy, model(endpoint or proxy.url, triton.http_url, name, **{**QUICK, **options}) as one:
            await work(one)

    asyncio.run(asyncio.wait_for(main(), 60))
    return proxy


def proxied(triton: Triton, *steps: Step, always: Step = PASS) -> FaultProxy:
    return FaultProxy(upstream(triton.http_url), steps, always)


def header(call: Call, name: str) -> str | None:
    """A header of a call."""
    for line in call.head.decode().split("\r\n")[1:]:
        key, _, value = line.partition(": ")
        if key.lower() == name.lower():
            return value
    return None
