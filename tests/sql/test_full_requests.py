"""Requests are full under load, whatever the size of rows: counted by the server."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from flink_session import create_model, session
from jobs import running
from slow_requests import MODEL, counted, slow_requests
from soak import IS_SOAK, some
from waiting import wait_for

BATCH = 64
#: The option's default.
REQUEST_BYTES = 32 << 20
#: A row's bytes, how long a request takes, and how many rows come. The model must be slower than Flink makes the rows.
SIZES = {8: (0.05, 8_000), 2_000: (0.1, 5_000), 600_000: (1.4, 1_800 if IS_SOAK else 1_100)}


@pytest.mark.parametrize(("function", "size"), some(list(product(["ML_PREDICT", "m(x)"], SIZES)), 2))
def test_requests_are_full_under_load(function: str, size: int, tmp_path: Path) -> None:
    seconds, rows = SIZES[size]
    kind, datatype = ("BIGINT", "INT64") if size == 8 else ("STRING", "BYTES")
    value = "n" if size == 8 else f"REPEAT('x', {size})"
    full = min(BATCH, REQUEST_BYTES // (size + 4 * (datatype == "BYTES")))
    with slow_requests(tmp_path, seconds, BATCH, datatype) as url:
        env = session(restart_strategy__type="none")
        env.execute_sql(
            "CREATE TEMPORARY TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000000', "
            f"'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{rows}')"
        )
        env.execute_sql("CREATE TEMPORARY TABLE answers (answered BIGINT) WITH ('connector' = 'blackhole')")
        env.execute_sql(f"CREATE TEMPORARY VIEW inputs AS SELECT {value} AS x FROM numbers")
        env.execute_sql("CREATE CATALOG t WITH ('type' = 'triton')")
        create_model(env, "t.`default`.m", url, MODEL, f"x {kind}", "answered BIGINT")
        query = {
            "ML_PREDICT": "SELECT answered FROM ML_PREDICT(TABLE inputs, MODEL t.`default`.m, DESCRIPTOR(x))",
            "m(x)": "SELECT t.`default`.m(x) FROM inputs",
        }[function]
        with running(env, f"INSERT INTO answers {query}") as (_, outcome):
            wait_for(lambda: counted(url)[0] >= 16 or "ended" in outcome, 120, "the first requests")
            first_requests, first_rows = counted(url)
        assert "error" not in outcome, outcome["error"]
        requests, answered = counted(url)
    assert answered == rows
    # The last request holds what is left.
    assert (answered - first_rows) / (requests - first_requests - 1) >= 0.9 * full
