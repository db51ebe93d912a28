"""Three real servers behind one name: one is killed and one comes, and what each of them has counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pyarrow as pa
import pytest
from model_repository import MODELS, write_repository
from names import Names, answers, opened, with_names
from triton import ARGUMENTS, call

from pyflink_triton.server import TritonServer
from pyflink_triton.server.ports import choose

HOSTS = [f"127.0.0.{n}" for n in range(1, 5)]
SERVED = ("slow", "sequence")


@pytest.fixture(scope="module")
def port() -> int:
    """One that is free at the first address; the others are nobody's."""
    return choose(HOSTS[0], 1, set())[0]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[list[TritonServer]]:
    """A server for each address, of which the first three run."""
    models = [model for model in MODELS if model.name in SERVED]
    repository = write_repository(tmp_path_factory.mktemp("replicas") / "models", models)
    made = [TritonServer(repository, host=host, http_port=port, arguments=ARGUMENTS) for host in HOSTS]
    with ExitStack() as stack:
        for server in made:
            stack.callback(server.kill)
        with ThreadPoolExecutor() as pool:
            list(pool.map(TritonServer.start, made[:3]))
        yield made


def inferences(server: TritonServer, model: str) -> int:
    """How many rows of a model a server has answered."""
    statistics = json.loads(call(server.http_url, "GET", f"/v2/models/{model}/stats"))["model_stats"]
    return sum(int(each["inference_stats"]["success"]["count"]) for each in statistics)


def assert_even(counts: Sequence[int]) -> None:
    mean = sum(counts) / len(counts)
    assert all(abs(count - mean) <= 0.2 * mean for count in counts), counts


@with_names
async def test_one_is_killed_and_one_comes(names: Names, servers: list[TritonServer], port: int) -> None:
    first, *others, last = servers
    names.hosts["triton"] = HOSTS[:3]
    url = f"http://triton:{port}"
    # The model only waits, and so each server is as fast as the others, however busy the machine is.
    one_by_one = {"max_batch_size": "1", "max_in_flight_requests": "12"}
    model = await opened("slow", ["x INT"], ["y INT"], endpoint=url, **one_by_one)
    options = {"sequence_id": "${id}", "sequence_start": "true"}
    sums = await opened("sequence", ["x BIGINT", "id STRING"], ["sum BIGINT"], endpoint=url, **options)
    asked = 0
    #: What the server has of each sequence, as its answers tell.
    kept, lost = dict.fromkeys((f"s-{n}" for n in range(30)), 0), 0

    async def ask(rows: int) -> None:
        nonlocal asked, lost
        milliseconds = [20 + n % 20 for n in range(asked, asked + rows)]
        asked += rows
        assert await answers(model, pa.array(milliseconds, pa.int32())) == milliseconds
        for id_, sum_ in zip(kept, await answers(sums, [asked] * len(kept), list(kept)), strict=True):
            assert sum_ in (kept[id_] + asked, asked), (id_, sum_)  # it goes on, or begins anew with this row
            lost += sum_ != kept[id_] + asked
            kept[id_] = sum_

    try:
        await ask(300)
        assert_even([inferences(server, "slow") for server in servers[:3]])
        begun = [inferences(server, "sequence") for server in servers[:3]]
        assert all(begun)
        assert sum(begun) == len(kept)
        assert lost == 0

        async def kill() -> None:
            await asyncio.to_thread(first.kill)
            names.hosts["triton"] = HOSTS[1:3]

        await asyncio.gather(ask(300), kill())
        await asyncio.to_thread(last.start)
        names.hosts["triton"] = HOSTS[1:]
        while not inferences(last, "slow"):
            await ask(10)
        before = {server.http_url: inferences(server, "slow") for server in (*others, last)}
        await ask(300)
        assert_even([inferences(server, "slow") - before[server.http_url] for server in (*others, last)])
        assert lost == begun[0]
    finally:
        await model.close()
        await sums.close()
