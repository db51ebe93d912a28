"""The core faults of tests/support/faults.py through every front door: the row, its message, and the proxy's calls."""

from __future__ import annotations

import pytest
from doors import DOORS, Door, Model
from fault_places import places_of
from faults import CASES, OPTIONS, POISON, Case
from soak import IS_SOAK
from triton import Triton

CORE = (
    "the server is away for a while",
    "a reset before the answer, once",
    "an answer cut off, once",
    "no answer, once",
    "HTTP 503, once",
    "HTTP 503, always",
    "HTTP 429, once",
    "500, a dead backend, once",
    "HTTP 404, loading, once",
    "one row alone, 400",
    "one row alone, the model's own 500",
    "HTTP 401",
    "404, there is no such model",
    "200 with a web page",
    "another datatype",
)


#: Each door with some of the faults, and each fault at some of the doors; in full in the soak.
PAIRS = [
    pytest.param(door, case, id=f"{' '.join(door)} {case.fault}")
    for d, door in enumerate(DOORS)
    for c, case in enumerate(case for case in CASES if case.fault in CORE)
    if IS_SOAK or (c + d) % 3 == 0
]


@pytest.fixture(scope="module")
def door(request: pytest.FixtureRequest, triton: Triton) -> Door:
    name, mode = request.param
    return Door(name, mode, triton.http_url)


@pytest.mark.parametrize(("door", "case"), PAIRS, indirect=["door"])
def test_a_core_fault(door: Door, case: Case, triton: Triton) -> None:
    """One row, which makes the calls that a batch would, whatever the door's batches are."""
    row = case.batches[0][0]
    with places_of(case, triton.http_url) as places:
        options = {**OPTIONS, **case.options, "endpoint": places.endpoint(case), "error-column": "why"}
        model = Model("fails", {"x": "BIGINT"}, {"y": "BIGINT", "why": "STRING"}, options)
        if case.job:
            with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
                door.predict(model, [(row,)])
            assert case.message in str(error.value)
        else:
            (answer,) = door.predict(model, [(row,)])
            if row == POISON or case.failed:
                assert answer["y"] is None
                assert case.message in answer["why"]
            else:
                assert answer == {"y": row, "why": None}
        assert places.calls == case.calls


def test_the_core_is_of_the_table() -> None:
    assert {case.fault for case in CASES} >= set(CORE)
