"""tritonclient alone: the ceiling that the others are compared with. Both of its HTTP clients are tried."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tritonclient.http as blocking
import tritonclient.http.aio as aio

from benchmarks.cpu import measured
from benchmarks.workloads import WORKLOADS, Workload, checksum

CLIENTS = ("tritonclient.http.aio", "tritonclient.http")
CONCURRENCIES = (1, 2, 4, 8, 16)
_WARM_REQUESTS = 2  # for each that is in flight
MOST_BYTES = 2**28  # in flight: images fill a server's shared memory soon


class _Rows:
    """Hands out a workload's rows, from the first, in batches, and adds up the answers."""

    def __init__(self, workload: Workload, batch: int, rows: int, module: Any) -> None:
        self._workload, self._batch, self._module = workload, batch, module
        self.requests = max(1, round(rows / batch))
        self.rows = self.requests * batch
        self._next = 0
        self.sums = [0.0] * len(workload.outputs)

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> dict[str, Any]:
        if self._next == self.requests:
            raise StopIteration
        start = self._next * self._batch % self._workload.period
        self._next += 1
        return self.request(start)

    def request(self, start: int) -> dict[str, Any]:
        """Make the request of the rows from one on."""
        inputs = []
        for column in self._workload.columns:
            values = column.values[start : start + self._batch]
            tensor = self._module.InferInput(column.name, list(values.shape), column.datatype)
            tensor.set_data_from_numpy(values, binary_data=True)
            inputs.append(tensor)
        outputs = [self._module.InferRequestedOutput(each.name, binary_data=True) for each in self._workload.outputs]
        return {"model_name": self._workload.model, "inputs": inputs, "outputs": outputs}

    def take(self, answer: Any) -> None:
        """Add up a response."""
        for index, output in enumerate(self._workload.outputs):
            self.sums[index] += checksum(answer.as_numpy(output.name))


def run(url: str, workload: str, rows: int, client: str, batch: int, concurrency: int, server: int | None) -> Any:
    """Send so many rows, warm, and count what that took.

    Args:
        url: The server's endpoint.
        workload: The workload's name.
        rows: How many rows, rounded to whole batches.
        client: Which of ``CLIENTS``.
        batch: Rows a request.
        concurrency: Requests in flight.
        server: tritonserver's process.

    Returns:
        ``rows``, ``seconds``, ``cpu`` and the ``sums`` of the answers.
    """
    what, cpu = WORKLOADS[workload], dict[str, float]()
    address = urlsplit(url).netloc
    if client == "tritonclient.http.aio":
        todo, seconds = asyncio.run(_with_asyncio(address, what, rows, batch, concurrency, server, cpu))
    else:
        todo, seconds = _with_gevent(address, what, rows, batch, concurrency, server, cpu)
    return {"rows": todo.rows, "seconds": seconds, "cpu": cpu, "sums": todo.sums}


