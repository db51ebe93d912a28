"""How a model's scheduling is read, ensembles too, and its priorities obeyed: urgent rows overtake in a busy server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from fakes import Echo, identity, predictor
from loops import in_a_loop
from triton import Triton

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import ContractError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.scheduling import HIDDEN, STATELESS, Scheduling, SequenceBatching, read_scheduling
from pyflink_triton.model.signature import ModelSignature, TensorSpec, with_scheduling, write_planned
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import open_model
from pyflink_triton.runtime.planning import DeclaredModel, check, wait_until_ready
from pyflink_triton.runtime.predictor import Predictor
from pyflink_triton.types.triton import DATATYPES

X = TensorSpec("x", DATATYPES["INT32"], (1,))
Config = dict[str, Any]


def stateful(corrid: str | None, idle: int = 0, **more: Any) -> Config:
    kinds = {"START": "TYPE_INVALID", "CORRID": f"TYPE_{corrid}"} if corrid else {"START": "TYPE_INVALID"}
    controls = [
        {"name": kind, "control": [{"kind": f"CONTROL_SEQUENCE_{kind}", "data_type": type_}]}
        for kind, type_ in kinds.items()
    ]
    batching = {"control_input": controls, "max_sequence_idle_microseconds": idle, "oldest": {}, **more}
    return {"sequence_batching": batching}


def levels(count: int) -> Config:
    return {"dynamic_batching": {"priority_levels": count}}


def ensemble(*models: str) -> Config:
    return {"ensemble_scheduling": {"step": [{"model_name": model, "model_version": -1} for model in models]}}


def policy(**of_default: Any) -> Config:
    return {"dynamic_batching": {"default_queue_policy": {"timeout_action": "REJECT", **of_default}}}


TAKES_TIMEOUT = policy(allow_timeout_override=True)
LEVEL_TAKES_TIMEOUT: Config = {
    "dynamic_batching": {"priority_levels": 3, "priority_queue_policy": {"1": {"allow_timeout_override": True}}}
}
CACHED: Config = {"response_cache": {"enable": True}}
#: What an ensemble's scheduling says, and that of a model with a cache of its own.
stepped = partial(Scheduling, has_steps=True, wants_all_outputs=True)
caching = partial(Scheduling, wants_all_outputs=True, may_cache=True)
STEPS: dict[str, Config | None] = {
    "int64": stateful("INT64", 60_000_000),
    "int32": stateful("INT32", 5_000_000),
    "none": stateful(None),
    "levels_3": levels(3),
    "levels_10": levels(10),
    "plain": {},
    "inner": ensemble("int64", "levels_10"),
    "circle": ensemble("circle", "int64"),
    "hidden": None,
    "cached": CACHED,
    "takes_timeout": TAKES_TIMEOUT,
    "cached_inside": CACHED | ensemble("plain"),
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, STATELESS),
        (stateful("UINT64", 60_000_000), Scheduling(SequenceBatching("UINT64", 60, "oldest"))),
        (stateful("STRING"), Scheduling(SequenceBatching("STRING", 1, "oldest"))),
        (stateful(None), Scheduling(SequenceBatching(None, 1, "oldest"))),
        (stateful("INT64", iterative_sequence=True), STATELESS),
        (levels(3), Scheduling(None, 3)),
        (TAKES_TIMEOUT, Scheduling(takes_timeout=True)),
        (LEVEL_TAKES_TIMEOUT, Scheduling(None, 3, takes_timeout=True)),
        (policy(allow_timeout_override=False), STATELESS),
        (policy(), STATELESS),
        (ensemble("plain", "takes_timeout"), stepped(takes_timeout=True)),
        (ensemble("plain"), stepped()),
        (ensemble("plain", "int64"), stepped(SequenceBatching("INT64", 60, "oldest"))),
        (ensemble("int64", "int32", "none"), stepped(SequenceBatching("INT32", 1, "oldest"))),
        (ensemble("inner", "levels_3"), stepped(SequenceBatching("INT64", 60, "oldest"), 3)),
        (ensemble("circle"), stepped(SequenceBatching("INT64", 60, "oldest"))),
        (ensemble("hidden", "levels_3"), stepped(None, 3, is_partial=True, may_cache=True)),
        (CACHED, caching()),
        ({"response_cache": {"enable": False}}, STATELESS),
        (CACHED | stateful("INT64"), caching(SequenceBatching("INT64", 1, "oldest"))),
        (CACHED | ensemble("plain"), stepped(may_cache=True)),
        (ensemble("plain", "cached"), stepped(may_cache=True)),
        (ensemble("cached_inside"), stepped(may_cache=True)),
    ],
)
@in_a_loop
async def test_scheduling_is_read_from_the_configuration_and_from_those_of_the_steps(
    config: Config, expected: Scheduling
) -> None:
    assert await read_scheduling(config, fetch) == expected


async def fetch(model: str, version: str | None) -> Config | None:
    assert version is None
    return STEPS[model]


@pytest.mark.parametrize("config", [{"sequence_batching": 3}, {"ensemble_scheduling": {}}, levels("many")])  # type: ignore[arg-type]  # not what the protocol says
@in_a_loop
async def test_what_is_not_the_protocols_fails_the_job(config: Config) -> None:
    with pytest.raises(ContractError):
        await read_scheduling(config, fetch)


def test_neither_a_stream_nor_a_sequence_says_how_long_it_may_be_in_a_queue() -> None:
    one = with_scheduling(identity(X), Scheduling(takes_timeout=True), names_sequences=False)
    assert one.takes_timeout
    assert not replace(one, decoupled=True).takes_timeout
    assert not replace(one, stateful=True).takes_timeout
    assert not identity(X).takes_timeout


def test_where_the_configuration_is_hidden_the_user_says_what_is_stateful() -> None:
    assert with_scheduling(identity(X), None, names_sequences=True).scheduling == HIDDEN
    assert not with_scheduling(identity(X), None, names_sequences=False).stateful
    partial = Scheduling(None, 3, has_steps=True, is_partial=True)
    assert with_scheduling(identity(X), partial, names_sequences=True).scheduling.sequences == HIDDEN.sequences
    assert not with_scheduling(identity(X), partial, names_sequences=False).stateful


def test_priorities_are_spread_over_the_levels() -> None:
    for count in (2, 3, 10, 256, 1000):
        found = [Scheduling(None, count).parameters(priority)["priority"] for priority in range(255, -1, -1)]
        assert found == sorted(found)
        assert (found[0], found[-1]) == (1, 1 + 255 * count // 256)
        assert set(found) <= set(range(1, count + 1))
        assert count > 256 or set(found) == set(range(1, count + 1))
    assert Scheduling(None, 1).parameters(5) == {}
    assert Scheduling(None, 3).parameters(None) == {}


class Remembering(Echo):
    """Keeps what the requests say beside their tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters: list[Any] = []

    async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
        self.parameters.append(json.loads(header).get("parameters"))
        return await super().infer(header, tensors)


