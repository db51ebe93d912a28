"""Answers that break the protocol or the model's promise fail the job; they never become a value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from fakes import Echo, Entry, identity, predictor, response

from pyflink_triton.datatypes import DATATYPES
from pyflink_triton.errors import ContractError
from pyflink_triton.signature import TensorSpec
from pyflink_triton.wire import HEADER_LENGTH

Answer = list[tuple[Entry, bytes]]
X = TensorSpec("x", DATATYPES["FP32"], (1,))
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
        (lambda answer: answer.clear(), "lacks the output 'x'"),
        (set_field("name", "y"), "lacks the output 'x'"),
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
        (set_field("parameters", {"binary_data_size": -8}), "not binary"),
        (set_field("parameters", {"binary_data_size": "8"}), "not binary"),
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
        ({HEADER_LENGTH: "abc"}, GOOD),
        ({HEADER_LENGTH: "-1"}, GOOD),
        ({HEADER_LENGTH: "99999"}, GOOD),
        ({HEADER_LENGTH: "3"}, GOOD),
        ({HEADER_LENGTH: "9" * 5000}, GOOD),
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


def test_an_output_that_was_not_asked_for_is_passed_over() -> None:
    def extra(answer: Answer) -> None:
        answer.insert(0, ({"name": "other", "datatype": "FP32", "shape": [1]}, b"\0" * 4))

    prediction = asyncio.run(predictor(identity(X), Echo(extra), ["FLOAT"]).predict(BATCH))
    assert prediction.outputs.column(0).to_pylist() == [1.0, 2.0]


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
