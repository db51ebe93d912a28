"""What a fault in mid-sequence makes of it, on the real stateful model: it goes on, is begun anew or fails, no more."""

from __future__ import annotations

from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
from fault_proxy import FaultProxy
from faults import OPTIONS, PASS, Step, page, triton_says
from loops import in_a_loop
from stateful import opened
from triton import Triton

#: The sums of 1, 10 and 100 where nothing is lost, where the second row begins anew, and where it alone fails.
GOES_ON = [1, 11, 111]
BEGINS_ANEW = [1, 10, 110]
WITHOUT_IT = [1, None, 101]

FAULTS = {
    "a reset before the answer": (Step("reset"), BEGINS_ANEW),
    "a reset inside the answer": (Step("reset", cut=-4), BEGINS_ANEW),
    "no answer in time": (Step("hang"), BEGINS_ANEW),
    "a server that went away": (Step("away", seconds=0.3), BEGINS_ANEW),
    "503 of a proxy": (page(503), BEGINS_ANEW),
    "502 of a proxy": (page(502), BEGINS_ANEW),
    "a dead backend": (triton_says(500, "Stub process 'm' is not healthy."), BEGINS_ANEW),
    "an error of the model's own": (triton_says(500, "division by zero"), BEGINS_ANEW),
    "a refusal of the model's own": (triton_says(400, "x is too large"), BEGINS_ANEW),
    "a full queue": (triton_says(503, "Exceeds maximum queue size"), GOES_ON),
    "too many requests": (page(429), GOES_ON),
    "a model that is being loaded": (
        triton_says(404, "model 'm' has no available versions"),
        GOES_ON,
    ),
    "a refused row": (triton_says(400, "unexpected shape for input 'x'"), WITHOUT_IT),
    "a row that is too large": (page(413), WITHOUT_IT),
    "a sequence that is not there": (triton_says(400, "must specify the START flag on the first request"), BEGINS_ANEW),
}


@pytest.mark.parametrize("fault", list(FAULTS))
@in_a_loop
async def test_a_fault_in_mid_sequence(triton: Triton, fault: str) -> None:
    step, expected = FAULTS[fault]
    options = {**OPTIONS, "timeout": "500 ms"}
    async with (
        proxied(triton, PASS, step) as proxy,
        opened(proxy.url, "sequence", sequence_start="true", **options) as m,
    ):
        found = await m.sums((1, fault), (10, fault), (100, fault))
        assert [None if isinstance(sum_, str) else sum_ for sum_ in found] == expected
        assert m.count("sequences_lost") == (expected is BEGINS_ANEW)
    by_data = {"sequence_start": "${first}", **options}
    columns = ("x", "id", "first")
    async with proxied(triton, PASS, step) as proxy, opened(proxy.url, "sequence", columns, **by_data) as m:
        found = await m.sums((1, fault, True), (10, fault, False), (100, fault, False))
        if expected is BEGINS_ANEW:
            assert found[0] == 1
            assert all(str(each).startswith("Sequence not found") for each in found[1:])
        else:
            assert [None if isinstance(each, str) else each for each in found] == expected


@pytest.mark.parametrize("fault", [fault for fault, (_, expected) in FAULTS.items() if expected is not BEGINS_ANEW])
@in_a_loop
async def test_in_an_ensemble_no_answer_proves_that_the_stateful_step_did_not_run(triton: Triton, fault: str) -> None:
    """It may be another step's."""
    async with (
        proxied(triton, PASS, FAULTS[fault][0]) as proxy,
        opened(proxy.url, "sequence_ensemble", sequence_start="true", **OPTIONS) as m,
    ):
        assert await m.sums((1, fault), (10, fault), (100, fault)) == BEGINS_ANEW
        assert m.count("sequences_lost") == 1


BEGINNINGS_AGAIN = [
    fault
    for fault, (step, expected) in FAULTS.items()
    if expected is not WITHOUT_IT and not (step.kind == "status" and step.status == 400)
]


@pytest.mark.parametrize("fault", BEGINNINGS_AGAIN)
@in_a_loop
async def test_a_beginning_is_sent_again_like_any_other_request(triton: Triton, fault: str) -> None:
    options = {**OPTIONS, "timeout": "500 ms"}
    async with (
        proxied(triton, FAULTS[fault][0]) as proxy,
        opened(proxy.url, "sequence", sequence_start="true", **options) as m,
    ):
        assert await m.sums((1, fault), (10, fault), (100, fault)) == GOES_ON
        assert m.count("sequences_lost") == 0


@in_a_loop
async def test_where_its_server_stays_away_the_sequence_is_begun_anew_at_another(triton: Triton) -> None:
    options = {**OPTIONS, "timeout": "300 ms", "total_timeout": "600 ms", "sequence_start": "true"}
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(proxied(triton))
        other = await stack.enter_async_context(proxied(triton))
        m = await stack.enter_async_context(opened(f"{first.url},{other.url}", "sequence", **options))
        ids = [f"away-{n}" for n in range(8)]
        assert await m.sums(*((1, id_) for id_ in ids)) == [1] * 8
        begun_there = len(first.inferences)
        assert 0 < begun_there < 8
        await first.__aexit__(None, None, None)
        found = await m.sums(*((10, id_) for id_ in ids))
        assert sorted(map(str, found))[: 8 - begun_there] == ["11"] * (8 - begun_there)
        assert {each for each in found if not isinstance(each, str)} <= {10, 11}
        assert m.count("sequences_lost") == begun_there
        assert set(await m.sums(*((100, id_) for id_ in ids))) <= {100, 110, 111}


def proxied(triton: Triton, *steps: Step, always: Step = PASS) -> FaultProxy:
    address = urlsplit(triton.http_url)
    return FaultProxy((str(address.hostname), int(address.port or 0)), steps, always)


@in_a_loop
async def test_a_row_whose_output_is_missing_is_in_its_sequence_all_the_same(triton: Triton) -> None:
    missing = Step("edit", replace=((rb'"name":"sum"', b'"name":"zzz"'),))
    for end in ("", "true"):  # with an END of each row the next one begins
        async with (
            proxied(triton, PASS, missing) as proxy,
            opened(proxy.url, "sequence", sequence_start="true", sequence_end=end) as m,
        ):
            found = await m.sums((1, "lacks"), (10, "lacks"), (100, "lacks"))
            assert "lacks the output 'sum'" in found.pop(1)
            assert found == ([1, 100] if end else [1, 111])
            assert m.count("sequences_lost") == 0


@in_a_loop
async def test_a_beginning_that_asked_for_too_few_outputs_is_sent_again_for_all(triton: Triton) -> None:
    deadlock = triton_says(400, "in ensemble 'm', unexpected deadlock, at least one output is not set")
    async with (
        proxied(triton, deadlock) as proxy,
        opened(proxy.url, "sequence", sequence_start="true", **OPTIONS) as m,
    ):
        assert await m.sums((1, "deadlock"), (10, "deadlock"), (100, "deadlock")) == GOES_ON
        assert (m.count("sequences_lost"), m.count("http_requests"), m.count("retries")) == (0, 4, 1)
        assert [b'"outputs"' in call.body for call in proxy.inferences] == [True, False, False, False]
