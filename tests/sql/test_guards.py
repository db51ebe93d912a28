"""A model behind CASE, IF, COALESCE, AND or OR is called for the rows whose guard holds, and once for each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flink_session import collect, session, view
from flink_versions import IS_FLINK_22
from pyflink.table import TableEnvironment
from soak import some
from triton import Triton, call

import pyflink_triton

pytestmark = pytest.mark.either_mode

ROWS = [(1, -5, None), (2, 0, 7), (3, 3, None), (4, 20, 1), (5, None, None), (6, None, 2)]
COLUMNS = {"id": "BIGINT", "x": "BIGINT", "y": "BIGINT"}


@dataclass(frozen=True)
class Door:
    """A way to call a model as a function; ``pairing`` gives 3 x + 1.

    Attributes:
        env: The session, which has the table ``t``.
        function: The function's name there.
        triton: The server.
        model: Whose rows are counted.
    """

    env: TableEnvironment
    function: str
    triton: Triton
    model: str = "pairing"

    def run(self, query: str) -> tuple[list[tuple[Any, ...]], int]:
        """Run a query; its rows, sorted, and how many rows the server was asked for."""
        before = self._count()
        rows = collect(self.env, query.replace("m(", f"{self.function}("))
        return sorted(rows, key=repr), self._count() - before

    def _count(self) -> int:
        statistics = json.loads(call(self.triton.http_url, "GET", f"/v2/models/{self.model}/stats"))
        return sum(version["inference_count"] for version in statistics["model_stats"])


def attached(mode: str, triton: Triton, *, with_jar: bool = True) -> TableEnvironment:
    env = session(mode, with_jar=False)
    if with_jar:
        pyflink_triton.connect(env, triton.http_url)
    options = {"endpoint": triton.http_url, "model-name": "pairing"}
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(options)
    provider.register(env, "vectorized")
    if not IS_FLINK_22:
        provider.register(env, "asynchronous", asynchronous=True)
    view(env, "t", COLUMNS, ROWS)
    return env


@pytest.fixture(scope="module")
def sessions(triton: Triton) -> Callable[[str], TableEnvironment]:
    made: dict[str, TableEnvironment] = {}

    def get(mode: str) -> TableEnvironment:
        if mode not in made:
            made[mode] = attached(mode, triton)
        return made[mode]

    return get


DOORS = [
    ("pairing", "streaming"),
    ("pairing", "batch"),
    ("vectorized", "streaming"),
    ("vectorized", "batch"),
    *([] if IS_FLINK_22 else [("asynchronous", "streaming")]),
]


@pytest.fixture(params=DOORS, ids="-".join)
def door(request: pytest.FixtureRequest, sessions: Callable[[str], TableEnvironment], triton: Triton) -> Door:
    function, mode = request.param
    return Door(sessions(mode), function, triton)


@pytest.fixture(params=["streaming", "batch"])
def plain(request: pytest.FixtureRequest, sessions: Callable[[str], TableEnvironment], triton: Triton) -> Door:
    return Door(sessions(request.param), "pairing", triton)


@pytest.mark.flink22
def test_guards_in_the_select_list(door: Door) -> None:
    rows, calls = door.run(
        "SELECT id, CASE WHEN x >= 0 THEN m(x) ELSE -1 END, IF(x >= 3, m(x + 1), -1), COALESCE(y, m(x + 2)), "
        "IFNULL(y, m(x + 3)), x < 1 OR m(x + 4) > 20, x >= 0 AND m(x + 5) > 20 FROM t"
    )
    assert rows == [
        (1, -1, -1, -8, -5, True, False),
        (2, 1, -1, 7, 7, True, False),
        (3, 10, 13, 16, 19, True, True),
        (4, 61, 64, 1, 1, True, True),
        (5, -1, -1, None, None, None, None),
        (6, -1, -1, 2, 2, None, None),
    ]
    assert calls == 3 + 2 + 2 + 2 + 2 + 3


@pytest.mark.parametrize(
    ("query", "expected", "expected_calls"),
    [
        ("SELECT id, m(x) FROM t WHERE m(x) > 5 AND x >= 0", [(3, 10), (4, 61)], 3),
        ("SELECT id FROM t WHERE x < 0 OR m(x) > 10", [(1,), (4,)], 3),
    ],
    ids=["AND", "OR"],
)
def test_guards_in_where(door: Door, query: str, expected: list[Any], expected_calls: int) -> None:
    assert door.run(query) == (expected, expected_calls)


#: What is asked, its rows, and how many calls that takes.
WANTED: dict[str, tuple[str, list[tuple[Any, ...]], int]] = {
    "one call a row": ("m(x), m(x) + m(x) FROM t WHERE x < 0 OR m(x) > 10", [(-14, -28), (61, 122)], 4),
    "a model behind a model": (
        "id, CASE WHEN m(x) > 5 THEN m(y) WHEN y = 7 THEN m(y + 1) ELSE 0 END FROM t",
        [(1, 0), (2, 25), (3, None), (4, 4), (5, 0), (6, 0)],
        4 + 1 + 1,
    ),
    "a model of a model": (
        "id, CASE WHEN x >= 3 THEN m(m(x)) END FROM t WHERE x >= 0",
        [(2, None), (3, 31), (4, 184)],
        4,
    ),
    "a subquery": ("id, z FROM (SELECT id, x, m(x) AS z FROM t) WHERE x > 0 AND z > 5", [(3, 10), (4, 61)], 2),
    "columns that move": ("id, m(id) FROM t WHERE x > 0 AND y IS NULL AND m(x) > 5", [(3, 10)], 1 + 1),
    "chance before": ("id, 0 FROM t WHERE RAND() < 2 AND m(x) > 5", [(3, 0), (4, 0)], 4),
    "chance is asked once": ("id, CASE WHEN RAND() < 2 THEN m(x) END FROM t WHERE id < 3", [(1, -14), (2, 1)], 2),
    "both sides of IN": (
        "id, 0 FROM t WHERE id IN (SELECT id + 1 FROM t WHERE y > 1 AND m(y) > 7) AND m(id) > 1",
        [(3, 0)],
        2 + 6,
    ),
}


def test_a_model_is_asked_for_what_is_wanted(plain: Door) -> None:
    """As one job, because each takes a second."""
    queries = [f"SELECT '{name}', {query}" for name, (query, _, _) in WANTED.items()]
    rows, calls = plain.run(" UNION ALL ".join(queries))
    expected = [(name, *row) for name, (_, rows, _) in WANTED.items() for row in rows]
    assert rows == sorted(expected, key=repr)
    assert calls == sum(calls for _, _, calls in WANTED.values())


def test_a_filter_of_an_aggregation_is_a_guard(plain: Door) -> None:
    rows, calls = plain.run("SELECT SUM(m(x)) FILTER (WHERE x >= 3), MAX(m(y)), COUNT(*) FROM t")
    assert (71, 22, 6) in rows
    assert calls == 2 + 3


def test_the_remedy_without_the_jar(triton: Triton) -> None:
    for mode in ("streaming", "batch"):
        env = attached(mode, triton, with_jar=False)
        for function in ("vectorized", "asynchronous") if mode == "streaming" else ("vectorized",):
            rows, calls = Door(env, function, triton).run(
                "SELECT id, CASE WHEN x >= 0 THEN m(CASE WHEN x >= 0 THEN x END) ELSE -1 END FROM t"
            )
            assert rows == [(1, -1), (2, 1), (3, 10), (4, 61), (5, -1), (6, -1)]
            assert calls == 3


def test_the_remedy_with_ml_predict(plain: Door) -> None:
    plain.env.execute_sql("CREATE TEMPORARY VIEW g AS SELECT id, CASE WHEN x >= 0 THEN x END AS g FROM t")
    try:
        rows, calls = plain.run("SELECT id, y FROM ML_PREDICT(TABLE g, MODEL pairing, DESCRIPTOR(g))")
    finally:
        plain.env.execute_sql("DROP TEMPORARY VIEW g")
    assert (rows, calls) == ([(1, None), (2, 1), (3, 10), (4, 61), (5, None), (6, None)], 3)


def test_the_remedy_as_a_function(plain: Door) -> None:
    rows, calls = plain.run("SELECT id, m(CASE WHEN x >= 0 THEN x END) FROM t")
    assert (rows, calls) == ([(1, None), (2, 1), (3, 10), (4, 61), (5, None), (6, None)], 3)


def test_a_null_for_an_optional_tensor_is_no_guard(plain: Door) -> None:
    """In batch a NULL bias is left out and the row is answered, so that only x can be the guard."""
    rows, calls = Door(plain.env, "optional", plain.triton, "optional").run(
        "SELECT id, CASE WHEN y > 0 THEN m(bias => y, x => x) END FROM t"
    )
    assert (rows, calls) == ([(1, None), (2, 7), (3, None), (4, 21), (5, None), (6, None)], 2)


def test_several_outputs_behind_a_guard(plain: Door) -> None:
    made = "SELECT id, multi(CAST(id AS FLOAT), id, CAST(id AS STRING)) AS r FROM t WHERE id <> 3"
    rows, calls = Door(plain.env, "multi", plain.triton, "multi").run(
        f"SELECT id, CASE WHEN id > 4 THEN r.label END, CASE WHEN id < 2 THEN r.score END FROM ({made})"
    )
    assert rows == [(1, None, 3.0), (2, None, None), (4, None, None), (5, "5", None), (6, "6", None)]
    assert calls == 3


@dataclass(frozen=True)
class Expression:
    """A random expression of SQL, and what it is for a row."""

    sql: str
    of: Callable[[dict[str, Any]], Any]


def test_a_model_of_a_model_beside_one_of_another_type(plain: Door) -> None:
    """Flink put the outer call before the other's answer, and took the answers' types in another order."""
    rows, calls = plain.run("SELECT identity_bytes(identity_bytes(CAST(x AS STRING))), m(id) FROM t WHERE id < 3")
    assert (rows, calls) == ([("-5", 4), ("0", 7)], 2)


def _conjunction(values: list[Any]) -> Any:
    return False if False in values else None if None in values else True


def _negation(value: Any) -> Any:
    return None if value is None else not value


def condition(chance: random.Random, depth: int) -> Expression:
    """A condition: TRUE, FALSE or UNKNOWN for each row."""
    kind = chance.choice(["<", ">=", "null"] if depth == 0 else ["<", "and", "or", "not", "is", "case"])
    if kind in ("<", ">="):
        left, bound = number(chance, depth), chance.randint(-6, 25)

        def compare(row: dict[str, Any]) -> Any:
            value = left.of(row)
            return None if value is None else value < bound if kind == "<" else value >= bound

        return Expression(f"{left.sql} {kind} {bound}", compare)
    if kind == "null":
        tested = number(chance, depth)
        return Expression(f"{tested.sql} IS NULL", lambda row: tested.of(row) is None)
    if kind in ("not", "is"):
        inner = condition(chance, depth - 1)
        if kind == "not":
            return Expression(f"NOT ({inner.sql})", lambda row: _negation(inner.of(row)))
        test, is_wanted = chance.choice([("TRUE", True), ("FALSE", False), ("UNKNOWN", None)])
        return Expression(f"(({inner.sql}) IS {test})", lambda row: inner.of(row) is is_wanted)
    if kind == "case":
        when, then, otherwise = (condition(chance, depth - 1) for _ in range(3))
        return Expression(
            f"CASE WHEN {when.sql} THEN {then.sql} ELSE {otherwise.sql} END",
            lambda row: (then if when.of(row) else otherwise).of(row),
        )
    parts = [condition(chance, depth - 1) for _ in range(2)]
    sql = f"({f' {kind.upper()} '.join(f'({part.sql})' for part in parts)})"
    if kind == "and":
        return Expression(sql, lambda row: _conjunction([part.of(row) for part in parts]))
    return Expression(sql, lambda row: _negation(_conjunction([_negation(part.of(row)) for part in parts])))


def number(chance: random.Random, depth: int) -> Expression:
    """A number, often the model's."""
    kind = chance.choice(["x", "y", "m"] if depth == 0 else ["m", "m", "case", "coalesce", "if"])
    if kind in ("x", "y"):
        return Expression(kind, lambda row: row[kind])
    if kind == "m":
        column = chance.choice("xy")
        return Expression(f"m({column})", lambda row: None if row[column] is None else 3 * row[column] + 1)
    one, other = number(chance, depth - 1), number(chance, depth - 1)
    if kind == "coalesce":
        return Expression(
            f"COALESCE({one.sql}, {other.sql})",
            lambda row: one.of(row) if one.of(row) is not None else other.of(row),
        )
    when = condition(chance, depth - 1)
    form = "IF({}, {}, {})" if kind == "if" else "CASE WHEN {} THEN {} ELSE {} END"
    return Expression(form.format(when.sql, one.sql, other.sql), lambda row: (one if when.of(row) else other).of(row))


def random_queries(seed: int, count: int) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yield queries over ``t`` with the rows that they have by this file's own reckoning."""
    chance = random.Random(seed)
    for index in range(count):
        value, passes = number(chance, 2), condition(chance, 2)
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
        expected = [(index, row["id"], value.of(row)) for row in rows if passes.of(row)]
        yield f"SELECT {index}, id, {value.sql} FROM t WHERE {passes.sql}", expected


@pytest.mark.parametrize("seed", some(range(1, 20), 20))
def test_random_expressions_have_the_values_that_sql_gives_them(plain: Door, seed: int) -> None:
    queries = list(random_queries(seed, 5))
    rows, calls = plain.run(" UNION ALL ".join(query for query, _ in queries))
    assert rows == sorted((row for _, expected in queries for row in expected), key=repr), queries
    assert calls <= 7 * len(queries), "at most one for each row and column"
