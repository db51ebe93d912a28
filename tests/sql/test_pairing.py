"""Each row has its own result: random delays at the server, every capacity, parallelism and order."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from flink_session import create_model, read_lines, session
from soak import IS_SOAK, some
from triton import Triton

#: Rows at each operator capacity: a small one lets few rows through in a second.
ROWS = {1: 200, 10: 1_000, 100: 10_000, 1000: 50_000}
SOAK_ROWS = {1: 1_000, 10: 20_000, 100: 100_000, 1000: 100_000}


@pytest.mark.parametrize(
    ("capacity", "parallelism", "order"), some(list(product(ROWS, [1, 2], ["ORDERED", "ALLOW_UNORDERED"])), 3)
)
def test_no_row_is_lost_doubled_or_answered_with_anothers_result(
    triton: Triton, tmp_path: Path, capacity: int, parallelism: int, order: str
) -> None:
    rows = (SOAK_ROWS if IS_SOAK else ROWS)[capacity]
    env = session(
        parallelism__default=str(parallelism),
        table__exec__async_ml_predict__max_concurrent_operations=str(capacity),
        table__exec__async_ml_predict__output_mode=order,
    )
    numbers = (
        "'connector' = 'datagen', 'rows-per-second' = '100000000', 'fields.x.kind' = 'sequence', "
        f"'fields.x.start' = '0', 'fields.x.end' = '{rows - 1}'"
    )
    is_ordered = parallelism == 1 and order == "ORDERED"
    check_pairing(env, triton.http_url, "pairing", numbers, rows, tmp_path, is_ordered)


def test_a_model_without_a_batch_axis_pairs_too(triton: Triton, tmp_path: Path) -> None:
    rows = 20_000 if IS_SOAK else 2_000
    source = tmp_path / "numbers.csv"
    source.write_text("".join(f"{x}\n" for x in range(rows)))
    numbers = f"'connector' = 'filesystem', 'path' = '{source}', 'format' = 'csv'"
    check_pairing(session("batch"), triton.http_url, "pairing_nobatch", numbers, rows, tmp_path, is_ordered=True)


def check_pairing(env, url: str, served: str, numbers: str, rows: int, directory: Path, is_ordered: bool) -> None:  # type: ignore[no-untyped-def] # a TableEnvironment, untyped
    create_model(env, "pairing", url, served, "x BIGINT", "y BIGINT")
    env.execute_sql(f"CREATE TEMPORARY TABLE numbers (x BIGINT) WITH ({numbers})")
    env.execute_sql(
        "CREATE TEMPORARY TABLE answers (x BIGINT, y BIGINT) WITH ('connector' = 'filesystem', "
        f"'path' = '{directory / 'answers'}', 'format' = 'csv')"
    )
    query = "INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE numbers, MODEL pairing, DESCRIPTOR(x))"
    env.execute_sql(query).wait()
    pairs = [tuple(map(int, line.split(","))) for line in read_lines(directory / "answers")]
    wrong = [pair for pair in pairs if pair[1] != 3 * pair[0] + 1]
    assert wrong == []
    assert sorted(x for x, _ in pairs) == list(range(rows))
    if is_ordered:
        assert [x for x, _ in pairs] == sorted(x for x, _ in pairs)
