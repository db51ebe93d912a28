"""Triton's datatypes and the Flink types that may stand for each, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyflink_triton.types.sql import FLOATS, INTEGERS, SqlType


@dataclass(frozen=True)
class Datatype:
    """One Triton datatype.

    Attributes:
        name: As Triton writes it.
        numpy: The bytes of one element, little-endian; None for BYTES, whose elements vary.
        sql: The Flink type that a schema taken from the server has.
        inputs: The declared Flink types that fit as input; lossless, or checked value by value.
        outputs: The declared Flink types that fit as output; never narrower.
        checked: Whether an input's values can be out of the datatype's range.
    """

    name: str
    numpy: np.dtype[np.generic] | None
    sql: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    checked: bool = False

    @property
    def itemsize(self) -> int:
        """Bytes of one element; 4, the length prefix, for BYTES."""
        return 4 if self.numpy is None else self.numpy.itemsize

    def takes(self, declared: SqlType) -> bool:
        """Whether a value of this declared leaf type may be sent."""
        if declared.name == "DECIMAL":
            return self.name == "UINT64" and declared.arrow.scale == 0
        return declared.name in self.inputs

    def gives(self, declared: SqlType) -> bool:
        """Whether every element that the server may answer fits this declared leaf type."""
        if declared.name == "DECIMAL":
            return self.name == "UINT64" and declared.arrow.precision - declared.arrow.scale >= 20
        return declared.name in self.outputs and declared.length is None


def _integer(name: str, code: str, narrowest: str, sql: str) -> Datatype:
    wider = INTEGERS[INTEGERS.index(narrowest) :]
    narrower = INTEGERS[: INTEGERS.index(narrowest) + 1]
    return Datatype(name, np.dtype(code), sql, narrower, wider)


def _unsigned(name: str, code: str, sql: str) -> Datatype:
    outputs = INTEGERS[INTEGERS.index(sql) :] if sql in INTEGERS else ()
    return Datatype(name, np.dtype(code), sql, INTEGERS, outputs, checked=True)


DATATYPES: dict[str, Datatype] = {
    datatype.name: datatype
    for datatype in (
        Datatype("BOOL", np.dtype("?"), "BOOLEAN", ("BOOLEAN",), ("BOOLEAN",)),
        _integer("INT8", "<i1", "TINYINT", "TINYINT"),
        _integer("INT16", "<i2", "SMALLINT", "SMALLINT"),
        _integer("INT32", "<i4", "INT", "INT"),
        _integer("INT64", "<i8", "BIGINT", "BIGINT"),
        _unsigned("UINT8", "<u1", "SMALLINT"),
        _unsigned("UINT16", "<u2", "INT"),
        _unsigned("UINT32", "<u4", "BIGINT"),
        _unsigned("UINT64", "<u8", "DECIMAL(20, 0)"),
        Datatype("FP16", np.dtype("<f2"), "FLOAT", ("FLOAT",), FLOATS, checked=True),
        # numpy has no bfloat16: its 16 bits travel as the upper half of a float32's.
        Datatype("BF16", np.dtype("<u2"), "FLOAT", ("FLOAT",), FLOATS, checked=True),
        Datatype("FP32", np.dtype("<f4"), "FLOAT", ("FLOAT",), FLOATS),
        Datatype("FP64", np.dtype("<f8"), "DOUBLE", FLOATS, ("DOUBLE",)),
        Datatype("BYTES", None, "STRING", ("STRING", "BYTES"), ("STRING", "BYTES")),
    )
}
