"""How the parameters of requests are read: constants, and templates that refer to columns."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from pyflink_triton.options.parsers import columns_of, template
from pyflink_triton.remedies import Remedy

#: Parameters that the protocol, the server or other options set.
_RESERVED = frozenset({"priority", "timeout", "binary_data_output", "headers"})
_RESERVED_STARTS = ("sequence_", "triton_")
_MOST, _LEAST = 2**63 - 1, -(2**63)


@dataclass(frozen=True)
class Template:
    """A parameter that refers to columns.

    Attributes:
        text: As the user wrote it. ``${column}`` alone has the value of the column in its type.
    """

    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it refers to, each once, in order."""
        return columns_of(self.text)

    @property
    def is_column(self) -> bool:
        """Whether it is one column and nothing else."""
        return len(self.columns) == 1 and self.text == f"${{{self.columns[0]}}}"


Parameter: TypeAlias = "str | bool | int | float | Template"


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object; a name may be there twice."""


def _refuse(constant: str) -> None:
    """NaN and infinities are not JSON, whatever Python says."""
    raise ValueError(constant)


def parameters(value: str) -> tuple[tuple[str, Parameter], ...]:
    """Read parameters: a JSON object of texts, numbers and truth values."""
    example = Remedy.WRITE_PARAMETERS()
    try:
        found = json.loads(value, parse_constant=_refuse, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, _Members):
        raise ValueError(f"is not a JSON object: {example}")
    return tuple((name, _checked(name, each)) for name, each in found)


def parameter(name: str, value: str) -> tuple[str, Parameter]:
    """Read one parameter: a text, number or truth value of JSON, or a text as it stands."""
    try:
        found = json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        found = value
    return name, _checked(name, value if isinstance(found, (list, dict)) else found)


def _checked(name: str, value: Any) -> Parameter:
    example = Remedy.WRITE_PARAMETERS()
    if not name.strip():
        raise ValueError(f"has a parameter without a name: {example}")
    if name in _RESERVED or name.startswith(_RESERVED_STARTS):
        raise ValueError(f"sets the parameter '{name}', which is not for users to set")
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"has a parameter '{name}' with the character NUL, where the server ends a text")
    if isinstance(value, str):
        return Template(template(value)) if "${" in value else value
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            raise ValueError(f"has a parameter '{name}' that has more than 64 bits")
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"has a parameter '{name}' that is not a text, a number or a truth value: {example}")
