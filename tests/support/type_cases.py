"""Every Triton datatype, the columns that feed and take it, and values that must survive: for every front door."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

I8, I16, I32, I64 = ([-(2**n), -1, 0, 2**n - 1] for n in (7, 15, 31, 63))
#: Largest, smallest normal and smallest subnormal value of FLOAT, exactly.
F32 = [0.0, 1.5, 3.4028234663852886e38, 1.1754943508222875e-38, 1.401298464324817e-45, math.inf, -math.inf]
F64 = [0.0, 0.1, 1.7976931348623157e308, 5e-324, math.inf, -math.inf]
TEXTS = ["", "a", "ünïcødé 日本語 🙂", "x" * 10_000]
BYTES = [bytearray(value) for value in (b"", b"\x00\xff\xfe", b"a" * 10_000)]


@dataclass(frozen=True)
class Case:
    """A Triton datatype, the type of the column that feeds it, of the column that takes it, and values."""

    datatype: str
    given: str
    answered: str
    values: list[Any]


F16 = [0.0, 1.5, -65504.0, math.inf]
BF16 = [0.0, 1.5, -2.0, -math.inf]
UINT64 = [Decimal(0), Decimal(2**64 - 1)]
#: The rows of the specification's table and of the types that a schema taken from the server has.
NATURAL = (
    Case("bool", "BOOLEAN", "BOOLEAN", [True, False]),
    Case("int8", "TINYINT", "TINYINT", I8),
    Case("int16", "SMALLINT", "SMALLINT", I16),
    Case("int32", "INT", "INT", I32),
    Case("int64", "BIGINT", "BIGINT", [*I64, 9007199254740993]),
    Case("uint8", "SMALLINT", "SMALLINT", [0, 255]),
    Case("uint16", "INT", "INT", [0, 65535]),
    Case("uint32", "BIGINT", "BIGINT", [0, 2**32 - 1]),
    Case("uint64", "DECIMAL(20, 0)", "DECIMAL(20, 0)", UINT64),
    Case("fp16", "FLOAT", "FLOAT", F16),
    Case("bf16", "FLOAT", "FLOAT", BF16),
    Case("fp32", "FLOAT", "FLOAT", F32),
    Case("fp64", "DOUBLE", "DOUBLE", F64),
    Case("bytes", "STRING", "STRING", TEXTS),
)
#: Narrower inputs and wider outputs.
WIDENED = (
    Case("bool", "BOOLEAN", "BOOLEAN", [True, False]),
    Case("int8", "TINYINT", "BIGINT", I8),
    Case("int16", "TINYINT", "INT", I8),
    Case("int32", "TINYINT", "INT", I8),
    Case("int64", "INT", "BIGINT", I32),
    Case("uint8", "TINYINT", "INT", [0, 127]),
    Case("uint16", "BIGINT", "BIGINT", [0, 65535]),
    Case("uint32", "INT", "BIGINT", [0, 2**31 - 1]),
    Case("uint64", "BIGINT", "DECIMAL(20, 0)", [0, 2**63 - 1]),
    Case("fp16", "FLOAT", "DOUBLE", F16),
    Case("bf16", "FLOAT", "DOUBLE", BF16),
    Case("fp32", "FLOAT", "DOUBLE", F32),
    Case("fp64", "FLOAT", "DOUBLE", F32),
    Case("bytes", "BYTES", "BYTES", BYTES),
)
#: How values look at each shape of the model: the types around an element, and the values made of some.
SHAPES: dict[str, tuple[str, Callable[[list[Any]], list[Any]]]] = {
    "": ("{}", lambda values: values),
    "_array": ("ARRAY<{}>", lambda values: [values, [], values[-1:]]),
    "_matrix": ("ARRAY<ARRAY<{}>>", lambda values: [[(values * 3)[:3], (values * 3)[-3:]]]),
    "_nested": ("ARRAY<ARRAY<{}>>", lambda values: [[values], [values, values[::-1]], []]),
}
KINDS = {"natural": NATURAL, "widened": WIDENED}
