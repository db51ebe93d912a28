"""Variables of the environment in an option, so that each machine can have a server of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pyflink_triton.remedies import Remedy

_REFERENCE = re.compile(r"\$\{ENV:([^{}]*)\}")
_NAME = re.compile(r"[A-Z0-9_]+")
#: The only variables that can be read begin so: whoever writes SQL must not read others.
_PREFIX = "PYFLINK_TRITON_ENDPOINT_"


def fill_in(value: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Write the variables that a text refers to in their place.

    Args:
        value: The text, with references as ``${ENV:NODE}``.
        environment: The variables.

    Returns:
        The text; None where a variable is not set.

    Raises:
        ValueError: A reference names no variable.
    """
    for name in _REFERENCE.findall(value):
        if not _NAME.fullmatch(name):
            raise ValueError(f"has a name that no variable may have: {Remedy.NAME_VARIABLE()}")
    if missing_variable(value, environment) is not None:
        return None
    return _REFERENCE.sub(lambda reference: environment[_PREFIX + reference.group(1)], value)


def missing_variable(value: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Name the first variable that a text refers to and that is not set; None where there is none.

    Args:
        value: The text.
        environment: The variables.
    """
    names = (_PREFIX + name for name in _REFERENCE.findall(value))
    return next((name for name in names if name not in environment), None)
