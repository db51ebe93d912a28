"""Sequences through ML_PREDICT in Flink: exact sums at one subtask and, keyed by id, at four; failover begins anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flink_session import collect, create_model, read_lines, session, view
from jobs import kill_workers, running, workers
from stateful_rows import interleaved, running_sums
from triton import Triton
from waiting import wait_for

#: Each row knows whether it is its id's first, and all rows of an id are on one subtask, in their order.
KEYED = """
CREATE TEMPORARY VIEW keyed AS
SELECT id, x, place, ROW_NUMBER() OVER (PARTITION BY id ORDER BY {order}) = 1 AS `first`, place = {length} AS `last`
FROM readings
"""


@pytest.mark.parametrize(
    ("mode", "parallelism", "sequences"), [("streaming", 1, 1000), ("streaming", 4, 1000), ("batch", 4, 200)]
)
def test_keyed_by_id_each_sequence_has_its_exact_sums(
    triton: Triton, tmp_path: Path, mode: str, parallelism: int, sequences: int
) -> None:
    length = 20
    rows = interleaved(sequences, length, prefix=f"{mode}-{parallelism}")
    places: dict[str, int] = {}
    lines, expected = [], set()
    for (x, id_, _, _), total in zip(rows, running_sums(rows), strict=True):
        places[id_] = places.get(id_, 0) + 1
        lines.append(f"{id_},{x},{places[id_]}\n")
        expected.add((id_, places[id_], total))
    env = session(mode, parallelism__default=str(parallelism))
    tables(env, tmp_path, lines, length, "arrival" if mode == "streaming" else "place")
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


def tables(env: Any, directory: Path, lines: list[str], length: int, order: str = "arrival") -> None:
    """Readings of (id, x, place) from a file, keyed by id; and sums into files."""
    (directory / "readings.csv").write_text("".join(lines))
    env.execute_sql(
        "CREATE TEMPORARY TABLE readings (id STRING, x BIGINT, place BIGINT, arrival AS PROCTIME()) WITH "
        f"('connector' = 'filesystem', 'path' = '{directory / 'readings.csv'}', 'format' = 'csv')"
    )
    env.execute_sql(KEYED.format(length=length, order=order))
    env.execute_sql(
        "CREATE TEMPORARY TABLE sums (id STRING, place BIGINT, total BIGINT) WITH "
        f"('connector' = 'filesystem', 'path' = '{directory / 'sums'}', 'format' = 'csv')"
    )


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


def test_after_a_failover_sums_are_those_of_sequences_begun_anew(triton: Triton, tmp_path: Path) -> None:
    before = set(workers())
    rows = [(x + 1, id_) for x, id_, _, _ in interleaved(100, 200, prefix="failover")]
    readings: dict[str, list[int]] = {}
    lines = []
    for x, id_ in rows:
        readings.setdefault(id_, []).append(x)
        lines.append(f"{id_},{x},{len(readings[id_])}\n")
    env = session(
        parallelism__default="2",
        execution__checkpointing__interval="200 ms",
        # Else a checkpoint waits until all that is in the network's buffers, here every row, has been answered.
        execution__checkpointing__unaligned__enabled="true",
        restart_strategy__type="fixed-delay",
        restart_strategy__fixed_delay__attempts="20",
        restart_strategy__fixed_delay__delay="100 ms",
        table__exec__async_ml_predict__max_concurrent_operations="64",
    )
    tables(env, tmp_path, lines, length=200)
    options = {"sequence-id": "${id}", "sequence-start": "true"}
    create_model(env, "summing", triton.http_url, "sequence", "x BIGINT, id STRING", "`sum` BIGINT", **options)
    insert = (
        "INSERT INTO sums SELECT id, place, `sum` FROM "
        "ML_PREDICT(TABLE keyed, MODEL summing, DESCRIPTOR(x, id)) WHERE `first` IS NOT NULL"
    )
    with running(env, insert) as (_, outcome):
        for _ in range(2):
            wait_for_more_lines(tmp_path / "sums")
            assert kill_workers(before, 1, outcome) == 1, outcome
    assert "error" not in outcome, outcome["error"]
    sums: dict[str, dict[int, int]] = {}
    for line in read_lines(tmp_path / "sums"):
        id_, place, total = line.split(",")
        assert sums.setdefault(id_, {}).setdefault(int(place), int(total)) == int(total), "a row came twice"
    assert {id_: sorted(found) for id_, found in sums.items()} == {
        id_: list(range(1, len(xs) + 1)) for id_, xs in readings.items()
    }
    begun = {
        id_: [begin_of(xs[:place], sums[id_][place]) for place in sorted(sums[id_])] for id_, xs in readings.items()
    }
    assert all(places == sorted(places) for places in begun.values())
    assert any(places[-1] > 1 for places in begun.values()), "no sequence was begun anew"


def wait_for_more_lines(directory: Path) -> None:
    """Wait until a checkpoint with new rows is done."""
    done = len(read_lines(directory))
    wait_for(lambda: len(read_lines(directory)) > done, 30, "a checkpoint with rows")


def begin_of(readings: list[int], total: int) -> int:
    """At which place the sequence began whose sum this is."""
    for place in range(len(readings), 0, -1):
        total -= readings[place - 1]
        if total == 0:
            return place
    raise AssertionError("the sum is of no run of readings that ends here")
