"""The JSON of a row for the generate extension, and the responses in its events."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from pyflink_triton.errors import ContractError, RowError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.protocol.generate import StreamError, read_event, write_row
from pyflink_triton.protocol.inference import InputTensor
from pyflink_triton.types.triton import DATATYPES


def spec(datatype: str, *dims: int, name: str = "x") -> TensorSpec:
    return TensorSpec(name, DATATYPES[datatype], dims)


def given(tensor: TensorSpec, data: bytes) -> InputTensor:
    return InputTensor(tensor, tensor.least_dims, [memoryview(data)])


def text(value: str) -> bytes:
    return len(value.encode()).to_bytes(4, "little") + value.encode()


@pytest.mark.parametrize(
    ("tensor", "data", "written"),
    [
        (spec("INT64", 1), np.array([2**63 - 1], "<i8").tobytes(), 2**63 - 1),
        (spec("UINT64"), np.array([2**64 - 1], "<u8").tobytes(), 2**64 - 1),
        (spec("INT8", -1), np.array([-128, 127], "i1").tobytes(), [-128, 127]),
        (spec("INT8", -1), b"", []),
        (spec("FP32", 1), np.array([0.1], "<f4").tobytes(), float(np.float32(0.1))),
        (spec("FP64", 2), np.array([0.1, -0.0], "<f8").tobytes(), [0.1, -0.0]),
        (spec("BOOL", 1), b"\x01", True),
        (spec("BYTES", 1), text('é"\n\u2028'), 'é"\n\u2028'),
        (spec("BYTES", -1), text("a") + text("") + text("c"), ["a", "", "c"]),
        (spec("BYTES", -1), text("a"), ["a"]),
    ],
)
def test_inputs_are_values_or_flat_lists(tensor: TensorSpec, data: bytes, written: Any) -> None:
    assert json.loads(write_row([given(tensor, data)], {})) == {"x": written}


def test_a_float_keeps_its_bits() -> None:
    values = np.random.default_rng(3).integers(0, 2**32, 2000, np.uint32).view("<f4")
    row = json.loads(write_row([given(spec("FP32", -1), values.tobytes())], {}))
    assert np.array_equal(np.array(row["x"], "<f4"), values, equal_nan=True)
    assert b"NaN" in write_row([given(spec("FP32", 1), np.array([math.nan], "<f4").tobytes())], {})


def test_parameters_stand_beside_the_inputs() -> None:
    row = write_row([given(spec("INT32", 1), bytes(4))], {"max_tokens": 5, "stream": True, "stop": "x"})
    assert json.loads(row) == {"x": 0, "parameters": {"max_tokens": 5, "stream": True, "stop": "x"}}


def read(tensor: TensorSpec, value: Any, has_batch_axis: bool = False) -> Any:
    event = json.dumps({"model_name": "m", "model_version": "1", tensor.name: value}).encode()
    return read_event(event, [tensor], has_batch_axis, tensor.name == "error")[0][tensor.name]


@pytest.mark.parametrize(
    ("tensor", "value", "shape", "data"),
    [
        (spec("INT64", 1), 2**63 - 1, (1,), np.array([2**63 - 1], "<i8").tobytes()),
        (spec("UINT64", 1), [2**64 - 1], (1,), np.array([2**64 - 1], "<u8").tobytes()),
        (spec("FP32", -1), [1, 0.5], (2,), np.array([1, 0.5], "<f4").tobytes()),
        (spec("FP32", -1), [], (0,), b""),
        (spec("FP32", 2, -1), [1.0, 2.0, 3.0, 4.0], (2, 2), np.array([1, 2, 3, 4], "<f4").tobytes()),
        (spec("BOOL", 1), True, (1,), b"\x01"),
        (spec("BYTES", -1), "é", (1,), text("é")),
        (spec("BYTES", -1), ["a", "bc"], (2,), text("a") + text("bc")),
    ],
)
def test_outputs_become_tensors(tensor: TensorSpec, value: Any, shape: tuple[int, ...], data: bytes) -> None:
    found = read(tensor, value)
    assert (found.shape, bytes(found.data)) == (shape, data)
    assert read(tensor, value, has_batch_axis=True).shape == (1, *shape)


@pytest.mark.parametrize(
    ("tensor", "value"),
    [
        (spec("INT32", 1), 1.5),
        (spec("INT32", 1), True),
        (spec("INT8", 1), 128),
        (spec("FP32", 1), "1"),
        (spec("BOOL", 1), 1),
        (spec("BYTES", 1), 1),
        (spec("BYTES", 1), None),
        (spec("FP32", 1), [[1.0]]),
        (spec("FP32", 2), [1.0]),
        (spec("FP32", 3, -1), [1.0]),
        (spec("BYTES", 1), "\ud800"),
    ],
)
def test_an_output_that_is_not_as_promised_breaks_the_contract(tensor: TensorSpec, value: Any) -> None:
    with pytest.raises(ContractError, match="output 'x'"):
        read(tensor, value)


def test_events_that_are_no_responses() -> None:
    wanted = [spec("BYTES", 1, name="error")]
    with pytest.raises(StreamError, match="bad row"):
        read_event(b'{"error":"bad row"}', wanted, False)
    # An output may be called so, too.
    assert bytes(read(wanted[0], "fine").data or b"") == text("fine")
    with pytest.raises(RowError, match="not UTF-8"):
        read_event(b'{"model_name":"m","x":"\xff"}', wanted, False)
    for data in (b"", b"[]", b"1", b"{", b"[" * 100_000):
        with pytest.raises(ContractError, match="not a JSON object"):
            read_event(data, wanted, False)
    assert read_event(b'{"model_name":"m"}', wanted, False) == ({}, None)
