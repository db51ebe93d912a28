"""Which outputs a real Triton is asked for, and what becomes of rows whose answer lacks one or is another request's."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from model_repository import Model, Tensor, _floats
from triton import Triton, serving

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import ContractError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.scheduling import UNKNOWN
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import open_model
from pyflink_triton.runtime.planning import DeclaredModel, check
from pyflink_triton.runtime.predictor import Prediction, Predictor
from pyflink_triton.server.environment import ensure_environment
from pyflink_triton.types.sql import parse_type

CACHED = "response_cache { enable: true }"
XS = [Tensor("x", "FP32", (-1,))]


def over_cached(name: str, extra: str = "") -> Model:
    maps = "".join(f', output_map {{ key: "{output}", value: "{output}" }}' for output in "yz")
    step = f'{{ model_name: "plain", model_version: -1, input_map {{ key: "x", value: "x" }}{maps} }}'
    if not extra:
        step = step.replace("plain", "cached")
    extra += f'\nensemble_scheduling {{ step [ {step} ] }}\nplatform: "ensemble"'
    return Model(name, XS, _floats("y", "z"), None, extra=extra)


MODELS = [
    Model("plain", XS, _floats("y", "z"), "sums"),
    Model("cached", XS, _floats("y", "z"), "sums", extra=CACHED),
    over_cached("cached_step"),
    over_cached("cached_ensemble", CACHED),
    Model("cached_matrix", [Tensor("x", "FP32", (-1, -1))], [Tensor("y", "FP32", (-1, -1))], "identity", extra=CACHED),
]


@pytest.fixture(scope="module")
def caching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server with a response cache."""
    libraries = ensure_environment().backends.with_name("caches")
    arguments = ("--cache-config=local,size=1048576", f"--cache-directory={libraries}")
    with serving(tmp_path_factory.mktemp("caching"), MODELS, *arguments) as server:
        yield server


def ask(triton: Triton, model: str, x: Sequence[Sequence[float]], outputs: Sequence[str] | None = None) -> None:
    """Send a request as another client would."""
    values = [value for row in x for value in row]
    request: dict[str, Any] = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [len(x), len(x[0])], "data": values}],
    }
    if outputs is not None:
        request["outputs"] = [{"name": output} for output in outputs]
    url = f"{triton.http_url}/v2/models/{model}/infer"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(request).encode())) as answer:
        assert answer.status == 200


def asked(triton: Triton, model: str, inputs: str, outputs: str, **options: str) -> OpenRequest:
    def columns(text: str) -> list[ColumnType]:
        pairs = (column.split(" ", 1) for column in text.split(", "))
        return [{"name": name, "type": type_} for name, type_ in pairs]

    written = {key.replace("_", "-"): value for key, value in options.items()}
    return {
        "model": "m",
        "options": {"endpoint": triton.http_url, "model-name": model, **written},
        "input": columns(inputs),
        "output": columns(outputs),
    }


