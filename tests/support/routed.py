"""Models that rows name, on a server of a test's own, and what was counted for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from deliveries import QUICK
from model_repository import Model, Tensor, write_repository

from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import OpenedModel, open_model

#: INPUT and OUTPUT of the models, and the options that name them.
INPUT = {"x": "BIGINT", "m": "STRING"}
OUTPUT = {"y": "BIGINT", "version": "STRING", "why": "STRING", "code": "STRING"}
OPTIONS = {
    "model-name": "${m}",
    "allowed-models": "t-*,other",
    "max-batch-size": "8",
    "model-version-column": "version",
    "error-column": "why",
    "error-code-column": "code",
}


def tenant(name: str, source: str = "identity", **more: Any) -> Model:
    """A model of one number."""
    return Model(name, [Tensor("x", "INT64")], [Tensor("y", more.pop("gives", "INT64"))], source, **more)


def write(directory: Path, models: Sequence[Model], slow: Mapping[str, float] | None = None) -> Path:
    """Write a model repository.

    Args:
        directory: Where to.
        models: The models.
        slow: How many seconds some of them take to load.
    """
    repository = write_repository(directory, models)
    for name, seconds in (slow or {}).items():
        for path in (repository / name).glob("*/model.py"):
            path.write_text(f"import time\n\ntime.sleep({seconds})\n{path.read_text()}")
    return repository


def request(url: str, inputs: Mapping[str, str], outputs: Mapping[str, str], options: Mapping[str, str]) -> OpenRequest:
    """What opens the models."""

    def columns(types: Mapping[str, str]) -> list[ColumnType]:
        return [{"name": name, "type": type_} for name, type_ in types.items()]

    return {
        "model": "m",
        "options": {"endpoint": url, **options},
        "input": columns(inputs),
        "output": columns(outputs),
    }


@dataclass
class Routed:
    """The models, and what was counted since the last time."""

    opened: OpenedModel
    names: Sequence[str]
    _metrics: Metrics

    async def rows(self, *rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Predict one batch; what a row fails with is in `why`, with or without `error-column`."""
        arrays = [
            pa.array(values, type_.arrow)
            for values, type_ in zip(zip(*rows, strict=True), self.opened.columns.argument_types, strict=True)
        ]
        prediction = await self.opened.predict(pa.record_batch(arrays, names=[f"c{n}" for n in range(len(arrays))]))
        found = [dict(zip(self.names, row.values(), strict=True)) for row in prediction.outputs.to_pylist()]
        for place, message in prediction.errors.items():
            found[place]["why"] = message
        return found

    async def answers(self, *rows: Sequence[Any]) -> list[Any]:
        """Predict one batch; the first output of each row."""
        return [row[self.names[0]] for row in await self.rows(*rows)]

    def counted(self) -> Counter[str]:
        """What was counted since the last time."""
        taken = self._metrics.take()
        return Counter(taken["counters"]) if taken else Counter()


@asynccontextmanager
async def routed(
    url: str,
    inputs: Mapping[str, str] = INPUT,
    outputs: Mapping[str, str] = OUTPUT,
    **options: str | None,
) -> AsyncIterator[Routed]:
    """Open the models.

    Args:
        url: The server's.
        inputs: INPUT.
        outputs: OUTPUT.
        options: More options, with `_` for `-`; None leaves one out.
    """
    more = {key.replace("_", "-"): value for key, value in {**QUICK, **options}.items()}
    written = {key: value for key, value in {**OPTIONS, **more}.items() if value is not None}
    metrics, before = Metrics(), asyncio.all_tasks()
    opened = await open_model(request(url, inputs, outputs, written), metrics)
    try:
        yield Routed(opened, list(outputs), metrics)
    finally:
        await opened.close()
        left = [task for task in asyncio.all_tasks() - before if "/pyflink_triton/" in repr(task.get_coro())]
        assert left == [], "something is left behind"
