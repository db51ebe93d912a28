"""What PyFlink functions count, read from the REST API of the running job, equals what happened."""

from __future__ import annotations

import urllib.parse

import pytest
from flink_session import session
from job_metrics import get, rest
from pyflink.table.expressions import col
from triton import Triton
from waiting import wait_for

import pyflink_triton
from pyflink_triton.server.ports import choose

#: Rows, of which every tenth is out of the range of UINT8, and the one behind it NULL.
ROWS = 1_000


@pytest.mark.parametrize("kind", ["scalar_function", "async_scalar_function"])
def test_counters_and_gauges_reach_flink(triton: Triton, kind: str) -> None:
    (port,) = choose("127.0.0.1", 1, set())
    env = session(
        with_jar=False,
        python__fn_execution__bundle__time="100",
        table__exec__async_scalar__max_concurrent_operations="2000",
    )
    for key, value in rest(port).items():
        env.get_config().set(key, value)
    # One source that goes on: behind a UNION Flink makes an operator for each side, and the first one's would be gone.
    env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', 'fields.x.kind' = 'sequence', "
        "'fields.x.start' = '0', 'fields.x.end' = '999999', 'rows-per-second' = '1000')"
    )
    env.execute_sql("CREATE TEMPORARY TABLE nowhere (y BIGINT) WITH ('connector' = 'blackhole')")
    rows = env.sql_query(
        "SELECT CASE MOD(x, 10) WHEN 3 THEN 300 WHEN 4 THEN CAST(NULL AS BIGINT) ELSE MOD(x, 10) END AS x "
        f"FROM numbers WHERE x < {ROWS}"
    )
    options = {"endpoint": triton.http_url, "model-name": "identity_uint8", "default-value": "null"}
    columns = {"x": "BIGINT"}, {"y": "BIGINT"}
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(options, *columns)
    job = rows.select(getattr(provider, kind)()(col("x"))).execute_insert("nowhere").get_job_client()
    counted: dict[str, float] = {}

    def all_counted() -> bool:
        counted.clear()
        counted.update(metrics(port, str(job.get_job_id())))
        return counted.get("requests", 0) + counted.get("null_rows", 0) == ROWS

    try:
        wait_for(all_counted, 120, f"{ROWS} rows counted")
    finally:
        job.cancel().result()
    assert counted["null_rows"] == ROWS / 10
    assert counted["failure"] == counted["rejected_rows"] == ROWS / 10
    assert counted["success"] == ROWS - 2 * ROWS / 10
    assert counted["output_rows"] == ROWS - ROWS / 10
    assert 0 < counted["http_requests"] <= ROWS
    assert counted["latency_samples"] == counted["queue_time_samples"] == counted["http_requests"]
    assert counted["batch_limit"] == 64
    assert counted["latency_min"] <= counted["latency_p50"] <= counted["latency_p95"] <= counted["latency_p99"]
    assert counted["worker_memory"] > 20 << 20
    assert counted["worker_cpu_time"] > 0


def metrics(port: int, job: str) -> dict[str, float]:
    """This package's metrics of a job's only Python operator, by the name that we gave."""
    found: dict[str, float] = {}
    try:
        for vertex in get(port, f"jobs/{job}")["vertices"]:
            path = f"jobs/{job}/vertices/{vertex['id']}/metrics"
            names = [each["id"] for each in get(port, path) if "Python" in each["id"]]
            for start in range(0, len(names), 50):
                asked = ",".join(urllib.parse.quote(name) for name in names[start : start + 50])
                for each in get(port, f"{path}?get={asked}"):
                    found[each["id"].rsplit(".", 1)[-1]] = float(each["value"])
    except (OSError, KeyError):  # not up yet
        return {}
    return found
