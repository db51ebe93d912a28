"""The content of tensors as bytes: each bit goes there and comes back, in place, and a wrong length costs its row."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import Echo, declare, identity, predictor

from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.runtime.predictor import Prediction
from pyflink_triton.schema.binding import Column, TensorBinding
from pyflink_triton.tensors.decode import decode
from pyflink_triton.tensors.encode import encode
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES

NUMBERS = [name for name in DATATYPES if name != "BYTES"]


def run(spec: TensorSpec, rows: list[Any], echo: Echo | None = None, batch: int = 64) -> tuple[Any, dict[int, str]]:
    made = predictor(identity(spec, max_batch_size=batch), echo or Echo(), ["BYTES"])
    return _predict(made, rows)


def _predict(made: Any, rows: list[Any]) -> tuple[Any, dict[int, str]]:
    column = pa.array(rows, pa.binary())
    prediction: Prediction = asyncio.run(made.predict(pa.record_batch([column], names=["c0"])))
    prediction.outputs.validate(full=True)
    return prediction.outputs.column(0).to_pylist(), prediction.errors


@pytest.mark.parametrize("batch", [0, 1, 64])
@pytest.mark.parametrize("dims", [(), (1,), (2, 3), (-1,), (2, -1, 3)])
@pytest.mark.parametrize("datatype", NUMBERS)
def test_any_bytes_of_a_length_that_fits_go_round(datatype: str, dims: tuple[int, ...], batch: int) -> None:
    """Also those that are no number: signalling NaN with payloads, and a BOOL of 0x7f."""
    random, spec = Random(f"{datatype}{dims}"), TensorSpec("x", DATATYPES[datatype], dims)
    unit = spec.datatype.itemsize * int(np.prod([dim for dim in dims if dim != -1]))
    rows: list[Any] = [random.randbytes(unit * (random.randrange(4) if -1 in dims else 1)) for _ in range(40)]
    rows += [b"\xff" * unit, b"\x7f" * unit, None]
    random.shuffle(rows)
    assert run(spec, rows, batch=batch) == (rows, {})


def test_the_content_is_little_endian_and_row_major() -> None:
    matrix = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "<f4")
    spec, nested = TensorSpec("x", DATATYPES["FP32"], (2, 3)), "ARRAY<ARRAY<FLOAT>>"
    made = predictor(identity(spec), Echo(), ["BYTES"], outputs=[nested])
    assert _predict(made, [matrix.tobytes()]) == ([matrix.tolist()], {})
    made = predictor(identity(spec), Echo(), [nested], outputs=["BYTES"])
    batch = pa.record_batch([pa.array([matrix.tolist()], pa.list_(pa.list_(pa.float32())))], names=["c0"])
    assert asyncio.run(made.predict(batch)).outputs.column(0).to_pylist() == [matrix.tobytes()]


def test_rows_of_one_length_share_a_request() -> None:
    spec, echo = TensorSpec("x", DATATYPES["INT16"], (-1, 2)), Echo()
    rows = [bytes(4 * (n % 3)) for n in range(9)]
    assert run(spec, rows, echo) == (rows, {})
    assert sorted(echo.shapes) == [[3, 0, 2], [3, 1, 2], [3, 2, 2]]


@pytest.mark.parametrize(
    ("dims", "wrong", "words"),
    [
        ((3,), [b"", bytes(11), bytes(13), bytes(24)], "has {} bytes, and the tensor x FP32[3] takes 12 bytes"),
        (
            (-1, 3),
            [bytes(1), bytes(11), bytes(25)],
            "has {} bytes, and the tensor x FP32[-1, 3] takes a multiple of 12",
        ),
        ((), [b"", bytes(3), bytes(8)], "has {} bytes, and the tensor x FP32[] takes 4 bytes"),
    ],
)
def test_a_row_of_another_length_fails_alone(dims: tuple[int, ...], wrong: list[bytes], words: str) -> None:
    spec, echo = TensorSpec("x", DATATYPES["FP32"], dims), Echo()
    good = bytes(range(12 if dims else 4))
    rows: list[Any] = [good, None]
    for value in wrong:
        rows += [value, good]
    got, errors = run(spec, rows, echo)
    assert got == [row if row == good else None for row in rows]
    assert len(echo.requests) == 1
    places = [n for n, row in enumerate(rows) if row not in (good, None)]
    assert sorted(errors) == places
    for place in places:
        said = words.format(len(rows[place])).replace("has 1 bytes", "has 1 byte")
        assert f"column 'x' {said}" in errors[place]


def test_a_failed_row_is_null_with_its_message() -> None:
    spec = TensorSpec("x", DATATYPES["UINT8"], (2,))
    made = declare(
        identity(spec), Echo(), ["x BYTES"], ["x BYTES", "why STRING"], error_column="why", default_value="null"
    )
    batch = pa.record_batch([pa.array([b"ab", b"a", None], pa.binary())], names=["c0"])
    prediction = asyncio.run(made.predict(batch))
    assert prediction.outputs.column(0).to_pylist() == [b"ab", None, None]
    assert prediction.outputs.column(1).to_pylist()[::2] == [None, None]
    assert (
        "column 'x' has 1 byte, and the tensor x UINT8[2] takes 2 bytes" in prediction.outputs.column(1).to_pylist()[1]
    )
    assert prediction.errors == {}


def test_rows_that_lie_together_and_answers_are_views() -> None:
    """No byte is copied between Arrow's buffer and the request's, nor between the response's and Arrow's."""
    tensor = TensorSpec("x", DATATYPES["FP32"], (4,))
    type_ = parse_type("BYTES", "x")
    binding = TensorBinding(Column("x", type_), tensor, type_)
    column = pa.array([bytes([n]) * 16 for n in range(10)], pa.binary())

    def never(*_: Any) -> None:
        raise AssertionError

    for part in (column, column.slice(2, 5)):
        encoded = encode(binding, part, never)
        body = np.frombuffer(encoded.gather(np.arange(1, 4)), np.uint8)
        assert body.ctypes.data == part.buffers()[2].address + 16 * (part.offset + 1)
        assert bytes(encoded.gather(np.array([0, 2, 3]))) == b"".join(part[n].as_py() for n in (0, 2, 3))
    data = bytes(range(64))
    answer = decode(binding, (4,), memoryview(data), 4, never)
    assert answer.buffers()[2].address == pa.py_buffer(data).address
    assert answer.to_pylist() == [data[n : n + 16] for n in range(0, 64, 16)]


@pytest.mark.parametrize("dims", [(3,), (-1,)])
def test_rows_apart_are_gathered_whatever_lies_between(dims: tuple[int, ...]) -> None:
    """Rows that are NULL, of another length, or cut off at either end of the column."""
    random, spec = Random(7), TensorSpec("x", DATATYPES["INT64"], dims)
    whole = [random.choice([None, random.randbytes(24), random.randbytes(23)]) for _ in range(200)]
    column = pa.array(whole, pa.binary()).slice(20, 150)
    made = predictor(identity(spec, max_batch_size=7), Echo(), ["BYTES"])
    prediction = asyncio.run(made.predict(pa.record_batch([column], names=["c0"])))
    good = [row if row is None or len(row) == 24 else None for row in whole[20:170]]
    assert prediction.outputs.column(0).to_pylist() == good
    assert sorted(prediction.errors) == [n for n, row in enumerate(whole[20:170]) if row and len(row) == 23]
