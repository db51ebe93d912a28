"""m(x) beside UNNEST, LATERAL, look-up and temporal joins: it works, or the sentence's remedy does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flink_session import collect
from lookup_table import create_lookup_table
from pyflink.table import DataTypes, TableEnvironment
from pyflink.table.udf import udtf
from test_guards import Door, attached
from triton import Triton

pytestmark = pytest.mark.either_mode

UNNESTED = "FROM a CROSS JOIN UNNEST(arr) AS u(v)"
LEFT_UNNESTED = "FROM a LEFT JOIN UNNEST(arr) AS u(v) ON TRUE"
LOOKED_UP = "FROM o JOIN dim FOR SYSTEM_TIME AS OF o.p AS d ON o.x = d.k"
LEFT_LOOKED_UP = "FROM o LEFT JOIN dim FOR SYSTEM_TIME AS OF o.p AS d ON o.x = d.k"
AS_OF = "FROM orders AS s JOIN rates FOR SYSTEM_TIME AS OF s.ts AS r ON s.k = r.k"


@udtf(result_types=[DataTypes.BIGINT()])  # type: ignore[untyped-decorator] # pyflink has no types
def twice(x: int) -> Any:
    yield x
    yield x


@pytest.fixture(scope="module")
def sessions(triton: Triton, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TableEnvironment]:
    made: dict[str, TableEnvironment] = {}

    def get(mode: str) -> TableEnvironment:
        if mode not in made:
            env = made[mode] = attached(mode, triton)
            directory = tmp_path_factory.mktemp("tables")
            env.create_temporary_system_function("twice", twice)
            env.execute_sql("CREATE TEMPORARY VIEW a AS SELECT id, x, y, ARRAY[x, 3] AS arr FROM t WHERE id > 2")
            env.execute_sql("CREATE TEMPORARY VIEW o AS SELECT id, x, PROCTIME() AS p FROM t WHERE x IS NOT NULL")
            create_lookup_table(env, "dim", directory)
            temporal_tables(env, directory)
        return made[mode]

    return get


def temporal_tables(env: TableEnvironment, directory: Path) -> None:
    """Orders of the keys 1 and 2, and what a key is worth from when on; the last rows end the time."""
    rows = {
        "orders": ["1,5,2026-01-01 00:00:10", "2,6,2026-01-01 00:00:20", "1,7,2026-01-01 00:00:30"],
        "rates": ["1,10,2026-01-01 00:00:01", "2,20,2026-01-01 00:00:02", "1,30,2026-01-01 00:00:25"],
    }
    for name, lines in rows.items():
        path = directory / f"{name}.csv"
        path.write_text("".join(line + "\n" for line in lines))
        key = ", PRIMARY KEY (k) NOT ENFORCED" if name == "rates" else ""
        env.execute_sql(
            f"CREATE TEMPORARY TABLE {name} (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts{key}) "
            f"WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{path}')"
        )


@pytest.fixture(params=["streaming", "batch"])
def door(request: pytest.FixtureRequest, sessions: Callable[[str], TableEnvironment], triton: Triton) -> Door:
    return Door(sessions(request.param), "pairing", triton)


#: Queries that go into one job, because each takes a second: what is asked, its rows, and the calls.
WORKING: dict[str, tuple[str, list[tuple[Any, ...]], int]] = {
    "UNNEST in WHERE": (f"id, v {UNNESTED} WHERE m(v) > 12", [(4, 20)], 6),
    "LEFT JOIN UNNEST in WHERE": (f"id, v {LEFT_UNNESTED} WHERE m(v) > 12", [(4, 20)], 6),
    "UNNEST with a guard": (
        f"id, v {UNNESTED} WHERE v > 2 AND CASE WHEN id > 3 THEN m(v) > 12 ELSE TRUE END",
        [(3, 3), (3, 3), (4, 20)],
        4,
    ),
    "UNNEST in a subquery": (f"id, v FROM (SELECT id, v {UNNESTED}) WHERE m(v) > 12", [(4, 20)], 6),
    "LATERAL over UNNEST": (
        "id, w FROM a, LATERAL (SELECT m(v) AS w FROM UNNEST(a.arr) AS u(v) WHERE v > 3)",
        [(4, 61)],
        1,
    ),
    "UNNEST of a model": ("id, v FROM a CROSS JOIN UNNEST(ARRAY[m(x)]) AS u(v) WHERE id = 3", [(3, 10)], 1),
    "a table function of a model": (
        "id, w FROM t, LATERAL TABLE(twice(CASE WHEN x > 3 THEN m(x) END)) AS u(w) WHERE id = 4 AND m(w) > 5",
        [(4, 61), (4, 61)],
        1 + 2,
    ),
}
LOOK_UPS: dict[str, tuple[str, list[tuple[Any, ...]], int]] = {
    "looked up, in WHERE": (f"id, v {LOOKED_UP} WHERE m(v) > 100", [(4, 200)], 2),
    "looked up, in ON": (f"id, v {LOOKED_UP} AND m(v) > 100 AND d.v > 40", [(4, 200)], 1),
    "of the key": (f"id, v {LOOKED_UP} WHERE m(x) > 20", [(4, 200)], 4),
    "of both": (f"id, v {LOOKED_UP} WHERE o.x > 5 OR m(x + v) > 20", [(3, 30), (4, 200)], 1),
    "the key is an answer": (
        "id, v FROM o JOIN dim FOR SYSTEM_TIME AS OF o.p AS d ON m(o.x) = d.k",
        [(2, 10), (3, 100), (4, 610)],
        4,
    ),
    "of what may be missing": (f"id, m(v) {LEFT_LOOKED_UP} WHERE m(x + 1) > 5", [(3, 91), (4, 601)], 2 + 4),
    "in the condition of an outer join": (
        f"id, v {LEFT_LOOKED_UP} AND m(o.x) > 20",
        [(1, None), (2, None), (3, None), (4, 200)],
        4,
    ),
}
JOINS: dict[str, tuple[str, list[tuple[Any, ...]], int]] = {
    "equal answers, in ON": (
        "t.id, o.id FROM (SELECT * FROM t WHERE id = 3) AS t LEFT JOIN o ON m(t.x) = m(o.x)",
        [(3, 3)],
        1 + 4,
    ),
    "a key of both sides": (
        "t.id, o.id FROM t JOIN o ON t.id = o.id WHERE o.id > 2 AND m(t.id) > 5",
        [(3, 3), (4, 4)],
        4,
    ),
    "no such row": (
        "id, 0 FROM t WHERE NOT EXISTS (SELECT 1 FROM o WHERE o.id = t.id AND m(t.x) > 5) AND id < 4",
        [(1, 0), (2, 0)],
        3,
    ),
}


@pytest.mark.parametrize("queries", [WORKING, LOOK_UPS, JOINS], ids=["tables", "look-ups", "joins"])
def test_a_model_beside_a_table(door: Door, queries: dict[str, tuple[str, list[tuple[Any, ...]], int]]) -> None:
    rows, calls = door.run(" UNION ALL ".join(f"SELECT '{name}', {query}" for name, (query, _, _) in queries.items()))
    # A join that updates says what it takes back, too.
    final = set(rows)
    assert final >= {(name, *row) for name, (_, expected, _) in queries.items() for row in expected}
    if queries is not JOINS:
        assert rows == sorted(((name, *row) for name, (_, wanted, _) in queries.items() for row in wanted), key=repr)
    assert calls == sum(calls for _, _, calls in queries.values())


@pytest.mark.parametrize("function", ["vectorized", "asynchronous"])
def test_python_functions_beside_a_table(
    function: str, sessions: Callable[[str], TableEnvironment], triton: Triton
) -> None:
    queries = [
        f"SELECT id, v {UNNESTED} WHERE m(v) > 12",
        "SELECT id, w FROM t, LATERAL TABLE(twice(m(x))) AS u(w) WHERE id = 4",
        f"SELECT id, v {LOOKED_UP} WHERE m(v) > 100",
    ]
    rows, calls = Door(sessions("streaming"), function, triton).run(" UNION ALL ".join(queries))
    assert (rows, calls) == ([(4, 20), (4, 200), (4, 61), (4, 61)], 6 + 1 + 2)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"SELECT s.v, r.v {AS_OF} WHERE m(r.v) > 40", [(6, 20), (7, 30)]),
        (f"SELECT s.v, r.v {AS_OF} WHERE m(s.v) > 16 AND s.v > 5", [(6, 20), (7, 30)]),
        (f"SELECT s.v, m(r.v + s.v) {AS_OF} WHERE m(r.k) > 1", [(5, 46), (6, 79), (7, 112)]),
    ],
    ids=["of the version", "of the row", "of both"],
)
def test_a_temporal_join_in_event_time(
    query: str, expected: list[Any], sessions: Callable[[str], TableEnvironment], triton: Triton
) -> None:
    assert Door(sessions("streaming"), "pairing", triton).run(query)[0] == expected


UNNESTED_ON = "Flink cannot call a model on the right side of a LEFT JOIN with UNNEST or LATERAL"
LOOKED_UP_ON = "Flink cannot call a model in the condition of a LEFT JOIN with a table that it looks up"
OUTER_ON = "Flink cannot call a model in the condition of an outer join"


@pytest.mark.parametrize(
    ("query", "sentence", "remedies"),
    [
        (
            "SELECT id, w FROM a LEFT JOIN LATERAL (SELECT m(v) AS w FROM UNNEST(a.arr) AS u(v)) ON TRUE WHERE id = 3",
            UNNESTED_ON,
            [
                f"SELECT id, m(v) AS w {LEFT_UNNESTED} WHERE id = 3",
                f"SELECT id, w FROM (SELECT id, m(v) AS w {UNNESTED}) WHERE id = 3",
            ],
        ),
        (
            f"SELECT id, d.v {LEFT_LOOKED_UP} AND m(d.v) > 100 WHERE id = 4",
            LOOKED_UP_ON,
            [f"SELECT id, CASE WHEN m(d.v) > 100 THEN d.v END {LEFT_LOOKED_UP} WHERE id = 4"],
        ),
        (
            "SELECT t.id, o.x FROM t LEFT JOIN o ON t.id = o.id AND m(t.x + o.x) > 5 WHERE t.id = 3",
            OUTER_ON,
            ["SELECT t.id, o.x FROM t JOIN o ON t.id = o.id AND m(t.x + o.x) > 5 WHERE t.id = 3"],
        ),
        (
            "SELECT t.id, o.x FROM t LEFT JOIN o ON t.id = o.id AND m(t.x) > o.x WHERE t.id = 3",
            OUTER_ON,
            [],
        ),
        (
            "SELECT id, x FROM t WHERE EXISTS (SELECT 1 FROM o WHERE o.id = t.id AND m(t.x + o.x) > 5)",
            OUTER_ON,
            [],
        ),
    ],
    ids=["UNNEST", "look-up", "both sides", "both in one condition", "EXISTS"],
)
def test_what_is_refused_has_a_remedy_that_runs(door: Door, query: str, sentence: str, remedies: list[str]) -> None:
    with pytest.raises(Exception, match=f"^{sentence}"):
        collect(door.env, query.replace("m(", "pairing("))
    for remedy in remedies:
        rows, _ = door.run(remedy)
        assert rows in ([(3, 10), (3, 10)], [(4, 200)], [(3, 3)])


def test_a_model_in_a_pattern_is_refused_when_planned(sessions: Callable[[str], TableEnvironment]) -> None:
    env = sessions("streaming")
    pattern = "FROM {} MATCH_RECOGNIZE (ORDER BY p MEASURES {} AS w, A.id AS id PATTERN (A) DEFINE A AS {})"
    for measure, define in (("A.x", "pairing(A.x) > 5"), ("pairing(A.x)", "A.x > 1")):
        with pytest.raises(Exception, match=r"^Flink cannot call a model in MATCH_RECOGNIZE"):
            env.explain_sql(f"SELECT id, w {pattern.format('o', measure, define)}")
    asked = "(SELECT id, x, p, pairing(x) AS y FROM o)"
    remedy = f"SELECT id, pairing(w) {pattern.format(asked, 'A.x', 'A.y > 5')}"
    assert sorted(collect(env, remedy)) == [(3, 10), (4, 61)]


def test_the_remedy_by_ml_predict_over_the_unnested_view(door: Door) -> None:
    door.env.execute_sql(f"CREATE TEMPORARY VIEW unnested AS SELECT id, v {UNNESTED}")
    try:
        predict = "ML_PREDICT(TABLE unnested, MODEL pairing, DESCRIPTOR(v))"
        assert door.run(f"SELECT id, v FROM {predict} WHERE y > 12")[0] == [(4, 20)]
    finally:
        door.env.execute_sql("DROP TEMPORARY VIEW unnested")
