"""What the contenders ask: models, rows that repeat, and what the sums of the answers must be."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
_SEED = 12


@dataclass(frozen=True)
class Column:
    """An input column of a statement, and the values that its rows repeat.

    Attributes:
        name: The column's name, and the tensor's.
        sql: Its type in Flink.
        datatype: The tensor's, as the protocol writes it.
        values: One entry a row, in the tensor's shape without the batch axis.
    """

    name: str
    sql: str
    datatype: str
    values: Values

    def in_file(self, row: int) -> bytes:
        """A row's value as the source's file has it."""
        value = self.values[row]
        if self.sql == "FLOAT":
            return struct.pack("<f", value.item())
        data: bytes = value.item() if self.datatype == "BYTES" else value.tobytes()
        return struct.pack("<i", len(data)) + data


@dataclass(frozen=True)
class Output:
    """An output column, and what each row adds to its sum.

    Numbers add their value, texts the count of their bytes, arrays their first and last element.

    Attributes:
        name: The column's name, and the tensor's.
        sql: Its type in Flink.
        sums: One entry a row; None where only the server knows.
    """

    name: str
    sql: str
    sums: Values | None = None


def checksum(answers: Values) -> float:
    """What a tensor of answers adds to its output's sum."""
    if answers.dtype == object:
        return float(sum(len(each) for each in answers.ravel()))
    if answers.ndim > 1 and answers.shape[1] > 1:
        return float(answers[:, 0].sum(dtype=np.float64) + answers[:, -1].sum(dtype=np.float64))
    return float(answers.sum(dtype=np.float64))


@dataclass(frozen=True)
class Workload:
    """A model, its rows and its answers.

    Attributes:
        name: What `--only` calls it.
        title: What it is, for people.
        model: The model on the server.
        max_batch: The most rows of a request; 0 for a model without a batch axis.
        make: Makes the columns and outputs, when they are needed.
        first_rows: How many rows a first, cold run has.
        known: What only the server knows, once it was asked.
    """

    name: str
    title: str
    model: str
    max_batch: int
    make: Callable[[], tuple[Sequence[Column], Sequence[Output]]]
    first_rows: int
    known: dict[str, Values] = field(default_factory=dict)

    @cached_property
    def _made(self) -> tuple[Sequence[Column], Sequence[Output]]:
        return self.make()

    @property
    def columns(self) -> Sequence[Column]:
        """The input columns."""
        return self._made[0]

    @property
    def outputs(self) -> Sequence[Output]:
        """The output columns."""
        return self._made[1]

    @property
    def period(self) -> int:
        """After how many rows they repeat."""
        return len(self.columns[0].values)

    @property
    def row_bytes(self) -> int:
        """The tensors' bytes of a row."""
        return sum(len(column.in_file(0)) for column in self.columns)

    def expected(self, rows: int) -> list[float]:
        """What the outputs' sums must be after so many rows, from the first."""
        whole, part = divmod(rows, self.period)
        sums = [self._sums(output) for output in self.outputs]
        return [float(whole * each.sum() + each[:part].sum()) for each in sums]

    def check(self, rows: int, sums: Sequence[float]) -> None:
        """Compare the sums of a contender's answers with what they must be.

        Raises:
            WrongAnswersError: They differ by more than a float's rounding.
        """
        expected = self.expected(rows)
        scale = [abs(self._sums(output)).mean() * rows for output in self.outputs]
        for output, is_, must, size in zip(self.outputs, sums, expected, scale, strict=True):
            if not abs(is_ - must) <= 1e-5 * size:
                raise WrongAnswersError(f"{output.name} of {rows} rows adds up to {is_}, not to {must}")

    def learn(self, answers: Mapping[str, Values]) -> None:
        """Take the server's answer to each row, for outputs that only it knows."""
        for output in self.outputs:
            if output.sums is None:
                self.known[output.name] = np.array([checksum(each[None]) for each in answers[output.name]])

    @property
    def must_learn(self) -> bool:
        """Whether the server has to be asked what is right."""
        return any(output.sums is None and output.name not in self.known for output in self.outputs)

    def _sums(self, output: Output) -> Values:
        sums = self.known[output.name] if output.sums is None else output.sums
        return np.asarray(sums, np.float64)

    def write_rows(self, path: Path) -> None:
        """Write the file that Flink's source reads."""
        with path.open("wb") as file:
            for row in range(self.period):
                for column in self.columns:
                    file.write(column.in_file(row))


class WrongAnswersError(Exception):
    """A contender answered something else than the model does."""


