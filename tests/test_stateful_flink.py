"""Sequences through ML_PREDICT in Flink: exact sums at one subtask and, keyed by id, at four; failover begins anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flink_session import collect, create_model, read_lines, session, view
from stateful_rows import interleaved, running_sums
from triton import Triton

#: Each row knows whether it is its id's first, and all rows of an id are on one subtask, in their order.
KEYED = """
CREATE TEMPORARY VIEW keyed AS
SELECT id, x, place, ROW_NUMBER() OVER (PARTITION BY id ORDER BY arrival) = 1 AS `first`, place = {length} AS `last`
FROM readings
"""


@pytest.mark.parametrize("parallelism", [1, 4])
def test_keyed_by_id_each_sequence_has_its_exact_sums(triton: Triton, tmp_path: Path, parallelism: int) -> None:
    sequences, length = 1000, 20
    rows = interleaved(sequences, length, prefix=f"flink-{parallelism}")
    places: dict[str, int] = {}
    lines, expected = [], set()
    for (x, id_, _, _), total in zip(rows, running_sums(rows), strict=True):
        places[id_] = places.get(id_, 0) + 1
        lines.append(f"{id_},{x},{places[id_]}\n")
        expected.add((id_, places[id_], total))
    (tmp_path / "readings.csv").write_text("".join(lines))
    env = session(parallelism__default=str(parallelism))
    env.execute_sql(
        "CREATE TEMPORARY TABLE readings (id STRING, x BIGINT, place BIGINT, arrival AS PROCTIME()) WITH "
        f"('connector' = 'filesystem', 'path' = '{tmp_path / 'readings.csv'}', 'format' = 'csv')"
    )
    env.execute_sql(KEYED.format(length=length))
    env.execute_sql(
        "CREATE TEMPORARY TABLE sums (id STRING, place BIGINT, total BIGINT) WITH "
        f"('connector' = 'filesystem', 'path' = '{tmp_path / 'sums'}', 'format' = 'csv')"
    )
    options = {"sequence-id": "${id}", "sequence-start": "${first}", "sequence-end": "${last}"}
    columns = "x BIGINT, id STRING, `first` BOOLEAN, `last` BOOLEAN"
    create_model(env, "summing", triton.http_url, "sequence", columns, "`sum` BIGINT", **options)
    env.execute_sql(
        "INSERT INTO sums SELECT id, place, `sum` FROM "
        "ML_PREDICT(TABLE keyed, MODEL summing, DESCRIPTOR(x, id, `first`, `last`))"
    ).wait()
    found = [line.split(",") for line in read_lines(tmp_path / "sums")]
    assert len(found) == len(rows)
    assert {(id_, int(place), int(total)) for id_, place, total in found} == expected


def test_one_id_for_all_rows_needs_one_subtask(triton: Triton) -> None:
    env = session(parallelism__default="2")
    view(env, "numbers", {"x": "BIGINT"}, [(1,), (2,)])
    options = {"sequence-id": "one", "sequence-start": "true"}
    create_model(env, "summing", triton.http_url, "sequence", "x BIGINT", "`sum` BIGINT", **options)
    query = "SELECT `sum` FROM ML_PREDICT(TABLE numbers, MODEL summing, DESCRIPTOR(x))"
    with pytest.raises(Exception, match="set the parallelism to 1"):
        collect(env, query)
    env.get_config().set("parallelism.default", "1")
    assert collect(env, query) == [(1,), (3,)]


def test_automatic_ids_at_any_parallelism(triton: Triton) -> None:
    env = session(parallelism__default="2")
    view(env, "numbers", {"x": "BIGINT"}, [(n,) for n in range(100)])
    options = {"sequence-id": "job", "sequence-id-auto-increment": "true"}
    create_model(env, "lone", triton.http_url, "sequence", "x BIGINT", "`sum` BIGINT", **options)
    rows: list[tuple[Any, ...]] = collect(
        env, "SELECT x, `sum` FROM ML_PREDICT(TABLE numbers, MODEL lone, DESCRIPTOR(x))"
    )
    assert sorted(rows) == [(n, n) for n in range(100)]
