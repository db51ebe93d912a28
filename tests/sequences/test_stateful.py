"""Sequences on the real server's stateful models: exact sums, in every kind of id and strategy, or an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from loops import in_a_loop
from stateful import declared_model, opened
from stateful_rows import interleaved, running_sums
from triton import Triton

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.delivery.warmup import warm_up
from pyflink_triton.errors import OptionError, SchemaError
from pyflink_triton.metrics import Metrics
from pyflink_triton.protocol.inference import InferenceRequest
from pyflink_triton.runtime.planning import check, wait_until_ready
from pyflink_triton.schema.columns import Column
from pyflink_triton.sequences.ids import encode_id
from pyflink_triton.sequences.state import lone_sequence

IDS = {
    "sequence": ("BIGINT", "INT64"),
    "sequence_int32": ("INT", "INT32"),
    "sequence_uint32": ("BIGINT", "UINT32"),
    "sequence_uint64": ("DECIMAL(20,0)", "UINT64"),
    "sequence_direct": ("DECIMAL(20,0)", "UINT64"),
    "sequence_no_corrid": ("STRING", None),
}


@pytest.mark.parametrize("model", list(IDS))
@in_a_loop
async def test_each_kind_of_id_reaches_the_model(triton: Triton, model: str) -> None:
    type_, corrid = IDS[model]
    texts = [f"{model}-conversation", "7", "é" * 100]
    async with opened(triton.http_url, model, outputs=("sum BIGINT", f"id {type_}"), sequence_start="true") as m:
        outputs = (await m.predict(*((n, text) for n in (1, 10, 100) for text in texts))).outputs
    assert outputs.column(0).to_pylist() == [1] * 3 + [11] * 3 + [111] * 3
    assert list(map(str, outputs.column(1).to_pylist())) == [str(encode_id(text, corrid)) for text in texts] * 3


@pytest.mark.parametrize(
    "model", ["sequence", "sequence_int32", "sequence_direct", "sequence_no_corrid", "sequence_ensemble"]
)
@in_a_loop
async def test_interleaved_sequences_give_exact_sums(triton: Triton, model: str) -> None:
    sequences = 1000 if model == "sequence" else 60
    by_data = {"sequence_start": "${first}", "sequence_end": "${last}"}
    rows = interleaved(sequences, 20, prefix=model)
    expected = running_sums(rows)
    async with opened(triton.http_url, model, ("x", "id", "first", "last"), **by_data) as m:
        batches = [rows[start : start + 256] for start in range(0, len(rows), 256)]
        under_way = asyncio.Semaphore(6)

        async def predict(batch: list[tuple[Any, ...]]) -> list[Any]:
            async with under_way:
                return await m.sums(*batch)

        answers = await asyncio.gather(*map(predict, batches))
        assert [answer for batch in answers for answer in batch] == expected
        assert m.count("sequences_lost") == 0
        assert m.count("success") == len(rows)
        assert m.metrics.live_sequences == 0


@in_a_loop
async def test_automatic_ids_are_sequences_of_a_row(triton: Triton) -> None:
    options = {"sequence_id": "job-12345", "sequence_id_auto_increment": "true"}
    async with opened(triton.http_url, "sequence", ("x",), ("sum BIGINT", "id BIGINT"), **options) as m:
        outputs = (await m.predict((1,), (2,), (None,), (3,))).outputs
    assert outputs.column(0).to_pylist() == [1, 2, None, 3]
    ids = [encode_id(f"job-12345-0-{count}", "INT64") for count in range(3)]
    assert [outputs.column(1).to_pylist()[row] for row in (0, 1, 3)] == ids


@in_a_loop
async def test_a_null_row_hands_on_what_it_says(triton: Triton) -> None:
    by_data = {"sequence_start": "${first}", "sequence_end": "${last}"}
    async with opened(triton.http_url, "sequence", ("x", "id", "first", "last"), **by_data) as m:
        rows = [
            (None, "null", True, False),
            (1, "null", False, False),
            (2, None, True, False),
            (3, "null", False, True),
        ]
        assert await m.sums(*rows) == [None, 1, None, 4]
        assert m.count("requests") == 2


@in_a_loop
async def test_a_sequence_that_the_server_dropped_is_begun_anew_or_fails(triton: Triton) -> None:
    async with opened(triton.http_url, "sequence_short", sequence_start="true") as m:
        assert await m.sums((1, "idle"), (2, "idle")) == [1, 3]
        while m.count("sequences_lost") == 0:  # until the server, which drops it after a second, has
            await asyncio.sleep(1.2)
            last = (await m.sums((5, "idle")))[0]
        assert last == 5
        assert await m.sums((6, "idle")) == [11]
    by_data = {"sequence_start": "${first}"}
    async with opened(triton.http_url, "sequence_short", ("x", "id", "first"), **by_data) as m:
        assert await m.sums((1, "idle-2", True)) == [1]
        answer: Any = 0
        while not isinstance(answer, str):
            await asyncio.sleep(1.2)
            answer = (await m.sums((1, "idle-2", False)))[0]
        assert answer.startswith("Sequence not found")
        answers = await m.sums((1, "idle-2", False), (7, "idle-2", True), (1, "idle-2", False))
        assert answers[0].startswith("Sequence not found")
        assert answers[1:] == [7, 8]


@pytest.mark.parametrize("how", ["restart", "reload"])
@in_a_loop
async def test_a_server_that_forgot_never_gives_another_number(own_triton: Callable[..., Triton], how: str) -> None:
    server = own_triton("sequence")
    assert server.server is not None
    async with (
        opened(server.http_url, "sequence", sequence_start="true") as restarts,
        opened(server.http_url, "sequence", sequence_start="true", sequence_lost="fail") as fails,
    ):
        assert await restarts.sums((1, "r"), (2, "r")) == [1, 3]
        assert await fails.sums((1, "f"), (2, "f")) == [1, 3]
        if how == "restart":
            server.server.restart()
        else:
            server.unload("sequence")
            server.load("sequence")
        assert await restarts.sums((3, "r"), (4, "r")) == [3, 7]
        lost, begun = await fails.sums((3, "f"), (4, "f"))
        assert lost.startswith("Sequence not found")
        assert begun == 4
        assert restarts.count("sequences_lost") == fails.count("sequences_lost") == 1


@in_a_loop
async def test_more_ids_than_slots_wait_for_one_or_fail(triton: Triton) -> None:
    by_data = {"sequence_start": "true", "sequence_end": "${last}"}
    columns = ("x", "id", "last")
    for in_flight in ("2", "8", "64"):
        async with opened(triton.http_url, "sequence_few", columns, **by_data, max_in_flight_requests=in_flight) as m:
            rows = [(1, f"few-{in_flight}-{id_}", part == 2) for part in range(3) for id_ in range(40)]
            assert await asyncio.wait_for(m.sums(*rows), 20) == [1] * 40 + [2] * 40 + [3] * 40
    options = {**by_data, "timeout": "500 ms", "total_timeout": "1 s", "max_retries": "0"}
    async with opened(triton.http_url, "sequence_few", columns, **options) as m:
        assert await m.sums(*((1, f"held-{id_}", False) for id_ in range(4))) == [1] * 4
        answers = await m.sums(*((1, f"late-{id_}", False) for id_ in range(4)))
        assert all("timed out" in str(answer) for answer in answers)
        assert await m.sums(*((1, f"held-{id_}", True) for id_ in range(4))) == [2] * 4


@in_a_loop
async def test_a_row_that_fails_in_the_model_breaks_its_sequence_alone(triton: Triton) -> None:
    async with opened(triton.http_url, "sequence", sequence_start="true", max_retries="0") as m:
        answers = await m.sums((1, "p"), (1, "q"), (-1, "p"), (2, "q"), (5, "p"), (6, "p"))
    assert "x is below 0" in answers[2]
    assert [answers[row] for row in (0, 1, 3, 4, 5)] == [1, 1, 3, 5, 11]


@in_a_loop
async def test_a_row_without_its_sequence_follows_the_policy(triton: Triton) -> None:
    options = {"sequence_start": "${first}", "default_value": "-1"}
    async with opened(triton.http_url, "sequence", ("x", "id", "first"), **options) as m:
        rows = [(1, "policy", False), (2, "policy", True), (3, "policy", False), (4, "", True)]
        assert await m.sums(*rows) == [-1, 2, 5, -1]
        assert m.count("requests") == 4
        assert m.count("default_values") == m.count("failure") == 2


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("sequence", {"sequence_id": ""}, "Set 'sequence-id'"),
        ("sequence_ensemble", {"sequence_id": ""}, "Set 'sequence-id'"),
        ("sequence_ensemble_of_ensemble", {"sequence_id": ""}, "is stateful"),
        ("sequence", {}, "Set 'sequence-start' to 'true'"),
        ("sequence", {"sequence_end": "true"}, "Set 'sequence-start' to 'true'"),
        ("sequence", {"sequence_start": "${no}"}, "refers to the column 'no'"),
        ("sequence", {"sequence_start": "${x}"}, "Declare it BOOLEAN"),
        ("sequence", {"sequence_id": "${y}", "sequence_start": "true"}, "refers to the column 'y'"),
        ("sequence_string", {"sequence_start": "true"}, "Give the control an integer type"),
    ],
)
@in_a_loop
async def test_planning_refuses_what_no_row_could_do(
    triton: Triton, model: str, options: dict[str, str], words: str
) -> None:
    columns = ("x",) if options.get("sequence_id") == "" else ("x", "id")
    with pytest.raises(SchemaError) as refused:
        await check(declared_model(triton.http_url, model, columns, **options))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("sequence_short", {"sequence_start": "true"}, "has no request for 1s"),
        ("sequence", {"sequence_start": "true"}, ""),
        ("sequence_short", {"sequence_id_auto_increment": "true"}, ""),
        ("pairing", {"sequence_start": "true"}, "is not stateful"),
        ("sequence", {"sequence_start": "true", "priority": "9"}, "has no priority_levels"),
    ],
)
@in_a_loop
async def test_planning_warns(triton: Triton, model: str, options: dict[str, str], words: str) -> None:
    output = "y BIGINT" if model == "pairing" else "sum BIGINT"
    warnings = (await check(declared_model(triton.http_url, model, ("x", "id"), (output,), **options)))["warnings"]
    assert [words in warning for warning in warnings] == ([True] if words else [])


@in_a_loop
async def test_an_array_is_no_batch_of_a_sequence(triton: Triton) -> None:
    declared = declared_model(triton.http_url, "sequence", ("x", "id"), ("sum ARRAY<BIGINT>",), sequence_start="true")
    x = Column.parse("x", "ARRAY<BIGINT>")
    with pytest.raises(SchemaError, match="cannot be an array as a batch"):
        await check(replace(declared, inputs=(x, declared.inputs[1])))


@in_a_loop
async def test_a_warm_up_is_a_sequence_of_its_own(triton: Triton) -> None:
    declared = declared_model(triton.http_url, "sequence_direct", ("x", "id"), sequence_start="true")
    async with ModelClient(declared.options) as client:
        signature = await wait_until_ready(client, declared.options)
        delivery = Delivery(declared.options, client.transport, Metrics())
        parameters = lone_sequence(signature.scheduling.sequences)
        assert parameters is not None
        alone = InferenceRequest((), signature.outputs, parameters)
        for _ in range(40):  # more than the model has slots
            assert await warm_up(delivery, signature, alone, 10) is None
        warning = await warm_up(delivery, signature, replace(alone, parameters={}), 10)
        assert str(warning).startswith("the warm-up request of zeros failed")
        await delivery.close()


def test_auto_increment_leaves_no_room_for_start_and_end() -> None:
    with pytest.raises(OptionError, match="cannot be set with 'sequence-id-auto-increment'"):
        declared_model("http://h:1", "m", ("x", "id"), sequence_id_auto_increment="true", sequence_start="true")