def predict(
    triton: Triton, model: str, inputs: str, outputs: str, *batches: Mapping[str, Sequence[Any]], **options: str
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Predict batches, one after the other: the rows' outputs, failed rows as their messages, and the counters."""
    request = asked(triton, model, inputs, outputs, **options)
    metrics = Metrics()

    async def run() -> list[Prediction]:
        opened = await open_model(request, metrics)
        try:
            return [await opened.predictor.predict(record_batch(request, batch)) for batch in batches]
        finally:
            await opened.close()

    rows = [row for prediction in asyncio.run(run()) for row in read(request, prediction)]
    taken = metrics.take()
    assert taken is not None
    return rows, taken["counters"]


def record_batch(request: OpenRequest, batch: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    names = [column["name"] for column in request["input"]]
    types = [parse_type(column["type"], column["name"]).arrow for column in request["input"]]
    return pa.record_batch(
        [pa.array(batch[name], type_) for name, type_ in zip(names, types, strict=True)], names=names
    )


def read(request: OpenRequest, prediction: Prediction) -> list[Any]:
    prediction.outputs.validate(full=True)
    names = [column["name"] for column in request["output"]]
    rows: list[Any] = prediction.outputs.rename_columns(names).to_pylist()
    for row, message in prediction.errors.items():
        rows[row] = message
    return rows


ABC = "a FLOAT, b FLOAT, c FLOAT"


def abc(*values: float) -> dict[str, list[float]]:
    return {"a": list(values), "b": [abs(value) for value in values], "c": [0.0] * len(values)}


@pytest.mark.parametrize("outputs", ["y FLOAT", "y FLOAT, z FLOAT", "w FLOAT", "y FLOAT, z FLOAT, w FLOAT"])
def test_a_part_of_an_ensembles_outputs_costs_no_call(triton: Triton, outputs: str) -> None:
    rows, counters = predict(triton, "parallel", ABC, outputs, abc(*range(30)), warmup="true")
    full = [{"y": float(n), "z": 3.0 * n, "w": 0.0} for n in range(30)]
    assert rows == [{name: row[name] for name in rows[0]} for row in full]
    assert (counters["http_requests"], counters.get("retries")) == (2, None)


def test_an_ensemble_whose_configuration_is_hidden_is_asked_for_all_after_its_first_refusal(triton: Triton) -> None:
    written = asked(triton, "parallel", ABC, "y FLOAT", max_batch_size="10")
    declared, batch = DeclaredModel.parse(written), record_batch(written, abc(*range(40)))

    async def run() -> tuple[list[Any], list[dict[str, int]]]:
        metrics, answers, counted = Metrics(), [], []
        async with ModelClient(declared.options) as client:
            signature = replace(await client.signature(), scheduling=UNKNOWN)
            delivery = Delivery(declared.options, client.transport, metrics)
            made = Predictor(delivery, signature, declared.bind(signature), declared.options, metrics)
            for _ in range(2):
                answers += (await made.predict(batch)).outputs.column(0).to_pylist()
                taken = metrics.take()
                assert taken is not None
                counted.append(taken["counters"])
        return answers, counted

    answers, counted = asyncio.run(run())
    assert answers == [*map(float, range(40))] * 2
    assert (counted[0]["http_requests"], counted[0]["retries"]) == (8, 4)
    assert (counted[1]["http_requests"], counted[1].get("retries")) == (4, None)


#: The outputs that another client asks for; None: all.
FIRST = (["y"], ["z"], ["y", "z"], None)


@pytest.mark.parametrize("model", ["cached", "cached_ensemble"])
@pytest.mark.parametrize("first", FIRST, ids=str)
def test_what_another_client_asked_for_of_a_cached_model(caching: Triton, model: str, first: list[str] | None) -> None:
    """An answer from the cache has the outputs of the request that filled it."""
    seed = 10.0 * FIRST.index(first)
    ask(caching, model, [[seed, 1.0]], first)
    batches = ({"x": [[seed, 1.0]]}, {"x": [[seed, 2.0], [seed, 3.0]]})
    options = {"default_value": "null", "error_column": "why"}
    rows, counters = predict(caching, model, "x ARRAY<FLOAT>", "y FLOAT, z FLOAT, why STRING", *batches, **options)
    expected = [{"y": 2 * (seed + n), "z": 3 * (seed + n), "why": None} for n in (1, 2, 3)]
    if first in (["y"], ["z"]):
        lacking = "z" if first == ["y"] else "y"
        why = rows[0].pop("why")
        assert f"lacks the output '{lacking}'" in why
        assert "response_cache" in why
        assert rows[0] == {"y": None, "z": None}
        rows, expected = rows[1:], expected[1:]
    assert rows == expected
    assert counters["http_requests"] == 2
    # One output alone: the others that the cache brings are passed over.
    for name, factor in (("y", 2), ("z", 3)):
        if first is None or name in first:
            rows, _ = predict(caching, model, "x ARRAY<FLOAT>", f"{name} FLOAT", batches[0])
            assert rows == [{name: factor * (seed + 1)}]


def test_a_job_that_asks_for_a_part_fills_the_cache_for_one_that_asks_for_all(caching: Triton) -> None:
    batch = {"x": [[5.0, 5.0]]}
    assert predict(caching, "cached", "x ARRAY<FLOAT>", "y FLOAT", batch)[0] == [{"y": 20.0}]
    assert predict(caching, "cached", "x ARRAY<FLOAT>", "y FLOAT, z FLOAT", batch)[0] == [{"y": 20.0, "z": 30.0}]


@pytest.mark.parametrize("model", ["cached", "cached_step", "cached_ensemble"])
def test_an_answer_of_another_shape_from_the_cache_costs_no_more_than_its_row(caching: Triton, model: str) -> None:
    seed = 100.0 + 10 * len(model)
    ask(caching, model, [[seed, 1.0, 2.0, 3.0]])
    ask(caching, model, [[seed], [7.0]])
    options = {"default_value": "null", "error_column": "why"}
    columns = ("x ARRAY<FLOAT>", "y FLOAT, why STRING")
    # A batch of those bytes is split, and its rows are others.
    rows, counters = predict(caching, model, *columns, {"x": [[seed, 1.0], [2.0, 3.0]]}, **options)
    assert rows == [{"y": 2 * (seed + 1), "why": None}, {"y": 10.0, "why": None}]
    assert counters["http_requests"] == 3
    rows, _ = predict(caching, model, *columns, {"x": [[seed, 7.0]]}, {"x": [[1.0]]}, **options)
    assert rows[1] == {"y": 2.0, "why": None}
    assert rows[0]["y"] is None
    assert "has the shape [2, 1], and the model promised [1, 1] for 1 row" in rows[0]["why"]
    assert "response_cache" in rows[0]["why"]
    # What the message says to do.
    assert predict(caching, "plain", *columns, {"x": [[seed, 7.0]]}, **options)[0] == [
        {"y": 2 * (seed + 7), "why": None}
    ]


def test_a_cache_that_may_give_wrong_values_is_told_when_planned(caching: Triton) -> None:
    def warnings(model: str, x: str, y: str) -> str:
        return " ".join(asyncio.run(check(DeclaredModel.parse(asked(caching, model, x, y))))["warnings"])

    told = warnings("cached_matrix", "x ARRAY<ARRAY<FLOAT>>", "y ARRAY<ARRAY<FLOAT>>")
    assert "'cached_matrix'" in told
    assert "response_cache" in told
    assert warnings("cached", "x ARRAY<FLOAT>", "y FLOAT") == ""


def test_an_output_that_a_row_lacks_is_its_failure_or_null_where_it_is_optional(triton: Triton) -> None:
    xs = {"x": [1.0, -2.0, None, 3.0]}
    declared = ("x FLOAT", "y FLOAT, z FLOAT")
    rows, counters = predict(triton, "sums", *declared, xs)
    assert [rows[0], *rows[2:]] == [{"y": 2.0, "z": 3.0}, {"y": None, "z": None}, {"y": 6.0, "z": 9.0}]
    assert "lacks the output 'z'" in rows[1]
    assert str(rows[1]).endswith("set 'optional-outputs' = 'z', and it is NULL")
    assert counters["failure"] == 1
    rows, counters = predict(triton, "sums", *declared, xs, optional_outputs="Z")
    assert rows == [{"y": 2.0, "z": 3.0}, {"y": -4.0, "z": None}, {"y": None, "z": None}, {"y": 6.0, "z": 9.0}]
    assert (counters["success"], counters.get("failure", 0)) == (3, 0)
    rows, _ = predict(triton, "sums", *declared, xs, default_value='{"y": 0, "z": -1}')
    assert rows[1] == {"y": 0.0, "z": -1.0}


def test_outputs_that_rows_lack_are_no_refusals_and_lower_no_limit(
    triton: Triton, caplog: pytest.LogCaptureFixture
) -> None:
    batches = [{"x": [-1.0, *map(float, range(1, 64))]}] * 8
    rows, counters = predict(triton, "sums", "x FLOAT", "y FLOAT, z FLOAT", *batches, optional_outputs="z")
    assert [row["z"] for row in rows] == [None, *(3.0 * n for n in range(1, 64))] * 8
    assert counters["http_requests"] == 8 * 13
    assert not caplog.records


def test_a_model_that_never_has_an_output_fails_the_job_unless_it_is_optional(triton: Triton) -> None:
    xs = {"x": [-1.0] * 20}
    with pytest.raises(ContractError, match=r"8 rows in succession .* lacks the output 'z'"):
        predict(triton, "sums", "x FLOAT", "z FLOAT", xs, default_value="null")
    rows, _ = predict(triton, "sums", "x FLOAT", "z FLOAT", xs, optional_outputs="z")
    assert rows == [{"z": None}] * 20
    rows, _ = predict(triton, "sums", "x FLOAT", "z FLOAT", {"x": [1.0]}, xs, default_value="7")
    assert rows == [{"z": 3.0}, *[{"z": 7.0}] * 20]


def test_elements_of_an_array_as_a_batch_are_null_where_they_lack_an_optional_output(triton: Triton) -> None:
    xs = {"x": [[1.0, -2.0], [], None, [-3.0]]}
    declared = ("x ARRAY<FLOAT>", "y ARRAY<FLOAT>, z ARRAY<FLOAT>")
    rows, _ = predict(triton, "sums", *declared, xs, optional_outputs="z")
    assert [row["y"] for row in rows] == [[2.0, -4.0], [], None, [-6.0]]
    assert [row["z"] for row in rows] == [[3.0, None], [], None, [None]]


def test_a_request_of_nothing_is_its_rows_failure_with_the_reason(triton: Triton) -> None:
    batch = {"a": [1.0, None, None], "b": [None, None, 2.0]}
    rows, counters = predict(triton, "either", "a FLOAT, b FLOAT", "y FLOAT", batch, warmup="true")
    assert (rows[0], rows[2]) == ({"y": 1.0}, {"y": 2.0})
    message: Any = rows[1]
    assert message == (
        "all inputs are NULL ('a', 'b'), and Triton counts a request's rows by its inputs. Give one of them a value"
    )
    assert (counters["http_requests"], counters["failure"]) == (3, 1)
