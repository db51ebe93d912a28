"""What a failed row becomes: `default-value` of every type, `error-column`, and the faults that neither covers."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from fakes import Echo, declare, identity, parse_columns
from triton import Triton

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import AccessError, ContractError, ExhaustedError, JobError, PlanError, RowError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.runtime.predictor import Predictor
from pyflink_triton.schema.binding import bind_columns
from pyflink_triton.types.triton import DATATYPES

UINT8 = TensorSpec("x", DATATYPES["UINT8"], (1,))
#: A value that UINT8 cannot hold between two that it can.
BATCH = pa.record_batch([pa.array([1, 256, None, 3], pa.int32())], names=["c0"])


class Fails(Echo):
    """Fails each request with an error, but those for the first row."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
        if bytes(tensors[0]) != b"\1":
            raise self._error
        return await super().infer(header, tensors)


def tensors(*types: str) -> list[TensorSpec]:
    """An output for each type, called a, b, ..., as the type's datatype and dims say."""
    found = []
    for name, type_ in zip("abcdef", types, strict=False):
        leaf = type_.replace("ARRAY<", "").replace(">", "")
        datatype = next(each for each in DATATYPES.values() if each.sql == leaf or leaf in each.outputs)
        found.append(TensorSpec(name, datatype, (-1,) * type_.count("ARRAY") or (1,)))
    return found


def default(text: str, *types: str, error_column: str | None = None) -> list[Any]:
    """What the failed row of a batch answers."""
    outputs = tensors(*types)
    signature = ModelSignature("m", (UINT8,), tuple(outputs), 64)
    written = [f"{spec.name} {type_}" for spec, type_ in zip(outputs, types, strict=True)]
    options = {} if error_column is None else {"error_column": error_column}
    made = declare(
        signature, Fails(RowError("bad")), ["x INT"], [*written, *([f"{error_column} STRING"] if error_column else [])],
        default_value=text, **options,  # type: ignore[arg-type]  # options are strings
    )  # fmt: skip
    prediction = asyncio.run(made.predict(pa.record_batch([pa.array([7], pa.int32())], names=["c0"])))
    prediction.outputs.validate(full=True)
    assert prediction.errors == {}
    return [column.to_pylist()[0] for column in prediction.outputs.columns]


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("BOOLEAN", "true", True),
        ("BOOLEAN", " FALSE ", False),
        ("TINYINT", "-128", -128),
        ("SMALLINT", "32767", 32767),
        ("INT", "-2147483648", -(2**31)),
        ("BIGINT", "9007199254740993", 9007199254740993),
        ("BIGINT", "1e3", 1000),
        ("FLOAT", "-1.0", -1.0),
        ("FLOAT", "0.1", 0.10000000149011612),
        ("FLOAT", "-0.0", -0.0),
        ("DOUBLE", "0.1", 0.1),
        ("DOUBLE", "Infinity", math.inf),
        ("DECIMAL(20, 0)", "18446744073709551615", Decimal(2**64 - 1)),
        ("STRING", "", ""),
        ("STRING", " un'known ", " un'known "),
        ("BYTES", "é", "é".encode()),
        ("ARRAY<FLOAT>", "[]", []),
        ("ARRAY<FLOAT>", "[0.5, null, -1]", [0.5, None, -1.0]),
        ("ARRAY<STRING>", '["a", "ü"]', ["a", "ü"]),
        ("ARRAY<ARRAY<BIGINT>>", "[[1], [], [2, 9007199254740993]]", [[1], [], [2, 9007199254740993]]),
        ("ARRAY<BOOLEAN>", "[true, false, null]", [True, False, None]),
        ("ARRAY<INT>", "null", None),
        ("STRING", "null", None),
        ("FLOAT", "NULL", None),
    ],
)
def test_a_default_of_each_type(type_: str, text: str, value: Any) -> None:
    (got,) = default(text, type_)
    assert repr(got) == repr(value)
    assert default(text, type_, error_column="why") == [got, "bad"]


def test_a_nan_may_be_the_default() -> None:
    assert math.isnan(default("NaN", "FLOAT")[0])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": -1, "b": "none", "c": [1, 2]}', [-1.0, "none", [1, 2]]),
        ('{"c": null, "b": null, "a": 2.5}', [2.5, None, None]),
        ("null", [None, None, None]),
    ],
)
def test_several_outputs_have_a_default_each(text: str, values: list[Any]) -> None:
    assert default(text, "FLOAT", "STRING", "ARRAY<BIGINT>") == values


