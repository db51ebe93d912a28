"""Padding to fixed lengths: rows of different lengths share requests, and each has the answer that it has alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import Echo, declare, identity
from triton import Triton, call

from pyflink_triton.errors import OptionError, RowError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.runtime.messages import OpenRequest
from pyflink_triton.runtime.open_model import open_model
from pyflink_triton.runtime.operator_limits import rows_in_flight
from pyflink_triton.runtime.predictor import Predictor
from pyflink_triton.schema.binding import Column, bind_columns
from pyflink_triton.schema.derived import derive_inputs
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES

EDGES = [4, 8, 16]
Rows = list[Any]


def spec(name: str, datatype: str = "INT64", *dims: int) -> TensorSpec:
    return TensorSpec(name, DATATYPES[datatype], dims or (-1,))


X, Y, M = spec("x"), spec("y"), spec("m")
TWO = identity(X, Y, M)


def pad(edges: Sequence[int] = (2, 4), mask: str | None = None, **more: Any) -> dict[str, Any]:
    return {"edges": list(edges), "mask": mask, **more}


def batch(*columns: tuple[str, Rows]) -> pa.RecordBatch:
    arrays = [pa.array(values, parse_type(type_, "x").arrow) for type_, values in columns]
    return pa.record_batch(arrays, names=[f"c{n}" for n in range(len(arrays))])


def run(made: Predictor, *columns: tuple[str, Rows]) -> tuple[list[Rows], dict[int, str]]:
    prediction = asyncio.run(made.predict(batch(*columns)))
    prediction.outputs.validate(full=True)
    return [column.to_pylist() for column in prediction.outputs.columns], prediction.errors


def test_rows_take_the_least_edge_that_holds_them_and_a_longer_one_its_own_length() -> None:
    echo = Echo()
    made = declare(
        identity(spec("x"), spec("m")), echo, ["x ARRAY<BIGINT>"], ["x ARRAY<BIGINT>", "m ARRAY<BIGINT>"],
        pad=json.dumps({"x": pad(mask="m", value=7, untrimmed=["x", "m"])}),
    )  # fmt: skip
    rows = [[1], [2, 3], [], None, [4, 5, 6], [7, 8, 9, 10, 11]]
    (x, m), errors = run(made, ("ARRAY<BIGINT>", rows))
    assert errors == {}
    assert x == [[1, 7], [2, 3], [7, 7], None, [4, 5, 6, 7], [7, 8, 9, 10, 11]]
    assert m == [[1, 0], [1, 1], [0, 0], None, [1, 1, 1, 0], [1] * 5]
    assert echo.shapes == [[3, 2], [1, 4], [1, 5]]


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "BYTES"])
def test_a_mask_has_ones_and_zeros_in_its_own_datatype(datatype: str) -> None:
    type_ = DATATYPES[datatype].sql
    made = declare(
        identity(spec("x"), spec("m", datatype)), Echo(), ["x ARRAY<BIGINT>"], [f"m ARRAY<{type_}>"],
        pad=json.dumps({"x": pad(mask="m", untrimmed=["m"])}),
    )  # fmt: skip
    (m,), errors = run(made, ("ARRAY<BIGINT>", [[1], [2, 3, 4]]))
    assert errors == {}
    assert [[bool(each) for each in row] for row in m] == [[True, False], [True, True, True, False]]


@pytest.mark.parametrize(
    ("dims", "type_", "value"),
    [
        ((-1,), "ARRAY<BIGINT>", [1, 2, 3]),
        ((-1, 2), "ARRAY<ARRAY<BIGINT>>", [[1, 2], [3, 4], [5, 6]]),
        ((-1, 2), "ARRAY<BIGINT>", [1, 2, 3, 4, 5, 6]),
        ((2, -1), "ARRAY<ARRAY<BIGINT>>", [[1, 2, 3], [4, 5, 6]]),
        ((2, -1, 1), "ARRAY<ARRAY<ARRAY<BIGINT>>>", [[[1], [2], [3]], [[4], [5], [6]]]),
        ((-1, 2), "BYTES", np.arange(6).tobytes()),
    ],
    ids=str,
)
def test_an_output_is_trimmed_to_the_rows_own_length(dims: tuple[int, ...], type_: str, value: Any) -> None:
    echo = Echo()
    x = spec("x", "INT64", *dims)
    made = declare(identity(x), echo, [f"x {type_}"], [f"x {type_}"], pad=json.dumps({"x": pad((5, 9), outputs=["x"])}))
    assert run(made, (type_, [value, None, value])) == ([[value, None, value]], {})
    assert echo.shapes == [[2, *(5 if dim == -1 else dim for dim in dims)]]


def test_texts_are_padded_with_a_text() -> None:
    echo = Echo()
    texts = [["a", "ünï", ""], ["b"], [], None, ["c"] * 7]
    signature = identity(spec("x", "BYTES", -1, 1))
    for options, expected in (
        (pad((4,), value="<pad>", untrimmed=["x"]), [["a", "ünï", "", "<pad>"], ["b", *["<pad>"] * 3], ["<pad>"] * 4]),
        (pad((4,), outputs=["x"]), texts[:3]),
    ):
        made = declare(signature, echo, ["x ARRAY<STRING>"], ["x ARRAY<STRING>"], pad=json.dumps({"x": options}))
        assert run(made, ("ARRAY<STRING>", texts)) == ([[*expected, None, ["c"] * 7]], {})
    assert echo.shapes == [[3, 4, 1], [1, 7, 1]] * 2


def test_tensors_with_one_mask_have_one_length_in_each_row() -> None:
    echo, metrics = Echo(), Metrics()
    signature = identity(spec("x"), spec("y", "FP32"), spec("m", "BOOL"))
    options = {"x": pad(mask="m", outputs=["x", "m"]), "y": pad(mask="m", value=-0.5, outputs=["y"])}
    columns = ["x ARRAY<BIGINT>", "y ARRAY<FLOAT>"]
    made = declare(signature, echo, columns, [*columns, "m ARRAY<BOOLEAN>"], metrics=metrics, pad=json.dumps(options))
    got, errors = run(made, ("ARRAY<BIGINT>", [[1], [2, 2], [3, 3]]), ("ARRAY<FLOAT>", [[1.0], [2.0], [3.0, 3.0]]))
    assert errors == {1: "columns 'x' and 'y' hold arrays of unequal lengths"}
    assert got == [[[1], None, [3, 3]], [[1.0], None, [3.0, 3.0]], [[True], None, [True, True]]]
    assert echo.shapes == [[2, 2]]
    taken = metrics.take()
    assert taken is not None
    assert taken["counters"] == {
        "requests": 3, "success": 2, "failure": 1, "output_rows": 2, "http_requests": 1, "rejected_rows": 1,
    }  # fmt: skip


def test_a_mask_that_a_column_gives_is_padded_with_zero() -> None:
    made = declare(
        identity(spec("x"), spec("m")), Echo(), ["x ARRAY<BIGINT>", "m ARRAY<BIGINT>"],
        ["x ARRAY<BIGINT>", "m ARRAY<BIGINT>"], pad=json.dumps({"x": pad(mask="M", value=9, untrimmed=["x", "m"])}),
    )  # fmt: skip
    got, errors = run(made, ("ARRAY<BIGINT>", [[1], [2, 3, 4]]), ("ARRAY<BIGINT>", [[1], [1, 0, 1]]))
    assert (got, errors) == ([[[1, 9], [2, 3, 4, 9]], [[1, 0], [1, 0, 1, 0]]], {})


def test_no_row_is_padded_without_the_mask_that_its_column_leaves_out() -> None:
    signature = ModelSignature("m", (X, TensorSpec("m", DATATYPES["INT64"], (-1,), optional=True)), (X,), 8)
    columns = ["x ARRAY<BIGINT>", "m ARRAY<BIGINT>"]
    made = declare(signature, Echo(), columns, ["x ARRAY<BIGINT>"], pad=json.dumps({"x": pad(mask="m", outputs=["x"])}))
    got, errors = run(made, ("ARRAY<BIGINT>", [[1], [], [2]]), ("ARRAY<BIGINT>", [None, None, [1]]))
    assert got == [[None, None, [2]]]
    assert errors.keys() == {0, 1}
    assert "column 'm' is NULL" in errors[1]


def shorten(outputs: list[Any]) -> None:
    """Let the first output have one entry."""
    (entry, data), entry_rows = outputs[0], outputs[0][0]["shape"][0]
    outputs[0] = ({**entry, "shape": [entry_rows, 1]}, data[: 8 * entry_rows])


def test_an_output_of_another_length_fails_its_rows() -> None:
    made = declare(
        identity(spec("x")), Echo(shorten), ["x ARRAY<BIGINT>"], ["x ARRAY<BIGINT>"],
        pad=json.dumps({"x": pad(outputs=["x"])}),
    )  # fmt: skip
    got, errors = run(made, ("ARRAY<BIGINT>", [[1], [2, 3], None]))
    assert got == [[None, None, None]]
    assert errors.keys() == {0, 1}
    assert "the output 'x' is not as long as what option 'pad.x' padded" in errors[0]
    told = declare(
        identity(spec("x"), spec("k", "INT64", 1)), Echo(shorten), ["x ARRAY<BIGINT>", "k BIGINT"],
        ["x ARRAY<BIGINT>", "k BIGINT", "ms DOUBLE", "why STRING", "code STRING"],
        pad=json.dumps({"x": pad(outputs=["x"])}), latency_column="ms", error_column="why", error_code_column="code",
    )  # fmt: skip
    (x, k, ms, why, code), errors = run(told, ("ARRAY<BIGINT>", [[1], [2], None]), ("BIGINT", [7, 8, 9]))
    assert errors == {}
    assert x == k == ms == [None] * 3
    assert [each is None for each in why] == [False, False, True]
    assert code == ["INVALID_ANSWER", "INVALID_ANSWER", None]


def test_an_output_of_another_length_is_not_kept_for_rows_that_come_again() -> None:
    echo, metrics = Echo(shorten), Metrics()
    made = declare(
        identity(X), echo, ["x ARRAY<BIGINT>"], ["x ARRAY<BIGINT>", "why STRING"], metrics=metrics,
        pad=json.dumps({"x": pad(outputs=["x"])}), cache_max_bytes="1 mb", error_column="why",
    )  # fmt: skip

    async def twice() -> list[Any]:
        return [await made.predict(batch(("ARRAY<BIGINT>", [[1]]))) for _ in range(2)]

    for prediction in asyncio.run(twice()):
        ((x,), (why,)) = (column.to_pylist() for column in prediction.outputs.columns)
        assert x is None
        assert why.startswith("the output 'x' is not as long")
    taken = metrics.take()
    assert taken is not None
    assert (len(echo.requests), taken["counters"]["cache_misses"], taken["counters"]["cache_hits"]) == (2, 2, 0)


def test_a_row_that_the_server_refuses_fails_alone() -> None:
    """The others go again without it, padded as they were."""

    class Refusing(Echo):
        async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
            answer = await super().infer(header, tensors)
            if (np.frombuffer(tensors[0], np.int64) == 13).any():
                raise RowError("the server does not like a row", splits=True)
            return answer

    server = Refusing()
    made = declare(
        identity(spec("x"), spec("m")), server, ["x ARRAY<BIGINT>"], ["x ARRAY<BIGINT>"],
        pad=json.dumps({"x": pad(EDGES, "m", outputs=["x"])}),
    )  # fmt: skip
    got, errors = run(made, ("ARRAY<BIGINT>", [[1], [2, 3], [4, 13], None, [5, 6, 7, 8]]))
    assert got == [[[1], [2, 3], None, None, [5, 6, 7, 8]]]
    assert errors == {2: "the server does not like a row"}
    assert server.shapes[0] == [4, 4]
    assert {shape[1] for shape in server.shapes} == {4}


def test_random_rows_equal_those_without_padding() -> None:
    random = Random(16)
    for _ in range(30):
        rows = [
            None if random.random() < 0.1 else [random.randrange(2**62) for _ in range(random.choice([0, 1, 3, 9, 20]))]
            for _ in range(random.randint(1, 60))
        ]
        made = declare(
            identity(spec("x"), spec("m"), max_batch_size=random.choice([0, 1, 8])), Echo(), ["x ARRAY<BIGINT>"],
            ["x ARRAY<BIGINT>"], pad=json.dumps({"x": pad(random.choice([[1], EDGES]), "m", outputs=["x"])}),
            max_request_bytes=random.choice(["1", "300", "32 mb"]),
        )  # fmt: skip

        async def together(predictor: Predictor, parts: Sequence[Rows]) -> list[Rows]:
            batches = (batch(("ARRAY<BIGINT>", part)) for part in parts)
            done = await asyncio.gather(*map(predictor.predict, batches))
            return [each.outputs.column(0).to_pylist() for each in done]

        parts = [rows[:3], rows[3:]]
        assert asyncio.run(together(made, parts)) == parts


def test_a_worker_holds_no_more_rows_than_fit_once_they_are_padded() -> None:
    signature = identity(spec("x", "FP32", -1, 80), M)
    for edges, most in (((2, 4000), 7500), ((3000, 4000), (256 << 20) // (3000 * (80 * 4 + 8)))):
        options = parse_options(
            {"endpoint": "http://t", "model-name": "m", "pad.x": json.dumps(pad(edges, "m", untrimmed=["x", "m"]))}
        )
        given, gives = (
            [Column(tensor.name, tensor.sql_type) for tensor in side]
            for side in (signature.inputs[:1], signature.outputs)
        )
        assert rows_in_flight(512, bind_columns(signature, given, gives, options=options), options) == most


def test_a_derived_input_has_no_column_for_the_mask() -> None:
    written = {"endpoint": "http://t", "model-name": "m", "pad.x": json.dumps(pad(mask="M"))}
    derived = derive_inputs(identity(spec("x"), spec("m")), parse_options(written))
    assert [str(column) for column in derived] == ["x ARRAY<BIGINT>"]


def pads_with(options: dict[str, Any]) -> str | None:
    """The first mask that is named."""
    return next((each["mask"] for each in options.values() if isinstance(each, dict) and each.get("mask")), None)


@pytest.mark.parametrize(
    ("signature", "options", "words"),
    [
        (TWO, {"z": pad()}, ["'pad.z'", "no tensor that an input column gives", "x INT64[-1]"]),
        (identity(spec("x", "INT64", 3)), {"x": pad()}, ["one dim of any size", "has 0", "Leave it out"]),
        (identity(spec("x", "INT64", -1, -1)), {"x": pad()}, ["one dim of any size", "has 2"]),
        (identity(spec("x", "BYTES", 2, -1)), {"x": pad()}, ["pads texts along their first dim"]),
        (TWO, {"x": pad([])}, ["no ascending lengths above 0", "write it as"]),
        (TWO, {"x": pad([4, 2])}, ["no ascending lengths above 0"]),
        (TWO, {"x": pad([0, 2])}, ["no ascending lengths above 0"]),
        (TWO, {"x": pad([2, 2])}, ["no ascending lengths above 0"]),
        (TWO, {"x": pad([True])}, ["no ascending lengths above 0"]),
        (TWO, {"x": {"edges": ["4"], "mask": None}}, ["no ascending lengths above 0"]),
        (TWO, {"x": pad(edge=3)}, ["the key 'edge'"]),
        (TWO, {"x": {"edges": [4]}}, ["no mask", '"mask": null']),
        (TWO, {"x": pad(mask="")}, ["a mask or a value"]),
        (TWO, {"x": 3}, ["does not say in JSON"]),
        (TWO, {"x": pad(outputs="x")}, ["no list of texts"]),
        (TWO, {"x": pad(value="many")}, ["INT64 cannot hold", "Give it a value of BIGINT"]),
        (TWO, {"x": pad(value=2**63)}, ["INT64 cannot hold"]),
        (identity(spec("x", "FP16")), {"x": pad(value=70000)}, ["FP16 cannot hold"]),
        (identity(spec("x", "UINT8")), {"x": pad(value=-1)}, ["UINT8 cannot hold"]),
        (identity(spec("x", "BYTES")), {"x": pad(value=0)}, ["BYTES cannot hold"]),
        (TWO, {"x": pad(mask="other")}, ["the mask 'other', which is none", "Name the input of the model"]),
        (identity(X, spec("m", "BYTES")), {"x": pad(mask="m")}, ["holds no numbers"]),
        (identity(X, spec("m", "INT64", 1)), {"x": pad(mask="m")}, ["a mask has one dim of any size"]),
        (TWO, {"x": pad(mask="m"), "y": pad([8], "m")}, ["other edges", "Give both the same edges"]),
        (TWO, {"x": pad()}, ["does not say whether the output x", 'Name it in "outputs"']),
        (identity(X, spec("y", "INT64", 3)), {"x": pad(outputs=["x", "y"])}, ["has 0", 'Name it in "untrimmed"']),
        (TWO, {"x": pad(outputs=["x"], untrimmed=["x", "y", "m"])}, ["'x' more than once", "Leave one out"]),
        (TWO, {"x": pad(), "X": pad()}, ["the tensor 'x' twice"]),
        (TWO, {"x": pad(mask="X", outputs=["x"])}, ["as its own mask", "Name the input of the model"]),
        (
            TWO,
            {"x": pad(mask="m", untrimmed=["x", "y", "m"]), "y": pad(mask="m"), "m": pad()},
            ["'pad.m' names no tensor that an input column gives"],
        ),
        (TWO, {"x": pad(outputs=["x", "xs"])}, ["names the output 'xs'", "one of these tensors: x INT64[-1]"]),
        (TWO, {"x": pad(untrimmed=["xs"])}, ["names the output 'xs'", "one of these tensors: x INT64[-1]"]),
        (ModelSignature("m", (X,), (X,), 8, decoupled=True), {"x": pad()}, ["is decoupled", "Leave it out"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_padded_is_refused_when_planned(
    signature: ModelSignature, options: dict[str, Any], words: Sequence[str]
) -> None:
    columns = [f"{tensor.name} {tensor.sql_type}" for tensor in signature.inputs if tensor.name != pads_with(options)]
    outputs = [f"{tensor.name} {tensor.sql_type}" for tensor in signature.outputs]
    with pytest.raises(OptionError) as error:
        declare(signature, Echo(), columns, outputs, pad=json.dumps(options))
    for word in words:
        assert word in str(error.value)


def test_other_refusals() -> None:
    with pytest.raises(OptionError, match="is optional"):
        declare(
            ModelSignature("m", (TensorSpec("x", DATATYPES["INT64"], (-1,), optional=True),), (Y,), 8), Echo(),
            ["x ARRAY<BIGINT>"], ["y ARRAY<BIGINT>"], pad=json.dumps({"x": pad()}),
        )  # fmt: skip
    flat = identity(spec("x", "INT64", 2, -1))
    with pytest.raises(OptionError, match="declare it ARRAY<ARRAY<BIGINT>>"):
        declare(flat, Echo(), ["x ARRAY<BIGINT>"], ["x ARRAY<BIGINT>"], pad=json.dumps({"x": pad(outputs=["x"])}))
    columns = ["x ARRAY<BIGINT>", "m ARRAY<BIGINT>"]
    both = {"x": pad(mask="m", untrimmed=["x", "m"]), "m": pad((8,))}
    with pytest.raises(OptionError, match=r"'pad\.m' and 'pad\.x' would both pad 'm'. Leave"):
        declare(identity(X, M), Echo(), columns, columns, pad=json.dumps(both))
    for responses, type_ in (("array", "ARRAY<ARRAY<BIGINT>>"), ("rows", "ARRAY<BIGINT>")):
        with pytest.raises(OptionError, match=r"'pad' and 'responses' = '.*' are both set"):
            declare(
                identity(X), Echo(), ["x ARRAY<BIGINT>"], [f"x {type_}"], responses=responses,
                pad=json.dumps({"x": pad(outputs=["x"])}),
            )  # fmt: skip
    with pytest.raises(OptionError, match="declare it ARRAY<BIGINT>"):
        declare(identity(X), Echo(), ["x ARRAY<BIGINT>"], ["x BIGINT"], pad=json.dumps({"x": pad(outputs=["x"])}))


def counts(triton: Triton, model: str) -> np.ndarray[Any, Any]:
    (stats,) = json.loads(call(triton.http_url, "GET", f"/v2/models/{model}/stats"))["model_stats"]
    return np.array([stats["inference_count"], stats["execution_count"]])


def answers(
    triton: Triton, rows: Sequence[Sequence[Any]], served: str = "masked", inputs: str = "ids", **pads: Any
) -> list[tuple[Any, ...]]:
    """The sum and the doubled ids of each row, by a real server, and the width of its request."""
    written = {f"pad.{key}": json.dumps(value) for key, value in pads.items()}
    types = {"ids": "ARRAY<BIGINT>", "kinds": "ARRAY<INT>", "mask": "ARRAY<INT>"}
    request: OpenRequest = {
        "model": "m",
        "options": {"endpoint": triton.http_url, "model-name": served, **written},
        "input": [{"name": name, "type": types[name]} for name in inputs.split()],
        "output": [
            {"name": "total", "type": "BIGINT"},
            {"name": "doubled", "type": "ARRAY<BIGINT>"},
            {"name": "width", "type": "BIGINT"},
        ],
        "task": {"subtask": 0, "parallelism": 1},
    }

    async def predict() -> list[tuple[Any, ...]]:
        opened = await open_model(request, Metrics())
        try:
            columns = [(types[name], [row[place] for row in rows]) for place, name in enumerate(inputs.split())]
            prediction = await opened.predictor.predict(batch(*columns))
        finally:
            await opened.close()
        assert prediction.errors == {}
        return list(zip(*(column.to_pylist() for column in prediction.outputs.columns), strict=True))

    return asyncio.run(predict())


def texts(count: int, *lengths: int) -> list[list[Any]]:
    random = Random(4)
    return [[[random.randrange(1, 900) for _ in range(random.choice(lengths))]] for _ in range(count)]


def test_a_real_model_answers_the_same_in_few_full_requests(triton: Triton) -> None:
    rows = texts(300, *range(21))
    padding = {"edges": EDGES, "value": 5, "mask": "mask", "outputs": ["doubled"]}
    plain = answers(triton, [(ids, [1] * len(ids)) for (ids,) in rows], inputs="ids mask")
    before = counts(triton, "masked")
    padded = answers(triton, rows, ids=padding)
    answered, requests = counts(triton, "masked") - before
    assert [row[:2] for row in padded] == [row[:2] for row in plain]
    assert [row[:2] for row in plain] == [(sum(ids), [2 * each for each in ids]) for (ids,) in rows]
    assert answered == 300
    assert requests <= 20  # edges and lengths beyond them are 7 shapes; without padding there are 21
    assert {len(row[1]): row[2] for row in padded} == {
        length: next((edge for edge in EDGES if edge >= length), length) for length in range(21)
    }


def test_an_answer_does_not_depend_on_its_neighbours(triton: Triton) -> None:
    padding = {"edges": EDGES, "value": 1, "mask": None, "outputs": ["doubled"]}
    row = [[5, 6, 7, 8, 9]]
    alone = answers(triton, [row], "masked_free", ids=padding)
    assert alone == [(35 + 3, [10, 12, 14, 16, 18], 8)]  # without a mask the padding counts, but always in the same way
    for others in (texts(20, 1, 2), texts(20, 5, 7), texts(20, 30), texts(90, 0, 3, 12, 16, 17)):
        assert answers(triton, [*others, row], "masked_free", ids=padding)[-1:] == alone


def test_a_real_model_takes_two_tensors_that_are_padded_together(triton: Triton) -> None:
    rows: list[list[Any]] = [[[1, 2, 3], [4, 5, 6]], [[1], [0]], [None, [1]], [[], []], [[2] * 17, [1] * 17]]
    padding = {"edges": EDGES, "mask": "mask"}
    got = answers(
        triton, rows, "masked_pair", "ids kinds",
        ids={**padding, "outputs": ["doubled"]}, kinds={**padding, "value": 3},
    )  # fmt: skip
    assert got == [
        (15006, [8002, 10004, 12006], 4), (1, [2], 4), (None, None, None), (0, [], 4), (17034, [2004] * 17, 17),
    ]  # fmt: skip