@pytest.mark.parametrize(("priority", "sent"), [("255", {"priority": 1}), ("0", {"priority": 3}), (None, None)])
@in_a_loop
async def test_each_request_carries_its_level(priority: str | None, sent: Any) -> None:
    transport = Remembering()
    options = {} if priority is None else {"priority": priority}
    signature = with_scheduling(identity(X), Scheduling(None, 3), names_sequences=False)
    await predictor(signature, transport, ["INT"], **options).predict(
        pa.record_batch([pa.array([1, 2], pa.int32())], names=["c0"])
    )
    assert transport.parameters == [sent]


@pytest.mark.parametrize("model", ["priority_3", "priority_ensemble"])
@in_a_loop
async def test_urgent_rows_overtake(triton: Triton, model: str) -> None:
    done: list[str] = []
    batch = pa.record_batch([pa.array([100], pa.int32())], names=["c0"])

    async def predict(name: str, of: Predictor) -> None:
        assert (await of.predict(batch)).errors == {}
        done.append(name)

    async with AsyncExitStack() as stack:
        predictors = {}
        for name, priority in (("low", "0"), ("middle", "128"), ("high", "255")):
            given = declared_model(triton.http_url, model, priority)
            client = await stack.enter_async_context(ModelClient(given.options))
            signature = await wait_until_ready(client, given.options)
            metrics = Metrics()
            delivery = Delivery(given.options, client.transport, metrics)
            stack.push_async_callback(delivery.close)
            predictors[name] = Predictor(delivery, signature, given.bind(signature), given.options, metrics)
        await asyncio.gather(*(predict(name, of) for name, of in predictors.items() for _ in range(5)))
    # Whatever came first was at work before the others came; the rest waited in the queue.
    assert sorted(done[1:], key=["high", "middle", "low"].index) == done[1:]


@in_a_loop
async def test_planning_says_where_a_priority_has_no_effect(triton: Triton) -> None:
    assert (await check(declared_model(triton.http_url, "priority_ensemble", "7")))["warnings"] == []
    warnings = (await check(declared_model(triton.http_url, "slow", "7")))["warnings"]
    assert len(warnings) == 1
    assert "has no priority_levels" in warnings[0]


@in_a_loop
async def test_the_job_says_it_where_planning_did_not_ask_the_server(triton: Triton) -> None:
    planned = write_planned(await signature_of(triton.http_url, "slow"))
    request = asked(triton.http_url, "slow", "7")
    requests: list[tuple[OpenRequest, int]] = [(request, 1), ({**request, "planned": planned}, 0)]
    for each, count in requests:
        opened = await open_model(each, Metrics())
        await opened.close()
        assert ["has no priority_levels" in warning for warning in opened.warnings] == [True] * count


async def signature_of(url: str, model: str) -> ModelSignature:
    options = declared_model(url, model, "7").options
    async with ModelClient(options) as client:
        return await wait_until_ready(client, options)


def asked(url: str, model: str, priority: str) -> OpenRequest:
    options = {"endpoint": url, "model-name": model, "priority": priority}
    columns: list[ColumnType] = [{"name": name, "type": "INT"} for name in "xy"]
    return {"model": "m", "options": options, "input": columns[:1], "output": columns[1:]}


def declared_model(url: str, model: str, priority: str) -> DeclaredModel:
    return DeclaredModel.parse(asked(url, model, priority))
