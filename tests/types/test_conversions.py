"""What messages say to write for a value of another type: Flink takes it, and it is of the type that is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from flink_session import collect, session, view
from model_repository import MODELS, Model, Tensor
from pyflink.java_gateway import get_gateway
from pyflink.table import TableEnvironment
from triton import Triton, serving

from pyflink_triton.errors import SchemaError
from pyflink_triton.schema.columns import Column, cast_needed
from pyflink_triton.types.conversions import conversion
from pyflink_triton.types.sql import SqlType, array_of, parse_type, simple

#: A value of each leaf that all the others can hold.
VALUES: dict[str, Any] = {
    "BOOLEAN": True,
    **dict.fromkeys(("TINYINT", "SMALLINT", "INT", "BIGINT"), 1),
    **dict.fromkeys(("FLOAT", "DOUBLE"), 1.0),
    "DECIMAL(10, 2)": Decimal("1.00"),
    "STRING": "1",
    "BYTES": bytearray(b"1"),
}
LEAVES = {name: simple(name) for name in VALUES}
DEPTHS = [(0, 0), (1, 1), (2, 2)]
PAIRS = [(array_of(a, n), array_of(b, m)) for a, b in product(LEAVES.values(), repeat=2) for n, m in DEPTHS]
PAIRS += [
    (array_of(LEAVES[a], n), array_of(LEAVES[b], m))
    for a, b in product(("INT", "FLOAT", "STRING", "BYTES"), repeat=2)
    for n, m in ((0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1))
]


def has_none(given: SqlType, wanted: SqlType) -> bool:
    """The pairs for which there is no expression, or none that keeps each bit."""
    pair, depths = (given.leaf.name, wanted.leaf.name), (given.depth, wanted.depth)
    if pair == ("BYTES", "STRING"):
        return depths[0] == depths[1]
    if pair[1] == "BYTES" and pair[0] != "BYTES":
        return min(depths) > 0
    return pair[1] == "BOOLEAN" and pair[0] in ("FLOAT", "DOUBLE", "DECIMAL") and min(depths) > 0


def wrapped(value: Any, depth: int) -> Any:
    return value if depth == 0 else [wrapped(value, depth - 1)]


@pytest.fixture(scope="module")
def env() -> TableEnvironment:
    made = session(with_jar=False)
    columns = {f"{LEAVES[name].name}_{depth}": (name, depth) for name in VALUES for depth in range(3)}
    types = {column: str(array_of(LEAVES[name], depth)) for column, (name, depth) in columns.items()}
    view(made, "t", types, [tuple(wrapped(VALUES[name], depth) for name, depth in columns.values())])
    return made


def test_flink_runs_each_expression_and_it_is_of_the_type_that_is_wanted(env: TableEnvironment) -> None:
    written = {}
    for given, wanted in PAIRS:
        if given == wanted:
            continue
        expression = conversion(given, wanted)
        assert (expression is None) == has_none(given, wanted), (given, wanted)
        if expression is not None:
            # Of BYTES for a text only the shape is set right: the sentence after that says to declare BYTES.
            is_text = (given.leaf.name, wanted.leaf.name) == ("BYTES", "STRING")
            type_ = array_of(simple("BYTES"), wanted.depth) if is_text else wanted
            written[expression.replace("...", f"{given.leaf.name}_{given.depth}")] = type_
    assert len(written) > 250
    query = f"SELECT {', '.join(f'{expression} AS c{n}' for n, expression in enumerate(written))} FROM t"
    columns = env.sql_query(query)._j_table.getResolvedSchema().getColumns()
    got = [str(column.getDataType().getLogicalType().asSummaryString()) for column in columns]
    assert [parse_type(text, "c") for text in got] == list(written.values())
    (row,) = collect(env, query)
    assert None not in row


def test_flinks_own_rules_allow_each_cast() -> None:
    """Its planner takes more than its rules say, and may come to refuse that."""
    logical = get_gateway().jvm.org.apache.flink.table.types.logical
    loader = get_gateway().jvm.Thread.currentThread().getContextClassLoader()
    parsed = {str(type_): logical.utils.LogicalTypeParser.parse(str(type_), loader) for pair in PAIRS for type_ in pair}
    for given, wanted in PAIRS:
        expression, now = conversion(given, wanted), given
        if expression is None or given.depth != wanted.depth:
            continue
        for target in re.findall(r"AS (.*?)\)(?= AS|$)", expression):
            rules = logical.utils.LogicalTypeCasts
            assert rules.supportsExplicitCast(parsed[str(now)], parsed[target]), (expression, now)
            now = parse_type(target, "c")
        assert now == wanted or "<> 0" in expression


TIMES = {
    "DATE": "CURRENT_DATE",
    "TIME(0)": "CURRENT_TIME",
    "TIMESTAMP(3)": "LOCALTIMESTAMP",
    "TIMESTAMP_LTZ(3)": "CURRENT_TIMESTAMP",
    "INTERVAL DAY": "INTERVAL '1' DAY",
    "MAP<STRING, INT>": "MAP['a', 1]",
    "ROW<`a` INT>": "ROW(1)",
}


def test_what_no_tensor_holds_becomes_a_text_where_flink_has_a_cast(env: TableEnvironment) -> None:
    casts = []
    for (type_, value), is_array in product(TIMES.items(), (False, True)):
        with pytest.raises(SchemaError, match="a type that no tensor holds") as error:
            parse_type(f"ARRAY<{type_}>" if is_array else type_, "x")
        cast = re.search(r"by (CAST\(.*\))$", str(error.value))
        assert (cast is None) == (is_array and type_.startswith("ROW"))
        if cast is not None:
            casts.append(cast[1].replace("...", f"ARRAY[{value}]" if is_array else value))
    (row,) = collect(env, f"SELECT {', '.join(casts)} FROM t")
    assert len(row) == 2 * len(TIMES) - 1
    assert {type(value) for value in row} == {str, list}


def test_sentences() -> None:
    def sentence(declared: str, given: str) -> str:
        return str(cast_needed(Column.parse("x", declared), parse_type(given, "x"))).partition(". ")[2]

    assert sentence("ARRAY<STRING>", "STRING") == "Write ARRAY[...]"
    assert sentence("ARRAY<ARRAY<FLOAT>>", "STRING") == "Write ARRAY[ARRAY[CAST(... AS FLOAT)]]"
    assert sentence("FLOAT", "ARRAY<ARRAY<FLOAT>>") == "Write ...[1][1]"
    assert sentence("INT", "ARRAY<DOUBLE>") == "Write CAST(...[1] AS INT)"
    assert sentence("FLOAT", "BYTES") == "Write CAST(CAST(... AS STRING) AS FLOAT) where the bytes are text"
    assert sentence("BOOLEAN", "DOUBLE") == "Write ... <> 0"
    assert sentence("ARRAY<BYTES>", "ARRAY<STRING>") == "Flink has no CAST for that. Give ARRAY<BYTES>"
    declare = "Declare it {} in INPUT, because a CAST changes bytes that are not UTF-8"
    assert sentence("STRING", "BYTES") == declare.format("BYTES")
    assert sentence("ARRAY<STRING>", "ARRAY<BINARY(3)>") == declare.format("ARRAY<BYTES>")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    kinds = {"bool": ("BOOL", (1,)), "lens": ("BYTES", (-1,)), "grid": ("FP32", (1, 1)), "texts": ("BYTES", (1,))}
    models = [
        Model(name, [Tensor("x", datatype, dims)], [Tensor("y", datatype, dims)], "identity")
        for name, (datatype, dims) in kinds.items()
    ]
    some = ("identity_fp32", "identity_int32", "identity_fp32_array")
    with serving(
        tmp_path_factory.mktemp("kinds"), [*models, *(model for model in MODELS if model.name in some)]
    ) as started:
        yield started


#: A call that is refused, and what its remedy, as the sentence has it, gives.
REFUSED = {
    ("lens", "txt"): ["a"],
    ("lens", "five"): ["5"],
    ("identity_fp32", "digits"): 1.5,
    ("identity_fp32", "ARRAY[ARRAY[d]]"): 2.5,
    ("identity_fp32", "as_bytes"): 7.0,
    ("identity_fp32_array", "d"): [2.5],
    ("identity_fp32_array", "ARRAY[d, d]"): [2.5, 2.5],
    ("identity_int32", "d"): 2,
    ("grid", "five"): [[5.0]],
    ("bool", "d"): True,
    ("bool", "five"): True,
    ("texts", "five"): "5",
    ("texts", "ts"): "2020-01-01 00:00:00.000",
}


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_the_remedy_of_a_refused_call_runs(server: Triton, mode: str) -> None:
    env = session(mode)
    env.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{server.http_url}')")
    env.execute_sql("USE CATALOG triton")
    env.execute_sql(
        "CREATE TEMPORARY VIEW t AS SELECT txt, CAST('1.5' AS STRING) AS digits, n AS five, "
        "CAST(2.5 AS DOUBLE) AS d, CAST('7' AS BYTES) AS as_bytes, CAST(TIMESTAMP '2020-01-01 00:00:00' AS "
        "TIMESTAMP(3)) AS ts FROM (VALUES ('a', 5)) AS v(txt, n)"
    )
    written = []
    for model, argument in REFUSED:
        with pytest.raises(Exception, match=r"a type that no tensor holds\.|but the argument is") as error:
            env.explain_sql(f"SELECT {model}({argument}) FROM t")
        found = re.search(r"Write (.*?)(?: where .*)?\.\n|by (CAST\(.*\))\.\n", str(error.value))
        assert found is not None, str(error.value)
        written.append(f"{model}({(found[1] or found[2]).replace('...', argument)})")
    assert collect(env, f"SELECT {', '.join(written)} FROM t") == [tuple(REFUSED.values())]
