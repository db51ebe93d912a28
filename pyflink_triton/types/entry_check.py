"""The check of an entry in the table of datatypes: boundary values have to come back as they were sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from pyflink_triton._arrow import from_values, numpy_type
from pyflink_triton.types.sql import FLOATS, INTEGERS, SqlType, simple
from pyflink_triton.types.wire import FixedSize, Wire

_OTHER_EDGES: dict[str, list[Any]] = {
    "BOOLEAN": [False, True],
    "STRING": ["", "ü"],
    "BYTES": [b"", b"\xff\0"],
}


def check_entry(
    wire: Wire,
    sql: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    default_for: Sequence[str],
) -> None:
    """Send the boundary values of each Flink type there and back.

    Args:
        wire: Turns values into elements and back.
        sql: The Flink type that a schema taken from the server has.
        inputs: The declared Flink types that fit as input.
        outputs: The declared Flink types that fit as output.
        default_for: The declared Flink types that are sent as this datatype by default.

    Raises:
        ValueError: What is wrong with the entry.
    """
    if sql not in outputs:
        raise ValueError(f"{sql} has to be among the outputs")
    if not set(default_for) <= set(inputs):
        raise ValueError("what it is the default for has to be among the inputs")
    for name in dict.fromkeys((sql, *inputs)):
        _check_values(wire, simple(name), simple(name if name in outputs else sql))


def _check_values(wire: Wire, sent: SqlType, received: SqlType) -> None:
    values = _edges(sent)
    if sent.name in FLOATS and wire.limits is not None:
        values += wire.limits
    elements = wire.encode(from_values(values, sent.arrow))
    if isinstance(wire, FixedSize) and len(elements.data) != len(values) * wire.itemsize:
        raise ValueError(f"an element has {wire.itemsize} bytes, and to_wire makes others")
    decoded, _ = wire.decode(elements.data, len(values), received)
    for place, (value, back) in enumerate(zip(values, decoded.to_pylist(), strict=True)):
        is_refused = elements.out_of_range is not None and bool(elements.out_of_range[place])
        if is_refused and wire.limits is not None and wire.limits[0] <= value <= wire.limits[1]:
            raise ValueError(f"the {sent} {value} is within the limits and is refused")
        if not is_refused and not _is_same(value, back):
            raise ValueError(f"the {sent} {value} comes back as {back}")


def _is_same(sent: Any, received: Any) -> bool:
    return bool(sent == received) or (isinstance(sent, float) and math.isnan(sent) and math.isnan(received))


def _edges(type_: SqlType) -> list[Any]:
    """The boundary values of a Flink type."""
    if type_.name in INTEGERS:
        held = np.iinfo(numpy_type(type_.arrow).str)
        return [int(held.min), -1, 0, 1, int(held.max)]
    if type_.name in FLOATS:
        most = float(np.finfo(numpy_type(type_.arrow).str).max)
        return [0.0, 1.0, -1.0, most, -most, math.inf, -math.inf, math.nan]
    if type_.name == "DECIMAL":
        return [Decimal(number) for number in (0, 1, -1, 10**type_.arrow.precision - 1)]
    return _OTHER_EDGES[type_.name]
