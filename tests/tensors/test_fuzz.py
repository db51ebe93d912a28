"""Random batches through identity models equal their values: any datatypes, shapes, slices, limits and orders."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import Echo, identity, predictor
from soak import IS_SOAK

from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES

SEEDS = range(20 if IS_SOAK else 4)
BATCHES = 100
RANGES = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
#: Those whose values are a type of numpy's.
NARROW: dict[str, Callable[[float], Any]] = {"FP16": np.float16, "FP32": np.float32}


class StrictEcho(Echo):
    """Refuses what Triton would, and answers after a random time."""

    def __init__(self, random: Random, max_batch_size: int) -> None:
        super().__init__()
        self._random = random
        self._max_batch_size = max_batch_size

    async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
        await asyncio.sleep(self._random.random() * 0.001)
        for entry, data in zip(json.loads(header)["inputs"], tensors, strict=True):
            assert count_elements(entry["datatype"], bytes(data)) == math.prod(entry["shape"]), entry
            assert not self._max_batch_size or 1 <= entry["shape"][0] <= self._max_batch_size
        return await super().infer(header, tensors)


def count_elements(datatype: str, data: bytes) -> float:
    if DATATYPES[datatype].is_fixed_size:
        return len(data) / DATATYPES[datatype].itemsize
    position = count = 0
    while position < len(data):
        position += 4 + int(struct.unpack_from("<I", data, position)[0])
        count += 1
    assert position == len(data)
    return count


def value(random: Random, datatype: str) -> Any:
    if datatype in RANGES:
        low, high = RANGES[datatype]
        number = random.choice([low, high, 0, random.randint(low, high)])
        return Decimal(number) if datatype == "UINT64" else number
    if datatype == "BOOL":
        return random.random() < 0.5
    if datatype == "BYTES":
        return "".join(random.choice("aé€😀\0") for _ in range(random.choice([0, 0, 1, 3, 9])))
    if datatype == "BF16":
        return struct.unpack(
            "<f", struct.pack("<I", random.choice([0x3F80, 0x7F80, 1, random.randrange(0x7F80)]) << 16)
        )[0]
    if datatype == "FP64":
        return random.choice([math.inf, random.uniform(-1e300, 1e300), -0.0, 5e-324])
    assert datatype in NARROW, f"values of {datatype} are to be named here"
    return float(NARROW[datatype](random.choice([-0.0, random.uniform(-60000, 60000)])))


def nested(random: Random, datatype: str, shape: Sequence[int]) -> Any:
    if not shape:
        return value(random, datatype)
    return [nested(random, datatype, shape[1:]) for _ in range(shape[0])]


def column(random: Random, datatype: str, dims: tuple[int, ...], depth: int, rows: int) -> list[Any]:
    values = []
    for _ in range(rows):
        shape = [random.choice([0, 1, 2, 4]) if dim == -1 else dim for dim in dims]
        wanted = {0: [], 1: [math.prod(shape)]}.get(depth, shape)
        values.append(None if random.random() < 0.1 else nested(random, datatype, wanted))
    return values


@pytest.mark.parametrize("seed", SEEDS)
def test_random_batches_equal_their_values(seed: int) -> None:
    random = Random(seed)
    for _ in range(BATCHES):
        max_batch_size, rows = random.choice([0, 1, 3, 64]), random.choice([1, 2, 30, 60])
        tensors, types, columns, arrays = [], [], [], []
        for number in range(random.choice([1, 1, 2, 3])):
            datatype = random.choice(list(DATATYPES))
            dims = tuple(random.choice([-1, 1, 2, 3]) for _ in range(random.choice([0, 1, 1, 2, 3])))
            depth = len(dims) if random.random() < 0.7 or dims.count(-1) > 1 else 1
            depth = 0 if dims in ((), (1,)) else depth
            type_ = "ARRAY<" * depth + DATATYPES[datatype].sql + ">" * depth
            values = column(random, datatype, dims, depth, rows)
            padding = values[: random.choice([0, 0, 3])]
            array = pa.array([*padding, *values, *padding], parse_type(type_, "x").arrow).slice(len(padding), rows)
            tensors.append(TensorSpec(f"t{number}", DATATYPES[datatype], dims))
            types.append(type_)
            columns.append(values)
            arrays.append(array)
        echo = StrictEcho(random, max_batch_size)
        limit = random.choice(["32 mb", "64 b", "1 b"])
        batch = pa.record_batch(arrays, names=[f"c{number}" for number in range(len(arrays))])
        signature = identity(*tensors, max_batch_size=max_batch_size)

        async def predict(made: Any = (signature, echo, types, limit), batch: pa.RecordBatch = batch) -> Any:
            signature, echo, types, limit = made
            return await predictor(signature, echo, types, max_request_bytes=limit).predict(batch)

        prediction = asyncio.run(predict())
        prediction.outputs.validate(full=True)
        assert prediction.errors == {}
        expected = [[None] * len(row) if None in row else list(row) for row in zip(*columns, strict=True)]
        got = [list(row) for row in zip(*(output.to_pylist() for output in prediction.outputs.columns), strict=True)]
        assert repr(got) == repr(expected), (tensors, types, max_batch_size)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_arrays_as_batches_equal_their_values(seed: int) -> None:
    random = Random(seed)
    for _ in range(BATCHES):
        rows, max_batch_size = random.choice([1, 2, 30]), random.choice([1, 3, 64])
        datatypes = [random.choice(list(DATATYPES)) for _ in range(random.choice([1, 2, 3]))]
        is_array = [True, *(random.random() < 0.6 for _ in datatypes[1:])]
        lengths = [random.choice([0, 1, 2, 9]) for _ in range(rows)]
        columns, arrays, types, broken = [], [], [], set[int]()
        for datatype, is_list in zip(datatypes, is_array, strict=True):
            values = [[value(random, datatype) for _ in range(size)] if is_list else value(random, datatype)
                      for size in lengths]  # fmt: skip
            for row in range(rows):
                if random.random() < 0.1:
                    values[row] = None
                elif is_list and random.random() < 0.05:
                    values[row] = [*values[row], None]
                    broken.add(row)
            type_ = f"ARRAY<{DATATYPES[datatype].sql}>" if is_list else DATATYPES[datatype].sql
            padding = values[: random.choice([0, 0, 3])]
            array = pa.array([*padding, *values, *padding], parse_type(type_, "x").arrow).slice(len(padding), rows)
            columns.append(values)
            arrays.append(array)
            types.append(type_)
        tensors = [TensorSpec(f"t{n}", DATATYPES[datatype], (1,)) for n, datatype in enumerate(datatypes)]
        outputs = [f"ARRAY<{DATATYPES[datatype].sql}>" for datatype in datatypes]
        made = (identity(*tensors, max_batch_size=max_batch_size), StrictEcho(random, max_batch_size), types)
        batch = pa.record_batch(arrays, names=[f"c{number}" for number in range(len(arrays))])

        async def predict(made: Any = made, outputs: Any = outputs, batch: pa.RecordBatch = batch) -> Any:
            return await predictor(made[0], made[1], made[2], outputs=outputs).predict(batch)

        prediction = asyncio.run(predict())
        prediction.outputs.validate(full=True)
        expected = [
            [None] * len(row)
            if None in row or n in broken
            else [each if is_list else [each] * lengths[n] for each, is_list in zip(row, is_array, strict=True)]
            for n, row in enumerate(zip(*columns, strict=True))
        ]
        nulls = {n for n, row in enumerate(zip(*columns, strict=True)) if None in row}
        assert set(prediction.errors) == broken - nulls
        got = [list(row) for row in zip(*(output.to_pylist() for output in prediction.outputs.columns), strict=True)]
        assert repr(got) == repr(expected), (tensors, types, max_batch_size)