@pytest.mark.parametrize(
    ("types", "text", "words"),
    [
        (["FLOAT"], "abc", ["'default-value' = 'abc' does not fit FLOAT", "output column 'a'", "-1.0"]),
        (["FLOAT"], "1e39", ["does not fit FLOAT"]),
        (["FLOAT"], "", ["does not fit FLOAT"]),
        (["BOOLEAN"], "1", ["does not fit BOOLEAN"]),
        (["INT"], "1.5", ["does not fit INT"]),
        (["INT"], "2147483648", ["does not fit INT"]),
        (["TINYINT"], "128", ["does not fit TINYINT"]),
        (["DECIMAL(20, 0)"], "0.5", ["does not fit DECIMAL(20, 0)"]),
        (["DECIMAL(20, 0)"], "1e20", ["does not fit DECIMAL(20, 0)"]),
        (["ARRAY<FLOAT>"], "-1.0", ["does not fit ARRAY<FLOAT>", "[-1.0]"]),
        (["ARRAY<FLOAT>"], "[1, ", ["is not JSON", "[-1.0]"]),
        (["ARRAY<FLOAT>"], "[[1]]", ["does not fit ARRAY<FLOAT>"]),
        (["ARRAY<STRING>"], "[1]", ["does not fit ARRAY<STRING>"]),
        (["ARRAY<INT>"], "[true]", ["does not fit ARRAY<INT>"]),
        (["ARRAY<STRING>"], '["\\ud800"]', ["does not fit ARRAY<STRING>"]),
        (["FLOAT", "STRING"], "-1", ["each of a, b", '{"a": -1.0, "b": "unknown"}']),
        (["FLOAT", "STRING"], "x", ["is not JSON", '{"a": -1.0, "b": "unknown"}']),
        (["FLOAT", "STRING"], '{"a": 1}', ["each of a, b"]),
        (["FLOAT", "STRING"], '{"a": "x", "b": "y"}', ["does not fit FLOAT"]),
    ],
)
def test_a_default_that_is_no_value_of_the_outputs_is_one_sentence(
    types: list[str], text: str, words: list[str]
) -> None:
    with pytest.raises(PlanError) as error:
        default(text, *types)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("options", "columns", "row", "is_covered"),
    [
        ({}, ["x INT"], [None], False),
        ({"default_value": "-1"}, ["x INT"], [-1], True),
        ({"default_value": "null"}, ["x INT"], [None], True),
        ({"error_column": "why"}, ["x INT", "why STRING"], [None, "M"], True),
        ({"error_column": "WHY"}, ["why STRING", "x INT"], ["M", None], True),
        ({"error_column": "why", "default_value": "-1"}, ["why STRING", "x INT"], ["M", -1], True),
    ],
)
def test_a_failed_row_follows_the_policy_and_is_counted(
    options: dict[str, str], columns: list[str], row: list[Any], is_covered: bool
) -> None:
    metrics = Metrics()
    made = declare(identity(UINT8), Echo(), ["x INT"], columns, metrics=metrics, **options)
    prediction = asyncio.run(made.predict(BATCH))
    prediction.outputs.validate(full=True)
    message = "column 'x' is out of the range of UINT8"
    assert prediction.errors == ({} if is_covered else {1: message})
    got = [list(each) for each in zip(*(column.to_pylist() for column in prediction.outputs.columns), strict=True)]
    x = columns.index("x INT")
    assert [each[x] for each in (got[0], got[2], got[3])] == [1, None, 3]
    assert got[1] == [message if each == "M" else each for each in row]
    assert all(value is None for n, each in enumerate(got) if n != 1 for value in each[:x] + each[x + 1 :])
    taken = metrics.take()
    assert taken is not None
    expected = {"requests": 3, "success": 2, "failure": 1, "output_rows": 3 if is_covered else 2, "http_requests": 1}
    expected |= {"null_rows": 1, "rejected_rows": 1}
    if "default_value" in options:
        expected["default_values"] = 1
    assert taken["counters"] == expected


@pytest.mark.parametrize("error", [RowError("bad"), ExhaustedError("Request timed out after 30s")])
def test_faults_of_rows_and_of_the_server_are_covered(error: Exception) -> None:
    made = declare(
        identity(UINT8, max_batch_size=1), Fails(error), ["x INT"], ["x INT", "why STRING"],
        default_value="0", error_column="why",
    )  # fmt: skip
    outputs = asyncio.run(made.predict(BATCH)).outputs
    assert outputs.column(0).to_pylist() == [1, 0, None, 0]
    assert outputs.column(1).to_pylist() == [None, "column 'x' is out of the range of UINT8", None, str(error)]


@pytest.mark.parametrize("error", [JobError("404"), AccessError("401"), ContractError("missing output")])
def test_what_no_rows_policy_covers_fails_the_job(error: Exception) -> None:
    made = declare(identity(UINT8), Fails(error), ["x INT"], ["x INT"], default_value="0")
    with pytest.raises(type(error)):
        asyncio.run(made.predict(pa.record_batch([pa.array([2], pa.int32())], names=["c0"])))


