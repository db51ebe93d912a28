"""An option's declaration: its key, type, default and description, as a dataclass's field."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyflink_triton._units import format_duration, format_size

REQUIRED: Any = object()


@dataclass(frozen=True)
class Option:
    """One option: its key, its type's name, how it is read and written, and what it does."""

    key: str
    type: str
    parse: Callable[[str], Any]
    description: str
    default: Any = REQUIRED
    write: Callable[[Any], str] = str
    secret: bool = False

    @property
    def required(self) -> bool:
        """Whether the user must write it."""
        return self.default is REQUIRED

    @property
    def default_text(self) -> str:
        """The default as a user would write it; ``-`` where there is none."""
        return "-" if self.required or self.default in (None, ()) else self.write(self.default)


def _write_boolean(value: bool) -> str:
    return str(value).lower()


_WRITE: dict[str, Callable[[Any], str]] = {
    "Duration": format_duration,
    "Size": format_size,
    "Boolean": _write_boolean,
    "Boolean or column": _write_boolean,
}


def option(
    key: str, type_: str, parse: Callable[[str], Any], default: Any, description: str, *, secret: bool = False
) -> Any:
    """Declare an option as a field of a dataclass."""
    declared = Option(key, type_, parse, description, default, _WRITE.get(type_, str), secret)
    default_of_field: dict[str, Any] = {} if default is REQUIRED else {"default": default}
    return dataclasses.field(repr=not secret, metadata={"option": declared}, **default_of_field)
