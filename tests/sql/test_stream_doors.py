"""The streams of tests/support/streams.py in real jobs, through every front door that takes a value of `responses`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from doors import DOORS, Door, Model
from fault_places import background_proxy
from faults import PASS, Step
from flink_session import collect_exactly, view
from soak import IS_SOAK
from streams import MODES, OPTIONS, STREAMS, Stream
from triton import Triton

#: Those that can be rows of one job.
ALIKE = [case for case in STREAMS if not case.options and case.steps == (PASS,)]
#: Those that need options or a proxy of their own.
ALONE = [case for case in STREAMS if case not in ALIKE]
WAYS = [(door, mode) for door in DOORS for mode in MODES if mode != "rows" or door[0] == "ML_PREDICT"]
#: Each way with some of these, and each of these in some ways; in full in the soak.
PAIRS = [
    pytest.param(door, mode, case, id=f"{' '.join(door)} {mode} {case.what}")
    for w, (door, mode) in enumerate(WAYS)
    for c, case in enumerate(ALONE)
    if IS_SOAK or (3 * w + c) % 8 == 0
]


@pytest.fixture(scope="module")
def door(request: pytest.FixtureRequest, triton: Triton) -> Door:
    name, mode = request.param
    return Door(name, mode, triton.http_url)


@pytest.mark.parametrize(
    ("door", "mode"), [pytest.param(*way, id=f"{' '.join(way[0])} {way[1]}") for way in WAYS], indirect=["door"]
)
def test_streams_beside_each_other(door: Door, mode: str, triton: Triton) -> None:
    check(door, mode, ALIKE, triton.http_url)


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
    outputs = {"text": "ARRAY<STRING>" if mode == "array" else "STRING", "why": "STRING"}
    more = {**OPTIONS, **(options or {}), "responses": mode, "error-column": "why"}
    if mode == "rows":
        outputs["k"], more["response-index"] = "INT", "k"
    with background_proxy(url, steps=steps) as proxy:
        model = Model("script", {"script": "STRING"}, outputs, {**more, "endpoint": proxy.url})
        got = predict(door, model, [case.text for case in cases])
        requests = Counter(json.loads(call.body)["script"] for call in proxy.inferences)
    for n, case in enumerate(cases):
        rows = got.get(n, [])
        expected, message = case.outcome(mode)
        values = [row["text"] for row in rows]
        assert (values if mode == "rows" else values[0]) == expected, case.what
        assert all((message in row["why"]) if message else (row["why"] is None) for row in rows), case.what
        if mode == "rows":
            assert [row["k"] for row in rows] == ([None] if message else list(range(len(rows)))), case.what
        assert requests[case.text] == case.requests, case.what


def predict(door: Door, model: Model, scripts: Sequence[str]) -> dict[int, list[dict[str, Any]]]:
    """The output rows of each row, in the order in which they came."""
    view(door.env, "scripts", {"n": "INT", **model.inputs}, list(enumerate(scripts)))
    try:
        with door.open(model):
            found: dict[int, list[dict[str, Any]]] = {}
            for row in collect_exactly(door.env, door.query(model, "scripts")):
                found.setdefault(int(row["n"]), []).append(row)
            return found
    finally:
        door.env.drop_temporary_view("scripts")
