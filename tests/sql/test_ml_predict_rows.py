"""ML_PREDICT where rows fail, hold arrays as batches, or have a dimension too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from flink_session import collect, create_model, session, view
from pyflink.table import TableEnvironment
from triton import Triton

pytestmark = pytest.mark.either_mode

UINT8 = "column 'x' is out of the range of UINT8"


@pytest.fixture(scope="module", params=["streaming", "batch"])
def env(request: pytest.FixtureRequest) -> TableEnvironment:
    return session(request.param)


@pytest.mark.parametrize(
    ("served", "given", "outputs", "options", "rows", "expected"),
    [
        ("identity_uint8", "x INT", "y INT", {"default_value": "-1"}, [1, 256, None], [(1,), (-1,), (None,)]),
        ("identity_uint8", "x INT", "y INT", {"default_value": "null"}, [1, 256, None], [(1,), (None,), (None,)]),
        ("identity_uint8", "x INT", "why STRING, y INT", {"error_column": "why"}, [1, 256, None],
         [(None, 1), (UINT8, None), (None, None)]),
        ("identity_uint8", "x INT", "y INT, why STRING", {"error_column": "why", "default_value": "0"}, [256, 255],
         [(0, UINT8), (255, None)]),
        ("identity_uint8", "x ARRAY<INT>", "y ARRAY<INT>", {"default_value": "[0]"}, [[1, 2], [], [256, 1], None],
         [([1, 2],), ([],), ([0],), (None,)]),
        ("identity_bytes", "x ARRAY<STRING>", "y ARRAY<STRING>", {}, [["a"] * 100, ["ü", ""]],
         [(["a"] * 100,), (["ü", ""],)]),
        ("identity_fp32_array", "x ARRAY<ARRAY<FLOAT>>", "y ARRAY<FLOAT>", {"flatten_batch_dim": "true"},
         [[[1.5, 2.0]], None], [([1.5, 2.0],), (None,)]),
    ],
)  # fmt: skip
def test_rows_are_answered_as_the_options_say(
    env: TableEnvironment, triton: Triton, served: str, given: str, outputs: str, options: dict[str, str],
    rows: list[Any], expected: list[Sequence[Any]],
) -> None:  # fmt: skip
    view(env, "rows_in", {"n": "INT", "x": given.removeprefix("x ")}, list(enumerate(rows)))
    create_model(env, "m", triton.http_url, served, given, outputs, **options)
    columns = ", ".join(column.split()[0] for column in outputs.split(", "))
    try:
        got = collect(env, f"SELECT n, {columns} FROM ML_PREDICT(TABLE rows_in, MODEL m, DESCRIPTOR(x))")
    finally:
        env.execute_sql("DROP MODEL m")
        env.drop_temporary_view("rows_in")
    assert [row[1:] for row in sorted(got, key=lambda row: int(row[0]))] == expected


def test_a_bad_default_is_refused_when_planned(env: TableEnvironment, triton: Triton) -> None:
    view(env, "rows_in", {"x": "INT"}, [(1,)])
    create_model(env, "m", triton.http_url, "identity_uint8", "x INT", "y INT", default_value="none")
    try:
        with pytest.raises(Exception, match="option 'default-value' = 'none' does not fit INT"):
            env.explain_sql("SELECT y FROM ML_PREDICT(TABLE rows_in, MODEL m, DESCRIPTOR(x))")
    finally:
        env.execute_sql("DROP MODEL m")
        env.drop_temporary_view("rows_in")
