"""BYTES for a tensor of the datatype BYTES, with nothing declared: each byte arrives, through every door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flink_session import collect, session, view
from model_repository import MODELS as STANDARD
from model_repository import Model, Tensor
from pyflink.table import TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.udf import udf
from triton import Triton, serving

import pyflink_triton
from pyflink_triton.errors import SchemaError

pytestmark = pytest.mark.either_mode

#: None but the last two is UTF-8.
VALUES = [bytearray(value) for value in (b"\xff", b"\x00\x80a", b"\xc3", b"a", b"")]
TYPES = {"n": "INT", "b": "BYTES", "bs": "ARRAY<BYTES>", "s": "STRING"}
ROWS: list[tuple[Any, ...]] = [(n, value, [value, bytearray(b"\xfe")], "ü") for n, value in enumerate(VALUES)]
X, XS, Y, YS = (Tensor(name, "BYTES", dims) for name in "xy" for dims in ((1,), (-1,)))
MODELS = [
    Model("hex_1", [X], [Y], "hexadecimal"),
    Model("hex_n", [XS], [YS], "hexadecimal"),
    Model("echo", [X], [Y], "identity"),
    Model(
        "three",
        [Tensor("a", "FP32"), Tensor("b", "INT64"), X],
        [Tensor("c", "FP32"), Tensor("d", "INT64"), Tensor("text", "BYTES")],
        "identity",
    ),
    next(model for model in STANDARD if model.name == "sequence"),
]
BOTH = ("streaming", "batch")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    with serving(tmp_path_factory.mktemp("bytes"), MODELS) as started:
        yield started


def made(mode: str, server: Triton) -> TableEnvironment:
    env = session(mode)
    env.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{server.http_url}')")
    env.execute_sql("USE CATALOG triton")
    view(env, "t", TYPES, ROWS)
    return env


@pytest.mark.parametrize("mode", BOTH)
def test_a_function_takes_bytes_where_nothing_is_declared(server: Triton, mode: str) -> None:
    env = made(mode, server)
    calls = ["hex_1(b)", "hex_1(x => b)", "hex_n(bs)", "hex_1(bs)", "hex_1(ARRAY[b, x'01'])", "hex_n(ARRAY[b])"]
    if mode == "streaming":
        # Flink hands no constant of BYTES to Python functions, which the batch mode's are.
        calls.append("hex_1(x'ff00')")
    got = sorted(collect(env, f"SELECT n, {', '.join(calls)} FROM t"))
    for (n, b, bs, _), row in zip(ROWS, got, strict=True):
        texts = [value.hex() for value in bs]
        assert list(row)[:7] == [n, b.hex(), b.hex(), texts, texts, [b.hex(), "01"], [b.hex()]]
        assert list(row)[7:] in (["ff00"], [])
    query = "SELECT hex_1(s), hex_1('ü'), hex_1(NULLIF(b, b)), three(n, n, b).text FROM t WHERE n = 3"
    assert collect(env, query) == [("c3bc", "c3bc", None, "a")]
    answer = env.sql_query("SELECT hex_1(b) AS y FROM t").get_resolved_schema()
    assert "STRING" in str(answer)
    for query, words in (
        ("SELECT three(b, n, s) FROM t", r"Write CAST\(CAST\(... AS STRING\) AS FLOAT\) where the bytes are text"),
        ("SELECT hex_n(b) FROM t", r"Write ARRAY\[...\]"),
    ):
        with pytest.raises(Exception, match=words):
            env.explain_sql(query)


@pytest.mark.parametrize("mode", BOTH)
def test_a_function_takes_them_for_a_declared_text_and_answers_as_declared(server: Triton, mode: str) -> None:
    """Flink stores columns that come from the server as if they were declared, and bytes lose nothing as they are."""
    env = made(mode, server)
    with_ = "WITH ('provider' = 'triton', 'model-name' = 'echo')"
    env.execute_sql(f"CREATE MODEL as_is INPUT (x STRING) OUTPUT (y BYTES) {with_}")
    assert sorted(collect(env, "SELECT n, as_is(b) FROM t")) == [(n, b) for n, b, _, _ in ROWS]


def test_ml_predict_takes_bytes_where_they_are_declared(server: Triton) -> None:
    """Flink itself compares the types before the provider is asked; the model of a created one is what helps."""
    env = made("streaming", server)
    query = "SELECT n, y FROM ML_PREDICT(TABLE t, MODEL {}, DESCRIPTOR(b))"
    with pytest.raises(Exception, match="type BYTES cannot be assigned to model input type STRING"):
        env.explain_sql(query.format("echo"))
    with pytest.raises(SchemaError) as error:
        pyflink_triton.predict(env.from_path("t"), "echo", ["b"])
    assert "Declare it BYTES" in str(error.value)
    assert "CAST(" not in str(error.value)
    sides = "INPUT (x BYTES) OUTPUT (y BYTES)"
    env.execute_sql(f"CREATE MODEL as_is {sides} WITH ('provider' = 'triton', 'model-name' = 'echo')")
    env.create_temporary_view("predicted", pyflink_triton.predict(env.from_path("t"), "as_is", ["b"]))
    got = collect(env, f"{query.format('as_is')} UNION ALL SELECT n, y FROM predicted")
    assert sorted(got) == sorted(2 * [(n, b) for n, b, _, _ in ROWS])


@pytest.mark.parametrize(("mode", "asynchronous"), [("streaming", False), ("batch", False), ("streaming", True)])
def test_functions_of_a_provider_take_the_types_that_they_are_made_for(
    server: Triton, mode: str, asynchronous: bool
) -> None:
    env = made(mode, server)
    factory = pyflink_triton.TritonModelProviderFactory()
    options = {"endpoint": server.http_url, "model-name": "echo"}
    provider = factory.create_model_provider(options, None, {"y": "BYTES"})
    provider.register(env, "as_is", asynchronous=asynchronous, argument_types=["BYTES"])
    make = provider.async_scalar_function if asynchronous else provider.scalar_function
    env.create_temporary_view("answers", env.from_path("t").select(col("n"), make(["BYTES"])(col("b")).alias("y")))
    got = collect(env, "SELECT n, as_is(b) FROM t UNION ALL SELECT n, y FROM answers")
    assert sorted(got) == sorted(2 * [(n, b) for n, b, _, _ in ROWS])
    with pytest.raises(Exception, match="Data type STRING expected but BYTES passed"):
        env.from_path("t").select(make(["STRING"])(col("b"))).explain()


@pytest.mark.parametrize("with_jar", [True, False], ids=["jar", "no jar"])
@pytest.mark.parametrize(("mode", "asynchronous"), [("streaming", False), ("batch", False), ("streaming", True)])
def test_functions_of_a_provider_take_bytes_where_nothing_is_declared(
    server: Triton, mode: str, asynchronous: bool, with_jar: bool
) -> None:
    env = session(mode, with_jar=with_jar)
    view(env, "t", TYPES, ROWS)
    factory = pyflink_triton.TritonModelProviderFactory()
    made = {}
    for name in ("hex_1", "hex_n", "three"):
        provider = factory.create_model_provider({"endpoint": server.http_url, "model-name": name})
        provider.register(env, name, asynchronous=asynchronous)
        made[name] = provider.async_scalar_function() if asynchronous else provider.scalar_function()
    env.create_temporary_system_function("same", udf(lambda b: b, ["BYTES"], "BYTES", func_type="pandas"))
    calls = ["hex_1(b)", "hex_n(bs)", "hex_n(ARRAY[b, x'01'])", "hex_1(same(b))", "hex_1(s)", "hex_n(ARRAY[s])"]
    calls += ["hex_1(CASE WHEN n < 3 THEN b END)", "hex_1(NULLIF(s, s))", "hex_1(CAST(b AS BINARY(1)))"]
    got = sorted(collect(env, f"SELECT n, {', '.join(calls)} FROM t WHERE n < 4"))
    for (n, b, bs, _), row in zip(ROWS, got, strict=False):
        arrays = [value.hex() for value in bs], [b.hex(), "01"]
        assert row[:7] == (n, b.hex(), *arrays, b.hex(), "c3bc", ["c3bc"])
        assert row[7:] == (b.hex() if n < 3 else None, None, b[:1].hex())
    # Beside others, which are cast as ever: an INT to a FLOAT and to a BIGINT.
    query = "SELECT three(n, n, b) AS r, three(n, n, s).text AS y FROM t WHERE n = 3"
    assert collect(env, f"SELECT r.c, r.d, r.text, y FROM ({query})") == [(3.0, 3, "a", "ü")]
    answers = env.from_path("t").select(col("n"), made["hex_1"](col("b")).alias("y"), made["hex_1"](col("s")))
    assert "STRING" in str(answers.get_resolved_schema())
    env.create_temporary_view("answers", answers)
    assert sorted(collect(env, "SELECT n, y FROM answers")) == [(n, b.hex()) for n, b, _, _ in ROWS]
    for call, words in (
        ("hex_1(n)", "STRING expected but INT passed"),
        ("hex_1(bs)", "STRING expected but ARRAY<BYTES> passed"),
        ("hex_n(b)", "ARRAY<STRING> expected but BYTES passed"),
        ("three(b, n, b)", "FLOAT expected but BYTES passed"),
        ("hex_1(b, b)", "No match found for function signature"),
    ):
        with pytest.raises(Exception, match=words):
            env.explain_sql(f"SELECT {call} FROM t")


@pytest.mark.parametrize("mode", BOTH)
def test_bytes_that_another_python_function_answered_after_nulls_alone(server: Triton, mode: str) -> None:
    """A batch of NULLs says nothing of their type; the next one does."""
    env = made(mode, server)
    env.get_config().set("python.fn-execution.arrow.batch.size", "1")
    env.create_temporary_system_function("same", udf(lambda b: b, ["BYTES"], "BYTES", func_type="pandas"))
    options = {"endpoint": server.http_url, "model-name": "hex_1"}
    pyflink_triton.TritonModelProviderFactory().create_model_provider(options).register(env, "hexes")
    nulls = [(n, None if n < 2 else b, None, None) for n, b, _, _ in ROWS]
    view(env, "late", TYPES, nulls)
    expected = [(n, *(2 * [b and b.hex()])) for n, b, _, _ in nulls]
    expected[-1] = (4, "", "")
    assert sorted(collect(env, "SELECT n, hexes(same(b)), hex_1(same(b)) FROM late"), key=str) == expected


def test_functions_of_a_provider_take_no_bytes_for_a_sequence(server: Triton) -> None:
    env = session("streaming", with_jar=False)
    view(env, "t", TYPES, ROWS)
    factory = pyflink_triton.TritonModelProviderFactory()
    options = {
        "endpoint": server.http_url,
        "model-name": "sequence",
        "sequence-id": "${user}",
        "sequence-start": "true",
    }
    sums = factory.create_model_provider(options).scalar_function()
    with pytest.raises(Exception, match="STRING expected but BYTES passed"):
        env.from_path("t").select(sums(col("n"), col("b"))).explain()


def test_bytes_name_a_sequence_without_a_loss(server: Triton) -> None:
    env = made("streaming", server)
    options = "'sequence-id' = '${user}', 'sequence-start' = 'true'"
    env.execute_sql(f"CREATE MODEL sums WITH ('provider' = 'triton', 'model-name' = 'sequence', {options})")
    with pytest.raises(Exception, match=r"Write DECODE\(..., 'ISO-8859-1'\)") as error:
        env.explain_sql("SELECT sums(n, b) FROM t")
    assert "CAST(" not in str(error.value)
    ids = "SELECT sums(10, DECODE(b, 'ISO-8859-1')) AS r FROM (VALUES (x'ff'), (x'fe'), (x'fd')) AS v(b)"
    assert sorted(collect(env, f"SELECT r.`sum` FROM ({ids})")) == [(10,), (10,), (10,)]
