"""Arrays as batches: each row's elements are rows of the model, and come back as the row's array."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from fakes import Echo, declare, identity, parse_columns, predictor
from triton import Triton

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import SchemaError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.runtime.predictor import Predictor
from pyflink_triton.schema.binding import bind_columns
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES

X, Y = (TensorSpec(name, DATATYPES["INT64"], (1,)) for name in "xy")
BYTES = TensorSpec("t", DATATYPES["BYTES"], (1,))
Rows = list[Any]


def run(made: Predictor, *columns: tuple[str, Rows]) -> tuple[list[Rows], dict[int, str]]:
    arrays = [pa.array(values, parse_type(type_, "x").arrow) for type_, values in columns]
    batch = pa.record_batch(arrays, names=[f"c{n}" for n in range(len(arrays))])
    prediction = asyncio.run(made.predict(batch))
    prediction.outputs.validate(full=True)
    return [column.to_pylist() for column in prediction.outputs.columns], prediction.errors


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_arrays_go_round_and_requests_close_at_the_models_batch(batch: int) -> None:
    echo = Echo()
    made = predictor(identity(X, max_batch_size=batch), echo, ["ARRAY<BIGINT>"])
    rows = [[1, 2, 3], [], None, [4], [5, 6, 7, 8]]
    assert run(made, ("ARRAY<BIGINT>", rows)) == ([rows], {})
    assert [shape[0] for shape in echo.shapes] == {1: [1] * 8, 2: [2] * 4, 64: [8]}[batch]


def test_no_more_requests_are_written_than_may_be_in_flight() -> None:
    under_way = most = 0

    class Counting(Echo):
        async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            return await super().infer(header, tensors)

    values = list(range(1000))
    server = Counting()
    made = predictor(identity(X, max_batch_size=1), server, ["ARRAY<BIGINT>"], max_in_flight_requests="3")
    assert run(made, ("ARRAY<BIGINT>", [values])) == ([[values]], {})
    assert (len(server.requests), most) == (1000, 3)


def test_texts_and_scalars_that_repeat_go_round() -> None:
    made = predictor(
        identity(BYTES, X), Echo(), ["ARRAY<STRING>", "BIGINT"], outputs=["ARRAY<STRING>", "ARRAY<BIGINT>"]
    )
    texts = [["a", "", "ünï"], ["b"], [], ["c"], None]
    got, errors = run(made, ("ARRAY<STRING>", texts), ("BIGINT", [1, 2, 3, None, 5]))
    assert errors == {}
    assert got == [[["a", "", "ünï"], ["b"], [], None, None], [[1, 1, 1], [2], [], None, None]]


def test_nothing_is_sent_for_nothing() -> None:
    echo = Echo()
    made = predictor(identity(X), echo, ["ARRAY<BIGINT>"])
    assert run(made, ("ARRAY<BIGINT>", [[], None, []])) == ([[[], None, []]], {})
    assert run(made, ("ARRAY<BIGINT>", [])) == ([[]], {})
    assert echo.requests == []


def test_a_row_of_unequal_lengths_or_with_a_null_fails_before_any_request() -> None:
    echo = Echo()
    made = predictor(identity(X, Y), echo, ["ARRAY<BIGINT>", "ARRAY<BIGINT>"])
    x = [[1, 2], [3], [4, None], [5], None]
    y = [[1, 2], [3, 3], [4, 4], [5], [6]]
    got, errors = run(made, ("ARRAY<BIGINT>", x), ("ARRAY<BIGINT>", y))
    assert got == [[[1, 2], None, None, [5], None]] * 2
    assert errors == {
        1: "columns 'x' and 'y' hold arrays of unequal lengths",
        2: "column 'x' holds a NULL, which no tensor can hold",
    }
    assert [shape[0] for shape in echo.shapes] == [3]


def test_a_row_with_a_bad_element_is_one_failed_row_and_sends_none() -> None:
    echo = Echo()
    metrics = Metrics()
    uint8 = identity(TensorSpec("x", DATATYPES["UINT8"], (1,)))
    made = declare(uint8, echo, ["x ARRAY<INT>"], ["x ARRAY<INT>"], metrics=metrics)
    got, errors = run(made, ("ARRAY<INT>", [[1, 2], [3, 256, -1, 4], [255]]))
    assert got == [[[1, 2], None, [255]]]
    assert errors == {1: "column 'x' is out of the range of UINT8"}
    assert [shape[0] for shape in echo.shapes] == [3]
    taken = metrics.take()
    assert taken is not None
    expected = {"requests": 3, "success": 2, "failure": 1, "output_rows": 2, "http_requests": 1, "rejected_rows": 1}
    assert taken["counters"] == expected


def test_an_element_whose_output_is_no_text_fails_its_row() -> None:
    made = predictor(identity(BYTES), Echo(), ["ARRAY<BYTES>"], outputs=["ARRAY<STRING>"])
    got, errors = run(made, ("ARRAY<BYTES>", [[b"a", b"\xff"], [b"b"]]))
    assert got == [[None, ["b"]]]
    assert list(errors) == [0]
    assert "not UTF-8" in errors[0]


def test_a_failed_row_of_arrays_follows_the_policy() -> None:
    made = declare(
        identity(TensorSpec("x", DATATYPES["UINT8"], (1,))), Echo(), ["x ARRAY<INT>"], ["x ARRAY<INT>", "why STRING"],
        default_value="[-1]", error_column="why",
    )  # fmt: skip
    got, errors = run(made, ("ARRAY<INT>", [[1, 2], [256], None, []]))
    assert errors == {}
    assert got == [[[1, 2], [-1], None, []], [None, "column 'x' is out of the range of UINT8", None, None]]


def test_sliced_batches_and_children_are_read_at_their_offset() -> None:
    made = predictor(identity(X, Y), Echo(), ["ARRAY<BIGINT>", "BIGINT"], outputs=["ARRAY<BIGINT>", "ARRAY<BIGINT>"])
    lists = pa.array([[0], [1, 2], None, [3], [4]], pa.list_(pa.int64()))
    batch = pa.record_batch([lists, pa.array([0, 1, 2, 3, 4], pa.int64())], names=["c0", "c1"]).slice(1, 3)
    outputs = asyncio.run(made.predict(batch)).outputs
    assert [column.to_pylist() for column in outputs.columns] == [[[1, 2], None, [3]], [[1, 1], None, [3]]]


def test_random_arrays_equal_their_values() -> None:
    random = Random(3)
    for _ in range(60):
        rows: Rows = []
        for _ in range(random.randint(1, 40)):
            rows.append(
                None if random.random() < 0.2 else [random.randrange(2**62) for _ in range(random.randint(0, 9))]
            )
        made = predictor(identity(X, max_batch_size=random.choice([1, 3, 64])), Echo(), ["ARRAY<BIGINT>"])
        assert run(made, ("ARRAY<BIGINT>", rows)) == ([rows], {})


def test_an_optional_tensor_is_left_out_for_a_null() -> None:
    optional = TensorSpec("b", DATATYPES["INT64"], (1,), optional=True)
    signature = ModelSignature("m", (X, optional), (X,), 64)
    made = declare(signature, Echo(), ["x ARRAY<BIGINT>", "b ARRAY<BIGINT>"], ["x ARRAY<BIGINT>"])
    got, errors = run(made, ("ARRAY<BIGINT>", [[1, 2], [3], None]), ("ARRAY<BIGINT>", [None, [4], [5]]))
    assert (got, errors) == ([[[1, 2], [3], None]], {})


FP32 = TensorSpec("x", DATATYPES["FP32"], (1,))


@pytest.mark.parametrize(
    ("signature", "inputs", "outputs", "words"),
    [
        (identity(FP32), ["x ARRAY<FLOAT>"], ["x FLOAT"], ["declare it FLOAT", "output column 'x' ARRAY<FLOAT>"]),
        (identity(FP32, max_batch_size=0), ["x ARRAY<FLOAT>"], ["x ARRAY<FLOAT>"], ["declare it FLOAT"]),
        (identity(FP32), ["x ARRAY<ARRAY<FLOAT>>"], ["x ARRAY<ARRAY<FLOAT>>"], ["declare it FLOAT"]),
        (identity(FP32), ["x FLOAT"], ["x ARRAY<FLOAT>"], ["output column 'x'", "declare it FLOAT"]),
        (identity(FP32, TensorSpec("y", DATATYPES["FP32"], (3,))), ["x ARRAY<FLOAT>", "y ARRAY<FLOAT>"], ["x FLOAT"],
         ["an array as a batch", "'y' stands for y FP32[3]", "Declare 'x' FLOAT"]),
        (identity(FP32), ["x ARRAY<INT>"], ["x ARRAY<FLOAT>"], ["Type mismatch: expected FLOAT but got INT32"]),
        (ModelSignature("m", (FP32,), (FP32,), 8, stateful=True), ["x ARRAY<FLOAT>"], ["x ARRAY<FLOAT>"],
         ["stateful"]),
    ],
)  # fmt: skip
def test_what_cannot_be_a_batch_is_refused(
    signature: ModelSignature, inputs: list[str], outputs: list[str], words: list[str]
) -> None:
    with pytest.raises(SchemaError) as error:
        bind_columns(signature, parse_columns(inputs), parse_columns(outputs))
    for word in words:
        assert word in str(error.value)


def test_a_real_model_takes_them(triton: Triton) -> None:
    options = parse_options({"endpoint": triton.http_url, "model-name": "add"})
    inputs = parse_columns(["a ARRAY<FLOAT>", "b FLOAT"])
    rows = [[float(n) for n in range(size)] for size in (0, 1, 70, 200)]
    batch = pa.record_batch(
        [pa.array(rows, pa.list_(pa.float32())), pa.array([10.0] * 4, pa.float32())], names=["c0", "c1"]
    )
    metrics = Metrics()

    async def predict() -> list[Any]:
        async with ModelClient(options) as client:
            signature = await client.signature()
            columns = bind_columns(signature, inputs, parse_columns(["sum ARRAY<FLOAT>"]))
            delivery = Delivery(options, client.transport, metrics)
            prediction = await Predictor(delivery, signature, columns, options, metrics).predict(batch)
            assert prediction.errors == {}
            values: list[Any] = prediction.outputs.column(0).to_pylist()
            return values

    assert asyncio.run(predict()) == [[value + 10 for value in row] for row in rows]
    taken = metrics.take()
    assert taken is not None
    assert taken["counters"]["http_requests"] == 5
    assert taken["counters"]["requests"] == 4
