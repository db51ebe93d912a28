"""The streams of tests/support/streams.py in real jobs, through every front door that takes a value of `responses`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from doors import STREAM_DOORS, Door, Model, assert_stream, stream_model
from fault_places import background_proxy
from faults import PASS, Step
from soak import IS_SOAK, some
from streams import AFTER_A_FAILURE, ONE_AFTER_THE_OTHER, OPTIONS, STREAMS, Stream
from triton import Triton

#: Those that can be rows of one job.
ALIKE = [case for case in STREAMS if not case.options and case.steps == (PASS,)]
#: Those that need options or a proxy of their own.
ALONE = [case for case in STREAMS if case not in ALIKE]
#: Three hundred that are under way together.
MANY = [Stream("one of many", [{"sleep": 0.5}, str(n), "!"], (str(n), "!"), seconds=0.5) for n in range(300)]
#: Some ways with each of these; in full in the soak.
PAIRS = [
    pytest.param(door, mode, case, id=f"{' '.join(door)} {mode} {case.what}")
    for w, (door, mode) in enumerate(STREAM_DOORS)
    for c, case in enumerate(ALONE)
    if IS_SOAK or (3 * w + c) % 20 == 0
]


@pytest.fixture(scope="module")
def door(request: pytest.FixtureRequest, triton: Triton) -> Door:
    name, mode = request.param
    return Door(name, mode, triton.http_url)


def each(step: int) -> pytest.MarkDecorator:
    """Run a test for one in so many of the doors with a `responses` that it takes; for all in the soak."""
    ways = [pytest.param(*way, id=f"{' '.join(way[0])} {way[1]}") for way in some(STREAM_DOORS, step)]
    return pytest.mark.parametrize(("door", "mode"), ways, indirect=["door"])


@each(step=3)
def test_streams_beside_each_other(door: Door, mode: str, triton: Triton) -> None:
    check(door, mode, ALIKE, triton.http_url)


@each(step=6)
def test_what_a_failed_row_leaves_is_no_response_to_the_next(door: Door, mode: str, triton: Triton) -> None:
    whole = [Step("whole")] * len(AFTER_A_FAILURE)
    check(door, mode, AFTER_A_FAILURE, triton.http_url, whole, ONE_AFTER_THE_OTHER)


@each(step=9)
def test_hundreds_at_once(door: Door, mode: str, triton: Triton) -> None:
    check(door, mode, MANY, triton.http_url, options={"max-in-flight-requests": "300"})


#: What three responses with several outputs become, of which some are missing: `text` and `number`.
SEVERAL: dict[str, list[Any]] = {
    "one": [(None, None)],
    "last": [(None, -1)],
    "join": [("ab", -1)],
    "array": [(["a", "b", None], [2**63 - 1, None, -1])],
    "rows": [("a", 2**63 - 1), ("b", None), (None, -1)],
}


@each(step=9)
def test_several_outputs_and_missing_ones(door: Door, mode: str, triton: Triton) -> None:
    stream = [
        {"outputs": {"text": ["a"], "number": [2**63 - 1]}},
        {"outputs": {"text": ["b"]}},
        {"outputs": {"number": [-1]}},
    ]
    types = {
        name: f"ARRAY<{type_}>" if mode == "array" else type_
        for name, type_ in (("text", "STRING"), ("number", "BIGINT"))
    }
    model = Model("script_many", {"script": "STRING"}, types, {**OPTIONS, "responses": mode, "default-value": "null"})
    answers = door.answers(model, [(json.dumps(stream),), (json.dumps([]),)])
    assert [(row["text"], row["number"]) for row in answers[0]] == SEVERAL[mode]
    nothing: list[Any] = {"array": [([], [])], "rows": []}.get(mode, [(None, None)])
    assert [(row["text"], row["number"]) for row in answers.get(1, [])] == nothing


@pytest.mark.parametrize(("door", "mode", "case"), PAIRS, indirect=["door"])
def test_a_stream(door: Door, mode: str, case: Stream, triton: Triton) -> None:
    check(door, mode, [case], triton.http_url, case.steps, case.options)


def check(
    door: Door,
    mode: str,
    cases: Sequence[Stream],
    url: str,
    steps: Sequence[Step] = (),
    options: Mapping[str, str] | None = None,
) -> None:
    """Send a row for each stream, and compare what becomes of it: values, order, index, message, requests."""
    with background_proxy(url, steps=steps) as proxy:
        model = stream_model(mode, {**(options or {}), "endpoint": proxy.url})
        got = door.answers(model, [(case.text,) for case in cases])
        requests = Counter(json.loads(call.body)["script"] for call in proxy.inferences)
    for n, case in enumerate(cases):
        assert_stream(case, mode, got.get(n, []))
        assert requests[case.text] == case.requests, case.what