def _numbers(rows: int, *shape: int, most: int = 1000) -> Values:
    return np.random.default_rng(_SEED).integers(0, most, (rows, *shape)).astype(np.float32)


def _add() -> tuple[Sequence[Column], Sequence[Output]]:
    a, b = _numbers(1024, 2).T.copy().reshape(2, 1024, 1)
    columns = [Column("A", "FLOAT", "FP32", a), Column("B", "FLOAT", "FP32", b)]
    return columns, [Output("SUM", "FLOAT", (a + b).ravel())]


def _add_array() -> tuple[Sequence[Column], Sequence[Output]]:
    x = _numbers(1024, 2)
    return [Column("X", "ARRAY<FLOAT>", "FP32", x)], [Output("SUM", "FLOAT", x.sum(axis=1))]


def _wide() -> tuple[Sequence[Column], Sequence[Output]]:
    x = _numbers(1024, 512)
    return [Column("X", "ARRAY<FLOAT>", "FP32", x)], [Output("SCORE", "FLOAT", x.sum(axis=1))]


def _slow() -> tuple[Sequence[Column], Sequence[Output]]:
    x = _numbers(1024, 4)
    return [Column("X", "ARRAY<FLOAT>", "FP32", x)], [Output("SCORE", "FLOAT", x[:, 0])]


def _images(sql: str, *shape: int) -> Callable[[], tuple[Sequence[Column], Sequence[Output]]]:
    def make() -> tuple[Sequence[Column], Sequence[Output]]:
        flat = _numbers(64, 3 * 224 * 224, most=200)
        label = flat[:, 0] + flat[:, -1]
        return [Column("X", sql, "FP32", flat.reshape(64, *shape))], [Output("LABEL", "INT", label)]

    return make


def _texts(length: int, *outputs: str) -> Callable[[], tuple[Sequence[Column], Sequence[Output]]]:
    def make() -> tuple[Sequence[Column], Sequence[Output]]:
        letters = np.random.default_rng(_SEED).integers(ord("a"), ord("z") + 1, (1024, length)).astype(np.uint8)
        texts = np.array([row.tobytes() for row in letters], dtype=object).reshape(-1, 1)
        first = letters[:, 0]
        answers = [
            Output("LABEL", "STRING", np.where(first % 2 == 0, len(b"good"), len(b"bad"))),
            Output("SCORE", "FLOAT", first),
        ]
        return [Column("TEXT", "STRING", "BYTES", texts)], [each for each in answers if each.name in outputs]

    return make


def _embed() -> tuple[Sequence[Column], Sequence[Output]]:
    ids = np.random.default_rng(_SEED).integers(0, 1000, (1024, 64))
    return [Column("IDS", "ARRAY<BIGINT>", "INT64", ids)], [Output("VECTOR", "ARRAY<FLOAT>")]


_IMAGE = (3, 224, 224)
_UNBATCHED = ("the copy text_unbatched: max_batch_size 0", "text_unbatched", 0)
_FLAT = ("the copy image_flat: dims [150528]", "image_flat", 64)
WORKLOADS = {
    each.name: each
    for each in (
        Workload("add", "two floats", "add", 64, _add, 20_000),
        Workload("wide", "512 floats", "wide", 64, _wide, 5_000),
        Workload("text20", "strings of 20 B", "text", 64, _texts(20, "LABEL", "SCORE"), 5_000),
        Workload("image_bytes", "images of 600 kB as BYTES", "image", 64, _images("BYTES", *_IMAGE), 64),
        Workload("image", "images of 600 kB as ARRAY", "image", 64, _images("ARRAY<FLOAT>", *_IMAGE), 64),
        Workload("text5k", "strings of 5 kB", "text", 64, _texts(5000, "LABEL", "SCORE"), 1_000),
        Workload("slow", "a slow model: 20 ms a batch, 8 instances", "slow", 64, _slow, 2_000),
        Workload("embed", "a network on onnxruntime: 64 ids in, 384 floats out", "embed", 256, _embed, 2_000),
    )
}
#: What Flink's own module can ask instead: it takes one column, one output, and strings only without a batch axis.
FLINK_MODULES = {
    "add": Workload("add", "the copy add_array: both floats in an array", "add_array", 64, _add_array, 2_000),
    "text20": Workload("text20", *_UNBATCHED, _texts(20, "LABEL"), 500),
    "text5k": Workload("text5k", *_UNBATCHED, _texts(5000, "LABEL"), 500),
    "image": Workload("image", *_FLAT, _images("ARRAY<FLOAT>", 150528), 8),
}