def test_an_output_that_is_no_text_follows_the_policy() -> None:
    bytes_ = TensorSpec("x", DATATYPES["BYTES"], (1,))
    metrics = Metrics()
    made = declare(identity(bytes_), Echo(), ["x BYTES"], ["x STRING"], metrics=metrics, default_value="?")
    batch = pa.record_batch([pa.array([b"a", b"\xff", b"b"])], names=["c0"])
    assert asyncio.run(made.predict(batch)).outputs.column(0).to_pylist() == ["a", "?", "b"]
    taken = metrics.take()
    assert taken is not None
    assert (taken["counters"]["success"], taken["counters"]["failure"]) == (2, 1)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (["x INT"], "'why' names no OUTPUT column. Add `why` STRING to OUTPUT"),
        (["x INT", "why INT"], "'why' is an OUTPUT column of type INT. Declare it STRING"),
        (["x INT", "why VARCHAR(9)"], "VARCHAR(9). Declare it STRING"),
        (["why STRING"], "declares no output column"),
    ],
)
def test_an_error_column_that_cannot_be_one_is_refused(outputs: list[str], words: str) -> None:
    with pytest.raises(PlanError) as error:
        declare(identity(UINT8), Echo(), ["x INT"], outputs, error_column="why")
    assert words in str(error.value)


def test_a_tensor_cannot_be_the_error_column() -> None:
    text = TensorSpec("why", DATATYPES["BYTES"], (1,))
    with pytest.raises(PlanError, match="'why' names a tensor of the model"):
        declare(identity(UINT8, text), Echo(), ["x INT", "why STRING"], ["x INT", "why STRING"], error_column="why")


def test_a_real_models_error_is_its_rows_message(triton: Triton) -> None:
    written = {"endpoint": triton.http_url, "model-name": "fails", "max-batch-size": "1", "error-column": "why"}
    options = parse_options({**written, "default-value": "-7"})
    batch = pa.record_batch([pa.array([1, -1, None, 2], pa.int64())], names=["c0"])

    async def predict() -> list[list[Any]]:
        async with ModelClient(options) as client:
            signature = await client.signature()
            columns = bind_columns(
                signature, parse_columns(["x BIGINT"]), parse_columns(["y BIGINT", "why STRING"]), options=options
            )
            delivery = Delivery(options, client.transport, Metrics())
            prediction = await Predictor(delivery, signature, columns, options, Metrics()).predict(batch)
        return [column.to_pylist() for column in prediction.outputs.columns]

    y, why = asyncio.run(predict())
    assert y == [1, -7, None, 2]
    assert "x must not be negative" in why[1]
    assert [why[0], *why[2:]] == [None] * 3


def test_a_real_models_default_stands_in_for_a_server_that_is_gone(triton: Triton) -> None:
    default_value = json.dumps({"score": -1.0, "label": "none"})
    options = parse_options(
        {"endpoint": triton.http_url, "model-name": "multi", "default-value": default_value, "error-column": "why"}
    )
    inputs = parse_columns(["amount FLOAT", "account BIGINT", "note STRING"])
    outputs = parse_columns(["score FLOAT", "label STRING", "why STRING"])
    batch = pa.record_batch(
        [pa.array([1.0, None], pa.float32()), pa.array([2, 2], pa.int64()), pa.array(["n", "n"])],
        names=["c0", "c1", "c2"],
    )

    async def predict(url: str) -> list[list[Any]]:
        async with ModelClient(options) as client:
            columns = bind_columns(await client.signature(), inputs, outputs, options=options)
            signature = await client.signature()
        gone = parse_options({"endpoint": url, "model-name": "multi", "timeout": "500 ms", "total-timeout": "1 s"})
        async with ModelClient(gone) as client:
            delivery = Delivery(gone, client.transport, Metrics())
            prediction = await Predictor(delivery, signature, columns, options, Metrics()).predict(batch)
            await delivery.close()
        return [column.to_pylist() for column in prediction.outputs.columns]

    score, label, why = asyncio.run(predict(triton.http_url))
    assert (score[1], label[1], why) == (None, None, [None, None])
    assert score[0] is not None
    score, label, why = asyncio.run(predict("http://127.0.0.1:9"))
    assert (score, label) == ([-1.0, None], ["none", None])
    assert "Connection refused" in why[0]
    assert why[1] is None


def test_a_row_whose_answer_no_column_can_hold_has_no_facts_of_that_answer() -> None:
    def spoil(answer: list[tuple[Any, bytes]]) -> None:
        (entry, data), *_ = answer
        answer[0] = (entry, data.replace(b"bad", b"\xff" * 3))

    made = declare(
        identity(TensorSpec("x", DATATYPES["BYTES"], (1,))), Echo(spoil), ["x STRING"],
        ["x STRING", "version STRING", "ms DOUBLE", "code STRING"], default_value="none",
        model_version_column="version", latency_column="ms", error_code_column="code",
    )  # fmt: skip
    prediction = asyncio.run(made.predict(pa.record_batch([pa.array(["good", "bad"])], names=["c0"])))
    (x, version, ms, code) = (column.to_pylist() for column in prediction.outputs.columns)
    assert x == ["good", "none"]
    assert version == [None, None]
    assert [each is None for each in ms] == [False, True]
    assert code == [None, "INVALID_ANSWER"]
