"""Refuses arguments of a wrong type in one sentence, before they fail somewhere in Flink."""

from __future__ import annotations

from typing import Any

from pyflink_triton.remedies import Remedy


def require_type(value: Any, kind: type, name: str, example: str) -> None:
    """Refuse an argument that is not of a type.

    Args:
        value: The argument.
        kind: The type that it has to be of.
        name: The argument's name.
        example: A call with a right one.

    Raises:
        TypeError: It is of another type.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r:.60}, and has to be a {kind.__name__}: {Remedy.CALL_AS(example=example)}.")
