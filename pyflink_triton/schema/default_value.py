"""Reads the option `default-value`, a value for each declared output, when the statement is planned."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import EXACT, from_values, numpy_type
from pyflink_triton.errors import OptionError
from pyflink_triton.options.options import Options
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column
from pyflink_triton.types.sql import INTEGERS, SqlType


def read_defaults(options: Options, outputs: Sequence[Column]) -> tuple[pa.Array, ...] | None:
    """Read the default value.

    Args:
        options: The model's options.
        outputs: The declared OUTPUT columns, without the error column.

    Returns:
        An array of one row for each column; None where the option is not set.

    Raises:
        OptionError: It does not fit the types of the columns. The message says what to write.
    """
    text = options.default_value
    if text is None:
        return None
    if text.strip().lower() == "null":
        values: list[Any] = [None] * len(outputs)
    elif len(outputs) == 1:
        # A single scalar is not JSON. Blanks are part of a STRING.
        values = [_load(text, outputs) if outputs[0].type.depth else text]
    else:
        values = _by_column(text, outputs)
    return tuple(
        from_values([_read(value, column, text, outputs)], column.type.arrow)
        for value, column in zip(values, outputs, strict=True)
    )


def check_raw_defaults(
    options: Options, outputs: Sequence[Column], defaults: Sequence[pa.Array], raw: Collection[str]
) -> None:
    """Check that columns with the content of tensors have no default but NULL, because text is not such a content.

    Args:
        options: The model's options, with a default value.
        outputs: The declared OUTPUT columns, without the error column.
        defaults: What ``read_defaults`` read for them.
        raw: The names of those with the content of tensors.

    Raises:
        OptionError: One has another. The message says what to write.
    """
    values = zip(outputs, defaults, strict=True)
    wrong = next((column for column, value in values if column.name in raw and not value.null_count), None)
    if wrong is not None:
        example = _example_of(outputs) if len(outputs) > 1 else "null"
        raise OptionError(
            f"option 'default-value' = '{options.default_value}' gives a value to the output column '{wrong.name}'. "
            f"It is {wrong.type}, the content of a tensor, and can only be NULL: {Remedy.WRITE_NULL(example=example)}"
        )


def _by_column(text: str, outputs: Sequence[Column]) -> list[Any]:
    loaded = _load(text, outputs)
    names = [column.name for column in outputs]
    if isinstance(loaded, dict) and set(loaded) == set(names):
        return [loaded[name] for name in names]
    raise _bad(text, f"needs a value for each of {', '.join(names)}", outputs)


def _load(text: str, outputs: Sequence[Column]) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=float)
    except (ValueError, RecursionError):
        raise _bad(text, "is not JSON", outputs) from None


def _bad(text: str, what: str, outputs: Sequence[Column]) -> OptionError:
    example = _example_of(outputs) if len(outputs) > 1 else _example(outputs[0].type)
    return OptionError(f"option 'default-value' = '{text}' {what}: {Remedy.WRITE_DEFAULT(example=example)}")


def _example_of(outputs: Sequence[Column]) -> str:
    """An example for several columns; NULL for BYTES, because they may be the content of a tensor."""
    texts = ("null" if column.type.name == "BYTES" else _example(column.type) for column in outputs)
    return f"{{{', '.join(f'{json.dumps(column.name)}: {text}' for column, text in zip(outputs, texts, strict=True))}}}"


def _example(type_: SqlType) -> str:
    words = {"BOOLEAN": "false", "STRING": '"unknown"', "BYTES": '"unknown"', "FLOAT": "-1.0", "DOUBLE": "-1.0"}
    return "[" * type_.depth + words.get(type_.leaf.name, "0") + "]" * type_.depth


def _read(value: Any, column: Column, text: str, outputs: Sequence[Column]) -> Any:
    try:
        return convert(value, column.type)
    except (ValueError, InvalidOperation):
        what = f"does not fit {column.type}, the type of the output column '{column.name}'"
        raise _bad(text, what, outputs) from None


def convert(value: Any, type_: SqlType) -> Any:
    """Make a value of a type from one that was read from JSON or is a text; ValueError or InvalidOperation: none."""
    if value is None:
        return None
    if type_.element is None:
        return _READ[type_.name](value, type_)
    if not isinstance(value, list) or (None in value and not type_.element.nullable):
        raise ValueError
    return [convert(each, type_.element) for each in value]


def _boolean(value: Any, type_: SqlType) -> bool:
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise ValueError


def _number(value: Any) -> Decimal:
    """Read a number from JSON or text; raises ValueError or InvalidOperation."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise ValueError
    return Decimal(value.strip() if isinstance(value, str) else value)


def _integer(value: Any, type_: SqlType) -> int:
    number, held = _number(value), np.iinfo(numpy_type(type_.arrow).str)
    if not number.is_finite() or number != number.to_integral_value() or not held.min <= number <= held.max:
        raise ValueError
    return int(number)


def _float(value: Any, type_: SqlType) -> float:
    number = _number(value)
    with np.errstate(over="ignore"):
        rounded = float(np.array(float(number)).astype(numpy_type(type_.arrow)))
    if math.isinf(rounded) and number.is_finite():
        raise ValueError
    return rounded


def _decimal(value: Any, type_: SqlType) -> Decimal:
    number, scale = _number(value), type_.arrow.scale
    if not number.is_finite() or number != number.quantize(Decimal(1).scaleb(-scale), context=EXACT):
        raise ValueError
    if abs(number) >= Decimal(10) ** (type_.arrow.precision - scale):
        raise ValueError
    return number


def _text(value: Any, type_: SqlType) -> str:
    if not isinstance(value, str):
        raise ValueError
    value.encode()  # a lone surrogate is a ValueError
    return value


_READ: dict[str, Callable[[Any, SqlType], Any]] = {
    "BOOLEAN": _boolean,
    **dict.fromkeys(INTEGERS, _integer),
    "FLOAT": _float,
    "DOUBLE": _float,
    "DECIMAL": _decimal,
    "STRING": _text,
    "BYTES": _text,
}
