"""What nobody awaits any more is not computed, where the model's queue lets requests say how long they may be in it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deliveries import header, upstream
from fault_proxy import Call, FaultProxy
from faults import PASS, page
from loops import in_a_loop
from model_repository import Model, Tensor, ensemble, write_repository
from triton import ARGUMENTS, call
from waiting import wait_for

from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.open_model import open_model
from pyflink_triton.runtime.predictor import Prediction
from pyflink_triton.server import TritonServer

ROWS = 4
#: So much later may a busy machine take a request out of its connection than it was sent.
LATE_SECONDS = 1.0
_REJECTS = "timeout_action: REJECT, default_timeout_microseconds: {}"
_ANY = "allow_timeout_override: true"
#: The policies of the queues. Triton 2.51 takes a request's time only where it is shorter than a default.
POLICIES = {
    "deadlines": f"{_REJECTS.format(60_000_000)}, {_ANY}",
    "inside": f"{_REJECTS.format(60_000_000)}, {_ANY}",
    "no_default": f"timeout_action: REJECT, {_ANY}",
    "no_deadlines": _REJECTS.format(60_000_000),
    "hasty": _REJECTS.format(1_000),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Models of one instance that hold requests while no file `open` lies beside the config."""
    held = 'parameters { key: "from" value { string_value: "1" } }'
    models = [
        Model(
            name,
            [Tensor("x", "INT64")],
            [Tensor("y", "INT64")],
            "gate",
            max_batch_size=1,
            extra=f"{held} dynamic_batching {{ default_queue_policy {{ {policy} }} }}",
        )
        for name, policy in POLICIES.items()
    ]
    models.append(ensemble("in_ensemble", "inside", "x", "y", "INT64", max_batch_size=1))
    repository = write_repository(tmp_path_factory.mktemp("queues") / "models", models)
    with TritonServer(repository, arguments=ARGUMENTS) as running:
        yield running.http_url, repository


async def predict(url: str, model: str, rows: int, **options: str) -> Prediction:
    """Predict ones, by a model that is opened as the worker does; the options have `_` for `-`."""
    written = {key.replace("_", "-"): value for key, value in options.items()}
    request: Any = {"model": "m", "options": {"endpoint": url, "model-name": model, **written}}
    request |= {"input": [{"name": "x", "type": "BIGINT"}], "output": [{"name": "y", "type": "BIGINT"}]}
    opened = await open_model(request, Metrics())
    try:
        return await opened.predict(pa.record_batch([pa.array([1] * rows)], names=["c0"]))
    finally:
        await opened.close()


def statistics(url: str, model: str) -> Mapping[str, int]:
    """How many requests the server answered, refused and computed."""
    found = json.loads(call(url, "GET", f"/v2/models/{model}/stats"))["model_stats"][0]
    of_requests = found["inference_stats"]
    counts = {name: int(of_requests[name]["count"]) for name in ("success", "fail")}
    return {**counts, "computed": int(found["inference_count"])}


@pytest.mark.parametrize(
    ("model", "inside", "computed"),
    [
        ("deadlines", "deadlines", 1),
        ("in_ensemble", "inside", 1),
        ("no_default", "no_default", ROWS),
        ("no_deadlines", "no_deadlines", ROWS),
    ],
)
def test_what_nobody_awaits_is_not_computed(server: tuple[str, Path], model: str, inside: str, computed: int) -> None:
    url, repository = server

    async def give_up() -> Prediction:
        found = await predict(url, model, ROWS, timeout="500 ms", max_retries="0")
        await asyncio.sleep(LATE_SECONDS)
        return found

    found = asyncio.run(give_up())
    assert len(found.errors) == ROWS
    assert all(f"Request timed out after 500ms at {url}" in message for message in found.errors.values())
    # One is in the model. The others are in its queue, and the server looks at their time when the model is free.
    (repository / inside / "open").touch()
    wait_for(lambda: sum(statistics(url, inside).values()) >= ROWS + computed, 60, "the server's answers")
    assert statistics(url, inside) == {"success": computed, "fail": ROWS - computed, "computed": computed}


def test_what_the_server_drops_by_its_own_time_is_sent_again(server: tuple[str, Path]) -> None:
    url, repository = server

    async def main() -> Prediction:
        work = asyncio.create_task(predict(url, "hasty", ROWS, retry_initial_backoff="500 ms", max_retries="20"))
        await asyncio.sleep(LATE_SECONDS)
        (repository / "hasty" / "open").touch()
        return await work

    found = asyncio.run(main())
    assert (found.errors, found.outputs.column(0).to_pylist()) == ({}, [1] * ROWS)
    counts = statistics(url, "hasty")
    assert counts["computed"] == counts["success"] == ROWS
    assert counts["fail"] >= 1


def parameters(call: Call) -> dict[str, Any]:
    """The parameters of a request as it came."""
    body = gzip.decompress(call.body) if header(call, "Content-Encoding") else call.body
    head = json.loads(body[: int(header(call, "Inference-Header-Content-Length") or 0)])
    return {"id": head["id"], **head.get("parameters", {})}


@pytest.mark.parametrize("compression", [None, "gzip"])
@in_a_loop
async def test_a_request_says_how_long_its_call_may_take(server: tuple[str, Path], compression: str | None) -> None:
    url, repository = server
    (repository / "deadlines" / "open").touch()
    options = {"total_timeout": "30 s", "retry_initial_backoff": "1 s", "retry_max_backoff": "1 s"}
    if compression is not None:
        options |= {"compression": compression, "compression_min_bytes": "0"}
    async with FaultProxy(upstream(url), [page(503), PASS, page(503)]) as proxy:
        # The call's time and not the row's: a call that has ended is not listened to any more.
        quick = {**options, "retry_initial_backoff": "1 ms"}
        await predict(proxy.url, "deadlines", 1, timeout="20 s", **quick)
        await predict(proxy.url, "deadlines", 1, timeout="30 s", **options)
        first, again, third, left = map(parameters, proxy.inferences)
        assert first == again
        assert (first["timeout"], third["timeout"]) == (20_000_000, 30_000_000)
        assert third["id"] == left["id"]
        assert 1 <= left["timeout"] <= 29_000_000, "what is left of the row's time"
        (repository / "no_deadlines" / "open").touch()
        await predict(proxy.url, "no_deadlines", 1)
        assert set(parameters(proxy.inferences[-1])) == {"id"}
