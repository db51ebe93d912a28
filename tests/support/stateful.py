"""Predictors on the real server's stateful models, whose outputs are a running sum and the id that they see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pyarrow as pa

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.planning import DeclaredModel, wait_until_ready
from pyflink_triton.runtime.predictor import Prediction, Predictor

COLUMNS = {"x": "BIGINT", "id": "STRING", "first": "BOOLEAN", "last": "BOOLEAN"}
_ARROW = {"BIGINT": pa.int64(), "STRING": pa.utf8(), "BOOLEAN": pa.bool_()}


class Opened:
    """A predictor, and the columns of its rows."""

    def __init__(self, predictor: Predictor, metrics: Metrics, columns: Sequence[str]) -> None:
        self.predictor, self.metrics = predictor, metrics
        self._types = [_ARROW[COLUMNS[column]] for column in columns]
        self.counters: dict[str, int] = {}

    async def predict(self, *rows: tuple[Any, ...]) -> Prediction:
        """Predict rows of the opened columns."""
        columns = [pa.array(column, type_) for column, type_ in zip(zip(*rows, strict=True), self._types, strict=True)]
        return await self.predictor.predict(pa.record_batch(columns, names=[f"c{n}" for n in range(len(columns))]))

    async def sums(self, *rows: tuple[Any, ...]) -> list[Any]:
        """Predict rows; the first output of each, or the message of the one that failed."""
        prediction = await self.predict(*rows)
        answers = prediction.outputs.column(0).to_pylist()
        return [prediction.errors.get(row, answer) for row, answer in enumerate(answers)]

    def count(self, name: str) -> int:
        """A counter's value until now."""
        for key, delta in (self.metrics.take() or {"counters": {}})["counters"].items():
            self.counters[key] = self.counters.get(key, 0) + delta
        return self.counters.get(name, 0)


def declared_model(
    url: str, model: str, columns: Sequence[str], outputs: Sequence[str] = ("sum BIGINT",), **options: str
) -> DeclaredModel:
    """A model whose INPUT is some of ``COLUMNS``."""
    written = {"endpoint": url, "model-name": model, "sequence-id": "${id}"}
    written.update({key.replace("_", "-"): value for key, value in options.items()})
    return DeclaredModel.parse(
        {
            "model": "m",
            "options": {key: value for key, value in written.items() if value},
            "input": [{"name": column, "type": COLUMNS[column]} for column in columns],
            "output": [{"name": name, "type": type_} for name, type_ in map(str.split, outputs)],
        }
    )


@asynccontextmanager
async def opened(
    url: str, model: str, columns: Sequence[str] = ("x", "id"), outputs: Sequence[str] = ("sum BIGINT",), **options: str
) -> AsyncIterator[Opened]:
    """Open a predictor as the worker does."""
    declared = declared_model(url, model, columns, outputs, **options)
    metrics = Metrics()
    async with ModelClient(declared.options) as client:
        signature = await wait_until_ready(client, declared.options)
        delivery = Delivery(declared.options, client.transport, metrics)
        try:
            yield Opened(
                Predictor(delivery, signature, declared.bind(signature), declared.options, metrics), metrics, columns
            )
        finally:
            await delivery.close()