def search(url: str, workload: str, rows: int, seconds: float) -> Any:
    """Try batches, concurrencies and both clients; return the fastest.

    Args:
        url: The server's endpoint.
        workload: The workload's name.
        rows: How many rows the first try sends.
        seconds: How long each try takes, about.

    Returns:
        ``client``, ``batch`` and ``concurrency``, the ``rate``, and how many ways were ``tried``.
    """
    largest = WORKLOADS[workload].max_batch
    tried = []
    own_rows = dict.fromkeys(CLIENTS, rows)  # one client may be a hundred times as fast as the other
    for batch in (largest // 4, largest):
        for concurrency in CONCURRENCIES:
            if batch * concurrency * WORKLOADS[workload].row_bytes > MOST_BYTES:
                continue
            for client in CLIENTS:
                how: dict[str, Any] = {"client": client, "batch": batch, "concurrency": concurrency}
                done = run(url, workload, max(batch * concurrency, own_rows[client]), **how, server=None)
                rate = done["rows"] / done["seconds"]
                own_rows[client] = int(rate * seconds)
                tried.append({**how, "rate": rate})
    return {**max(tried, key=lambda each: each["rate"]), "tried": len(tried)}


def answers(url: str, workload: str) -> Any:
    """Ask for the answer to each of a workload's rows, for outputs that only the server knows."""
    what = WORKLOADS[workload]
    batch = min(what.max_batch, what.period)
    todo = _Rows(what, batch, what.period, blocking)
    with blocking.InferenceServerClient(urlsplit(url).netloc) as client:
        parts = [client.infer(**request) for request in todo]
    return {
        output.name: np.concatenate([part.as_numpy(output.name) for part in parts]).tolist()
        for output in what.outputs
        if output.sums is None
    }


def latency(url: str, workload: str, rows: int, rate: float) -> Any:
    """Time one row at a time at a rate, with the blocking client, which is the faster one for that.

    A row that comes while the client is busy waits, and its wait counts, as it does in a Flink job.

    Args:
        url: The server's endpoint.
        workload: The workload's name.
        rows: How many.
        rate: Rows offered a second.

    Returns:
        Nanoseconds of each row.
    """
    todo = _Rows(WORKLOADS[workload], 1, rows, blocking)
    taken: list[int] = []
    with blocking.InferenceServerClient(urlsplit(url).netloc) as client:
        client.infer(**todo.request(0))
        start = time.perf_counter_ns()
        for index, request in enumerate(todo):
            due = start + int(index * 1e9 / rate)
            early = due - time.perf_counter_ns()
            if early > 0:
                time.sleep(early / 1e9)
                due = time.perf_counter_ns()  # what a sleep takes too long is not the client's
            todo.take(client.infer(**request))
            taken.append(time.perf_counter_ns() - due)
    return taken


async def _with_asyncio(
    address: str, what: Workload, rows: int, batch: int, concurrency: int, server: int | None, cpu: dict[str, float]
) -> tuple[_Rows, float]:
    async with aio.InferenceServerClient(address, conn_limit=concurrency) as client:

        async def work(requests: _Rows) -> None:
            for request in requests:
                requests.take(await client.infer(**request))

        warm = _Rows(what, batch, _WARM_REQUESTS * concurrency * batch, aio)
        await asyncio.gather(*(work(warm) for _ in range(concurrency)))
        todo = _Rows(what, batch, rows, aio)
        with measured(server, cpu):
            began = time.perf_counter()
            await asyncio.gather(*(work(todo) for _ in range(concurrency)))
            return todo, time.perf_counter() - began


def _with_gevent(
    address: str, what: Workload, rows: int, batch: int, concurrency: int, server: int | None, cpu: dict[str, float]
) -> tuple[_Rows, float]:
    with blocking.InferenceServerClient(address, concurrency=concurrency) as client:

        def work(requests: _Rows) -> None:
            waiting: list[Any] = []
            for request in requests:
                waiting.append(client.async_infer(**request))
                if len(waiting) == concurrency:
                    requests.take(waiting.pop(0).get_result())
            for sent in waiting:
                requests.take(sent.get_result())

        work(_Rows(what, batch, _WARM_REQUESTS * concurrency * batch, blocking))
        todo = _Rows(what, batch, rows, blocking)
        with measured(server, cpu):
            began = time.perf_counter()
            work(todo)
            return todo, time.perf_counter() - began


def request_bytes(workload: Workload, batch: int) -> tuple[bytes, int | None]:
    """Make a request's body as tritonclient sends it.

    Args:
        workload: What is asked.
        batch: Rows of the request, from the first.

    Returns:
        The body, and the length of its JSON.
    """
    request = _Rows(workload, batch, batch, blocking).request(0)
    body: Sequence[Any] = blocking.InferenceServerClient.generate_request_body(request["inputs"], request["outputs"])
    return body[0], body[1]


def response_sums(workload: Workload, body: bytes, header: int | None) -> list[float]:
    """Read a response's body with tritonclient, and add it up."""
    answer = blocking.InferenceServerClient.parse_response_body(body, header_length=header)
    return [checksum(answer.as_numpy(output.name)) for output in workload.outputs]
