"""Answers that break the protocol or the model's promise fail the job; they never become a value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import Echo, Entry, identity, predictor, response

from pyflink_triton.errors import ContractError
from pyflink_triton.model.scheduling import STATELESS, UNKNOWN, Scheduling
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.protocol.kserve_v2 import HEADER_KEY, read_response
from pyflink_triton.types.triton import DATATYPES

Answer = list[tuple[Entry, bytes]]
X = TensorSpec("x", DATATYPES["FP32"], (1,))
#: The parameters of an output whose values are in the JSON.
NO_BYTES = {"binary_data_size": None}
TEXT = TensorSpec("x", DATATYPES["BYTES"], (1,))
BATCH = pa.record_batch([pa.array([1.0, 2.0], pa.float32())], names=["c0"])


def set_field(name: str, value: Any) -> Callable[[Answer], None]:
    def change(answer: Answer) -> None:
        answer[0][0][name] = value

    return change


def set_data(data: bytes) -> Callable[[Answer], None]:
    def change(answer: Answer) -> None:
        answer[0] = (answer[0][0], data)

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda answer: answer.append(answer[0]), "has the output 'x' twice"),
        (set_field("datatype", "INT32"), "is INT32, and the model promised FP32"),
        (set_field("datatype", None), "the model promised FP32"),
        (set_field("shape", [1, 1]), "for 2 rows"),
        (set_field("shape", [2, 2]), "the model promised"),
        (set_field("shape", [2]), "the model promised"),
        (set_field("shape", [2, 2**62]), "the model promised"),
        (set_field("shape", [2, -1]), "the model promised"),
        (set_field("shape", "2"), "has no shape"),
        (set_field("parameters", {"binary_data_size": 4}), "4 bytes"),
        (set_field("parameters", {"binary_data_size": 800}), "ends inside the output"),
        (lambda answer: answer.append((answer.pop()[0] | {"data": [1, 2], "parameters": NO_BYTES}, b"")), "not binary"),
        (set_field("parameters", {"binary_data_size": -8}), "bad binary_data_size"),
        (set_field("parameters", {"binary_data_size": "8"}), "bad binary_data_size"),
        (set_field("shape", [1, 2**31, 0]), "the model promised|for 2 rows"),
        (set_data(b"\0" * 4), "has 4 bytes for the shape"),
        (set_data(b"\0" * 12), "has 12 bytes for the shape"),
    ],
)
def test_a_broken_answer_fails_the_job(change: Callable[[Answer], None], what: str) -> None:
    with pytest.raises(ContractError, match=what):
        asyncio.run(predictor(identity(X), Echo(change), ["FLOAT"]).predict(BATCH))


@pytest.mark.parametrize(
    "data", [b"", b"\1\0\0\0a", b"\1\0\0\0a\5\0\0\0b", b"\1\0\0\0a\1\0\0\0bc", b"\xff\xff\xff\xffaaaa", b"\0" * 12]
)
def test_broken_bytes_elements_fail_the_job(data: bytes) -> None:
    batch = pa.record_batch([pa.array(["a", "b"])], names=["c0"])
    with pytest.raises(ContractError, match="output 'x'"):
        asyncio.run(predictor(identity(TEXT), Echo(set_data(data)), ["STRING"]).predict(batch))


def test_bytes_that_reach_into_the_next_answer_fail_the_job() -> None:
    answers = iter([b"\5\0\0\0a", b"\1\0\0\0b" + b"\0" * 4])
    echo = Echo(lambda answer: set_data(next(answers))(answer))
    batch = pa.record_batch([pa.array(["a", "b"])], names=["c0"])
    with pytest.raises(ContractError, match="output 'x'"):
        asyncio.run(predictor(identity(TEXT, max_batch_size=1), echo, ["STRING"]).predict(batch))


class Raw:
    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        self._answer = headers, body

    async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
        return self._answer


GOOD_HEADERS, GOOD = response([({"name": "x", "datatype": "FP32", "shape": [2, 1]}, b"\0" * 8)])


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"<html>it works</html>" + b"x" * 1000),
        ({}, b""),
        ({}, b"[]"),
        ({}, json.dumps({"outputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1, 2]}]}).encode()),
        ({HEADER_KEY: "abc"}, GOOD),
        ({HEADER_KEY: "-1"}, GOOD),
        ({HEADER_KEY: "99999"}, GOOD),
        ({HEADER_KEY: "3"}, GOOD),
        ({HEADER_KEY: "9" * 5000}, GOOD),
        ({}, b"[" * 200_000),
        (
            {},
            json.dumps({"outputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "parameters": None}]}).encode(),
        ),
        (GOOD_HEADERS, GOOD[:-1]),
        (GOOD_HEADERS, GOOD + b"\0"),
    ],
)
def test_an_answer_that_is_none_fails_the_job_and_shows_little_of_it(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(ContractError) as error:
        asyncio.run(predictor(identity(X), Raw(headers, body), ["FLOAT"]).predict(BATCH))
    assert len(str(error.value)) < 400


OTHER: list[tuple[Entry, bytes]] = [
    ({"name": "other", "datatype": "FP32", "shape": [1]}, b"\0" * 4),
    ({"name": "other", "datatype": "FP8", "shape": "none"}, b"\0" * 4),
    ({"name": "other", "datatype": "FP32", "shape": [1], "data": [float("nan")], "parameters": NO_BYTES}, b""),
    ({"name": "other", "parameters": NO_BYTES}, b""),
    ({"name": None}, b"\0" * 4),
]


@pytest.mark.parametrize("others", [*([other] for other in OTHER), OTHER, [OTHER[0], OTHER[0]]], ids=str)
@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_an_output_that_was_not_asked_for_is_passed_over_in_any_form(others: Answer, is_first: bool) -> None:
    def extra(answer: Answer) -> None:
        answer[:] = [*others, *answer] if is_first else [*answer, *others]

    prediction = asyncio.run(predictor(identity(X), Echo(extra), ["FLOAT"]).predict(BATCH))
    assert prediction.outputs.column(0).to_pylist() == [1.0, 2.0]


@pytest.mark.parametrize("shape", [[1], [3], [3, 1, 1], [3, 2], []], ids=str)
def test_a_wrong_shape_is_told_against_what_these_rows_were_promised_for_one_row_and_for_many(shape: list[int]) -> None:
    """Whatever of it happens to be right, as the row count of [2] for two rows."""
    for rows in (1, 2, 5):
        batch = pa.record_batch([pa.array([1.0] * rows, pa.float32())], names=["c0"])
        with pytest.raises(ContractError) as error:
            asyncio.run(predictor(identity(X), Echo(set_field("shape", shape)), ["FLOAT"]).predict(batch))
        promised = f"[{rows}, 1] for {rows} row{'s' * (rows > 1)}"
        assert str(error.value) == f"output 'x' has the shape {shape}, and the model promised {promised}"


def lacks(answer: Answer) -> None:
    answer[:] = [({"name": "other", "datatype": "FP32", "shape": [1]}, b"\0" * 4)]


def test_rows_without_an_output_fail_alone_until_the_model_never_has_it() -> None:
    def batch(rows: int) -> pa.RecordBatch:
        return pa.record_batch([pa.array([1.0] * rows, pa.float32())], names=["c0"])

    async def main() -> None:
        echo = Echo(lacks)
        made = predictor(identity(X), echo, ["FLOAT"])
        errors = (await made.predict(batch(3))).errors
        assert list(errors) == [0, 1, 2]
        assert "lacks the output 'x'" in errors[0]
        assert "'optional-outputs' = 'x'" in errors[0]
        assert len(echo.requests) == 5
        assert len((await made.predict(batch(4))).errors) == 4
        with pytest.raises(ContractError, match=r"8 rows in succession .* lacks the output 'x'"):
            await made.predict(batch(1))

    asyncio.run(main())


@pytest.mark.parametrize(("scheduling", "error"), [(UNKNOWN, None), (STATELESS, ContractError)], ids=str)
def test_a_shape_of_another_request_is_its_rows_fault_where_there_may_be_a_cache(
    scheduling: Scheduling, error: type[ContractError] | None
) -> None:
    """Until no row ever had the right one."""

    async def main() -> None:
        wrong = set_field("shape", [3, 1])
        made = predictor(replace(identity(X), scheduling=scheduling), Echo(wrong), ["FLOAT"])
        for _ in range(3):
            errors = (await made.predict(BATCH)).errors
            assert "and the model promised [1, 1] for 1 row" in errors[0]
            assert "Switch response_cache off" in errors[1]
        with pytest.raises(ContractError, match="8 rows in succession"):
            await made.predict(BATCH)

    if error is None:
        asyncio.run(main())
    else:
        with pytest.raises(error, match="for 2 rows"):
            asyncio.run(main())


def test_an_output_that_was_there_once_never_fails_the_job() -> None:
    async def main() -> None:
        is_there = [True]
        made = predictor(identity(X), Echo(lambda answer: None if is_there[0] else lacks(answer)), ["FLOAT"])
        assert (await made.predict(BATCH)).errors == {}
        is_there[0] = False
        for _ in range(10):
            assert len((await made.predict(BATCH)).errors) == 2

    asyncio.run(main())


@pytest.mark.parametrize("types", [["FLOAT"], ["ARRAY<FLOAT>"]], ids=str)
def test_an_optional_output_is_null_for_the_rows_that_lack_it_alone(types: list[str]) -> None:
    """A request without it says nothing of its single rows."""

    def negative(answer: Answer) -> None:
        if (np.frombuffer(answer[0][1], np.float32) < 0).any():
            answer.clear()

    echo = Echo(negative)
    values = [1.0, -2.0, 3.0, 4.0]
    rows: list[Any] = values if types == ["FLOAT"] else [values]
    batch = pa.record_batch([pa.array(rows, pa.list_(pa.float32()) if len(rows) == 1 else pa.float32())], names=["c0"])
    prediction = asyncio.run(predictor(identity(X), echo, types, optional_outputs="X").predict(batch))
    answers = prediction.outputs.column(0).to_pylist()
    assert answers == ([1.0, None, 3.0, 4.0] if types == ["FLOAT"] else [[1.0, None, 3.0, 4.0]])
    assert prediction.errors == {}
    assert len(echo.requests) == 5


def test_bytes_that_are_not_utf8_cost_their_own_row_only() -> None:
    batch = pa.record_batch([pa.array([b"a", b"\xff", b"\xc3\xa9"])], names=["c0"])
    prediction = asyncio.run(predictor(identity(TEXT), Echo(), ["BYTES"], outputs=["STRING"]).predict(batch))
    assert prediction.outputs.column(0).to_pylist() == ["a", None, "é"]
    assert list(prediction.errors) == [1]
    assert "not UTF-8" in prediction.errors[1]


def test_a_fault_ends_the_other_requests_of_its_batch() -> None:
    class Half:
        ended = 0

        async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
            if json.loads(header)["inputs"][0]["shape"][0] == 1:
                return {}, b"nonsense"
            try:
                await asyncio.sleep(60)
            finally:
                self.ended += 1
            raise AssertionError("it was not ended")

    transport = Half()
    batch = pa.record_batch([pa.array([1.0] * 65, pa.float32())], names=["c0"])
    with pytest.raises(ContractError):
        asyncio.run(predictor(identity(X), transport, ["FLOAT"]).predict(batch))
    assert transport.ended == 1


def test_a_response_to_another_request_is_none() -> None:
    def answer(**fields: str) -> Any:
        entry = {"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}
        text = json.dumps({**fields, "outputs": [entry]}).encode()
        return read_response({HEADER_KEY: str(len(text))}, text + bytes(4), [X], "f00d-17")[0]

    for fields in ({}, {"id": ""}, {"id": "f00d-17"}):
        assert answer(**fields)["x"].shape == (1,)
    for other in ("f00d-1", "f00d-171", "beef-17"):
        with pytest.raises(ContractError, match="another request"):
            answer(id=other)
