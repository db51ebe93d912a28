"""Triton's datatypes: the one table that says how each goes over the wire and which Flink types may stand for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflink_triton.types.entry_check import check_entry
from pyflink_triton.types.sql import FLOATS, INTEGERS, SqlType, simple
from pyflink_triton.types.wire import FixedSize, LengthPrefixed, Wire, plain


@dataclass(frozen=True, kw_only=True)
class Datatype:
    """One Triton datatype; nothing else in the package knows one by its name.

    Attributes:
        name: As requests and the model's metadata have it.
        wire: Turns values into elements and back, and knows the limits of a value.
        sql: The Flink type that a schema taken from the server has.
        inputs: The declared Flink types that fit as input. Each value is sent exactly, or as the nearest element, or
            refused where that is out of the limits.
        outputs: The declared Flink types that fit as output; each holds every element.
        default_for: The declared Flink types that are sent as this datatype where the model's own is not known.
        max_sequence_id: The greatest id that a CORRID control of this datatype holds; None where none may have it.
        in_generate: Whether the JSON of Triton's generate extension holds it.
        in_kserve: Whether kserve's Python server reads it.
        config_name: As the model's configuration has it, after ``TYPE_``; by default ``name``.

    Raises:
        ValueError: The entry is not complete, or a value does not come back as it was sent.
    """

    name: str
    wire: Wire
    sql: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    default_for: tuple[str, ...] = ()
    max_sequence_id: int | None = None
    in_generate: bool = True
    in_kserve: bool = True
    config_name: str = ""

    def __post_init__(self) -> None:
        """Check the entry, so that a wrong one fails when the package is imported."""
        if not self.config_name:
            object.__setattr__(self, "config_name", self.name)
        try:
            check_entry(self.wire, self.sql, self.inputs, self.outputs, self.default_for)
        except Exception as error:
            raise ValueError(f"the entry of the datatype {self.name} is wrong: {error}") from error

    @property
    def itemsize(self) -> int:
        """Bytes of one element, or of the shortest one where their sizes differ."""
        return self.wire.itemsize

    @property
    def is_fixed_size(self) -> bool:
        """Whether all elements have the same number of bytes."""
        return isinstance(self.wire, FixedSize)

    @property
    def is_checked(self) -> bool:
        """Whether an input's values can be out of the datatype's range."""
        return self.wire.limits is not None

    def takes(self, declared: SqlType) -> bool:
        """Whether a value of this declared leaf type may be sent."""
        if declared.name == "DECIMAL":
            return simple(self.sql).name == "DECIMAL" and declared.arrow.scale == 0
        return declared.name in self.inputs

    def gives(self, declared: SqlType) -> bool:
        """Whether this declared leaf type holds every element that the server may answer."""
        if declared.name == "DECIMAL":
            natural, digits = simple(self.sql), declared.arrow.precision - declared.arrow.scale
            return natural.name == "DECIMAL" and digits >= natural.arrow.precision
        return declared.name in self.outputs and declared.length is None


def _signed(name: str, code: str, sql: str, **more: Any) -> Datatype:
    position = INTEGERS.index(sql)
    return Datatype(
        name=name,
        wire=plain(code),
        sql=sql,
        inputs=INTEGERS[: position + 1],
        outputs=INTEGERS[position:],
        **more,
    )


def _unsigned(name: str, code: str, sql: str, **more: Any) -> Datatype:
    outputs = INTEGERS[INTEGERS.index(sql) :] if sql in INTEGERS else (sql,)
    wire = plain(code, (0, int(np.iinfo(code).max)))
    return Datatype(name=name, wire=wire, sql=sql, inputs=INTEGERS, outputs=outputs, **more)


def _to_bfloat16(native: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Round to the nearest, ties to even; a NaN stays one."""
    bits = native.astype(np.float32).view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    return np.where(np.isnan(native), np.uint16(0x7FC0), rounded)


def _from_bfloat16(elements: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return (elements.astype(np.uint32) << 16).view(np.float32)


_FP16_MAX = 65504.0
_BF16_MAX = (2.0 - 2.0**-7) * 2.0**127

_ENTRIES = (
    Datatype(
        name="BOOL",
        wire=plain("?"),
        sql="BOOLEAN",
        inputs=("BOOLEAN",),
        outputs=("BOOLEAN",),
        default_for=("BOOLEAN",),
    ),
    _signed("INT8", "<i1", "TINYINT"),
    _signed("INT16", "<i2", "SMALLINT"),
    _signed("INT32", "<i4", "INT", default_for=("TINYINT", "SMALLINT", "INT"), max_sequence_id=2**31 - 1),
    _signed("INT64", "<i8", "BIGINT", default_for=("BIGINT",), max_sequence_id=2**63 - 1),
    _unsigned("UINT8", "<u1", "SMALLINT"),
    _unsigned("UINT16", "<u2", "INT"),
    _unsigned("UINT32", "<u4", "BIGINT", max_sequence_id=2**32 - 1),
    _unsigned("UINT64", "<u8", "DECIMAL(20, 0)", max_sequence_id=2**64 - 1),
    Datatype(
        name="FP16",
        wire=plain("<f2", (-_FP16_MAX, _FP16_MAX)),
        sql="FLOAT",
        inputs=("FLOAT",),
        outputs=FLOATS,
        in_generate=False,
    ),
    Datatype(
        name="BF16",
        # numpy has no bfloat16: its 16 bits are the upper half of a float32's.
        wire=FixedSize(np.dtype("<u2"), _to_bfloat16, _from_bfloat16, limits=(-_BF16_MAX, _BF16_MAX)),
        sql="FLOAT",
        inputs=("FLOAT",),
        outputs=FLOATS,
        in_generate=False,
        in_kserve=False,
    ),
    Datatype(
        name="FP32",
        wire=plain("<f4"),
        sql="FLOAT",
        inputs=("FLOAT",),
        outputs=FLOATS,
        default_for=("FLOAT",),
    ),
    Datatype(
        name="FP64",
        wire=plain("<f8"),
        sql="DOUBLE",
        inputs=FLOATS,
        outputs=("DOUBLE",),
        default_for=("DOUBLE",),
    ),
    Datatype(
        name="BYTES",
        wire=LengthPrefixed(),
        sql="STRING",
        inputs=("STRING", "BYTES"),
        outputs=("STRING", "BYTES"),
        default_for=("STRING", "BYTES"),
        config_name="STRING",
    ),
)

#: Each datatype by its name.
DATATYPES: dict[str, Datatype] = {datatype.name: datatype for datatype in _ENTRIES}
#: The datatype that a declared Flink type is sent as where the model's own is not known.
DEFAULT_DATATYPES: dict[str, Datatype] = {sql: datatype for datatype in _ENTRIES for sql in datatype.default_for}
if (len(DATATYPES), len(DEFAULT_DATATYPES)) != (len(_ENTRIES), sum(len(each.default_for) for each in _ENTRIES)):
    raise ValueError("two entries of the table of datatypes have one name, or are the default for one Flink type")
