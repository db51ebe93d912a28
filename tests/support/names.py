"""Host names whose addresses a test says and changes: an event loop that looks them up nowhere else."""

from __future__ import annotations

import asyncio
import functools
import inspect
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pyarrow as pa

from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.messages import OpenRequest
from pyflink_triton.runtime.open_model import OpenedModel, open_model

#: Options that make look-ups and retries quick.
QUICK = {"connection-max-age": "1s", "retry-initial-backoff": "5 ms", "retry-max-backoff": "50 ms", "timeout": "5s"}


class Names(asyncio.SelectorEventLoop):
    """The loop.

    Attributes:
        hosts: The addresses of each name; a look-up of a name that has none fails.
        asked: How often each name was looked up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hosts: dict[str, Sequence[str]] = {}
        self.asked: Counter[str] = Counter()

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        self.asked[host] += 1
        await asyncio.sleep(0)
        if not self.hosts.get(host):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (each, port, 0, 0))
            if ":" in each
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in self.hosts[host]
        ]

    async def looked_up(self, host: str) -> None:
        """Wait until a name was looked up again, twice: what the first found has its effect then."""
        before = self.asked[host]
        while self.asked[host] < before + 2:
            await asyncio.sleep(0.01)


def with_names(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test that awaits, and whose first argument is the loop."""

    def run(*arguments: Any, **named: Any) -> None:
        loop = Names()
        try:
            loop.run_until_complete(asyncio.wait_for(test(loop, *arguments, **named), 120))
        finally:
            loop.run_until_complete(_end(asyncio.all_tasks(loop)))
            loop.close()

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined] # pytest would take the loop for a fixture
    run.__signature__ = _without_first(test)  # type: ignore[attr-defined] # and it reads the fixtures here
    return run


def _without_first(test: Callable[..., Any]) -> Any:
    signature = inspect.signature(test)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def opened(model: str, inputs: Sequence[str], outputs: Sequence[str], **options: str) -> OpenedModel:
    """Open a model as a task does.

    Args:
        model: Its name on the server.
        inputs: The INPUT columns, as ``x BIGINT``.
        outputs: The OUTPUT columns.
        options: Its options, with ``_`` for ``-``.
    """
    written = {key.replace("_", "-"): value for key, value in options.items()}
    declared = [[dict(zip(("name", "type"), each.split(), strict=True)) for each in side] for side in (inputs, outputs)]
    request: Any = {
        "model": "m",
        "options": {"model-name": model, **QUICK, **written},
        "input": declared[0],
        "output": declared[1],
    }
    asked: OpenRequest = request
    return await open_model(asked, Metrics())


async def answers(model: OpenedModel, *columns: Sequence[Any] | pa.Array) -> list[Any]:
    """The first output of each row, or the message of one that failed."""
    arrays = [each if isinstance(each, pa.Array) else pa.array(each) for each in columns]
    rows = pa.record_batch(arrays, names=[f"c{n}" for n in range(len(columns))])
    prediction = await model.predict(rows)
    found = prediction.outputs.column(0).to_pylist()
    return [prediction.errors.get(row, answer) for row, answer in enumerate(found)]
