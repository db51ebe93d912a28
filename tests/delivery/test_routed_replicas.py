"""Rows that name their models, at a host name with several addresses: who gets requests, and what is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from deliveries import upstream
from fault_proxy import Call, FaultProxy
from faults import Step
from names import QUICK, Names, with_names
from routed import Routed, routed, tenant, write
from test_replicas import FIRST, SECOND, THIRD, proxies
from triton import ARGUMENTS, Triton

from pyflink_triton.server import TritonServer

MODELS = ("t-a", "t-b")
OPTIONS: dict[str, Any] = {key.replace("-", "_"): value for key, value in QUICK.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    directory = write(tmp_path_factory.mktemp("replicas") / "models", [tenant(name) for name in MODELS])
    with TritonServer(directory, arguments=ARGUMENTS) as started:
        yield Triton(started.http_url, server=started)


async def ask(models: Routed, rows: int) -> None:
    """Each row is answered, by its model."""
    named = [(n, MODELS[n % 2]) for n in range(rows)]
    got = await models.rows(*named)
    assert [(row["y"], row["why"]) for row in got] == [(n, None) for n, _ in named]


def shares(servers: dict[str, FaultProxy], hosts: Sequence[str], model: str) -> list[int]:
    """How many requests each address got for a model."""
    return [sum(f"/{model}/infer" in call.path for call in servers[host].calls) for host in hosts]


@with_names
async def test_each_model_is_at_each_address_while_one_goes_and_one_comes(names: Names, server: Triton) -> None:
    async with proxies(server, [FIRST, SECOND, THIRD]) as (port, servers):
        names.hosts["triton"] = [FIRST, SECOND]
        async with routed(f"http://triton:{port}", max_batch_size="1", **OPTIONS) as models:
            while not all(min(shares(servers, (FIRST, SECOND), name)) >= 10 for name in MODELS):
                await ask(models, 20)
            assert not servers[THIRD].calls
            await asyncio.gather(ask(models, 200), servers[FIRST].__aexit__(None, None, None))
            names.hosts["triton"] = [SECOND, THIRD]
            while not all(shares(servers, (THIRD,), name) >= [10] for name in MODELS):
                await ask(models, 20)
            servers[FIRST].calls.clear()
            await ask(models, 200)
            assert not servers[FIRST].calls
            (row,) = await models.rows((1, "t-none"))
            assert row["code"] == "404"
            counted = models.counted()
            assert (counted["failure"], counted["success"]) == (1, counted["requests"] - 1)


class Lacking(FaultProxy):
    """It has no model `t-b`."""

    def _step(self, call: Call) -> Step:
        if "/t-b" not in call.path:
            return super()._step(call)
        return Step("status", 404, b'{"error":"Request for unknown model: \'t-b\' is not found"}')


@with_names
async def test_a_model_that_one_address_lacks_is_found_at_the_other(names: Names, server: Triton) -> None:
    async with Lacking(upstream(server.http_url), host=FIRST) as lacking:
        port = int(lacking.url.rpartition(":")[2])
        async with FaultProxy(upstream(server.http_url), host=SECOND, port=port):
            for addresses in ([FIRST, SECOND], [SECOND, FIRST]):
                names.hosts["triton"] = addresses
                async with routed(f"http://triton:{port}", **OPTIONS) as models:
                    for _ in range(5):
                        await ask(models, 20)
            assert any("/t-b" in call.path for call in lacking.calls)
