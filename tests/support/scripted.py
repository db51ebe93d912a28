"""The model `script` on servers of a test's own, which keep a log; and rows whose parts say where they belong."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from processes import children, connections
from triton import Triton
from waiting import SLACK_SECONDS

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.open_model import OpenedModel, open_model

STUB = b"triton_python_backend_stub"


def stream(n: int, parts: int, first: float = 0.0, between: float = 0.0) -> str:
    """The script of row n: so many parts, after so many seconds, and with so many between two."""
    steps: list[Any] = [{"sleep": first}] if first else []
    for place in range(parts):
        steps += [{"sleep": between}] if place and between else []
        steps.append(part(n, place))
    return json.dumps(steps)


def part(n: int, place: int) -> str:
    """A part of row n."""
    return f"{n}-{place}"


def parts(n: int, count: int) -> list[str]:
    """All parts of row n."""
    return [part(n, place) for place in range(count)]


def delayed(n: int, most: int, seconds: float) -> tuple[str, int]:
    """The script of row n with a random number of parts and a random delay before each; and how many parts.

    Args:
        n: The row.
        most: The greatest number of parts.
        seconds: The longest delay.
    """
    chance = random.Random(n)
    count = chance.randrange(most + 1)
    steps: list[Any] = []
    for place in range(count):
        steps += [{"sleep": round(chance.uniform(0.0, seconds), 4)}, part(n, place)]
    return json.dumps(steps), count


@dataclass(frozen=True)
class Scripted:
    """A server with the model.

    Attributes:
        triton: The server.
        log: What the model notes: a line for each stream that begins, has given its first response, is cancelled, or
            ends.
    """

    triton: Triton
    log: Path

    @property
    def url(self) -> str:
        return self.triton.http_url

    def notes(self) -> list[str]:
        """All that the model has noted, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def noted(self, what: str) -> int:
        """How often the model has noted something."""
        return self.notes().count(what)

    def most_at_once(self) -> int:
        """How many streams were under way at the most."""
        most = now = 0
        for note in self.notes():
            now += {"begun": 1, "ended": -1, "cancelled": -1}.get(note, 0)
            most = max(most, now)
        return most

    def connections(self) -> int:
        """How many connections there are to it."""
        return connections(urlsplit(self.url).port or 0)

    def kill(self) -> None:
        """Kill the server."""
        assert self.triton.server is not None
        self.triton.server.kill()

    def start(self) -> None:
        """Start the server again, with an empty log."""
        assert self.triton.server is not None
        self.log.unlink(missing_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SCRIPT_LOG", str(self.log))
            self.triton.server.start()

    def kill_backend(self) -> None:
        """Kill the process that runs the model."""
        assert self.triton.server is not None
        assert self.triton.server.pid is not None
        (stub,) = children({self.triton.server.pid}, STUB)
        os.kill(stub, signal.SIGKILL)


@pytest.fixture
def scripted(
    own_triton: Callable[..., Triton], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Scripted]:
    """A function that starts a server with the model."""
    started: list[Scripted] = []

    def start() -> Scripted:
        log = tmp_path / f"script-{len(started)}.log"
        monkeypatch.setenv("SCRIPT_LOG", str(log))
        started.append(Scripted(own_triton("script"), log))
        return started[-1]

    return start


@dataclass
class Outcome:
    """What became of rows.

    Attributes:
        rows: The outputs of each row: the list of its parts, and then those of other columns.
        errors: The message of each row that failed without a policy.
        seconds: How long all of them took.
        counted: What was counted meanwhile.
    """

    rows: list[list[Any]]
    errors: Mapping[int, str]
    seconds: float
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def parts(self) -> list[Any]:
        """The parts of each row."""
        return [row[0] for row in self.rows]


@dataclass(frozen=True)
class ScriptModel:
    """The model opened in this process, with its responses as rows."""

    opened: OpenedModel
    metrics: Metrics

    async def predict(self, scripts: Sequence[str]) -> Outcome:
        """Predict rows that are scripts."""
        batch = pa.record_batch([pa.array(scripts, pa.utf8())], names=["c0"])
        began = time.monotonic()
        predicted = await self.opened.predict(batch)
        seconds = time.monotonic() - began
        values = zip(*(column.to_pylist() for column in predicted.outputs.columns), strict=True)
        taken = self.metrics.take()
        counted = Counter(taken["counters"]) if taken is not None else Counter()
        return Outcome([list(row) for row in values], predicted.errors, seconds, counted)

    @property
    def limit(self) -> int:
        """How many streams may be under way now."""
        return self.delivery.limit.limit

    @property
    def delivery(self) -> Delivery:
        """What carries the rows."""
        assert isinstance(self.opened.delivery, Delivery)
        return self.opened.delivery


@asynccontextmanager
async def script_model(endpoint: str, **options: str) -> AsyncIterator[ScriptModel]:
    """Open the model.

    Args:
        endpoint: The option of that name.
        options: More of them, with `_` for `-`.
    """
    written = {key.replace("_", "-"): value for key, value in options.items()}
    more = {"responses": "rows", **written}
    outputs = {"text": "ARRAY<STRING>" if more["responses"] == "array" else "STRING"}
    if more["responses"] == "rows":
        outputs["place"], more["response-index"] = "INT", "place"
    if "error_column" in options:
        outputs[options["error_column"]] = "STRING"
    request: Any = {
        "model": "m",
        "options": {"endpoint": endpoint, "model-name": "script", **more},
        "input": [{"name": "script", "type": "STRING"}],
        "output": [{"name": name, "type": type_} for name, type_ in outputs.items()],
    }
    metrics = Metrics()
    opened = await open_model(request, metrics)
    try:
        yield ScriptModel(opened, metrics)
    finally:
        await opened.close()


async def until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait for a condition while streams go on."""
    end = time.monotonic() + seconds + SLACK_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {seconds + SLACK_SECONDS} s: {what}"
        await asyncio.sleep(0.02)
