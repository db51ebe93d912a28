"""Flink's SQL types, as far as tensors can hold them, and the Arrow types that carry them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from pyflink_triton.errors import SchemaError

_ARROW: dict[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "STRING": pa.utf8(),
    "BYTES": pa.binary(),
}
_SYNONYMS = {
    "INTEGER": "INT",
    "DOUBLE PRECISION": "DOUBLE",
    "NUMERIC": "DECIMAL",
    "DEC": "DECIMAL",
    "CHAR": "STRING",
    "VARCHAR": "STRING",
    "BINARY": "BYTES",
    "VARBINARY": "BYTES",
}
_UNBOUNDED = 2**31 - 1
_LEAF = re.compile(r"(?P<name>[A-Z][A-Z ]*?)\s*(\(\s*(?P<first>\d+)\s*(,\s*(?P<second>\d+)\s*)?\))?", re.I)

#: Integers from narrow to wide; each is cast to the later ones without loss.
INTEGERS = ("TINYINT", "SMALLINT", "INT", "BIGINT")
#: Floating point from narrow to wide.
FLOATS = ("FLOAT", "DOUBLE")


@dataclass(frozen=True)
class SqlType:
    """A Flink type: a leaf, or an ARRAY of another type.

    Attributes:
        name: ``INT``, ``STRING``, ``DECIMAL`` ... or ``ARRAY``.
        text: As Flink prints it, for messages.
        arrow: The Arrow type that carries it.
        element: What an ARRAY holds.
        length: The longest value of a CHAR, VARCHAR, BINARY or VARBINARY; None for no bound.
    """

    name: str
    text: str
    arrow: pa.DataType
    element: SqlType | None = None
    length: int | None = None

    def __str__(self) -> str:
        """As Flink prints it."""
        return self.text

    @property
    def depth(self) -> int:
        """How many ARRAYs stand around the leaf."""
        return 0 if self.element is None else 1 + self.element.depth

    @property
    def leaf(self) -> SqlType:
        """The innermost element, or the type itself."""
        return self if self.element is None else self.element.leaf


def array_of(element: SqlType, depth: int = 1) -> SqlType:
    """Put ``depth`` ARRAYs around a type."""
    for _ in range(depth):
        element = SqlType("ARRAY", f"ARRAY<{element}>", pa.list_(element.arrow), element)
    return element


def parse_type(text: str, column: str) -> SqlType:
    """Read a type as Flink writes it.

    Args:
        text: Such as ``INT NOT NULL``, ``ARRAY<FLOAT>``, ``DECIMAL(20, 0)``.
        column: Whose type it is, for messages.

    Raises:
        SchemaError: No tensor can hold it.
    """
    plain = re.sub(r"\s+NOT\s+NULL$", "", text.strip(), flags=re.I)
    array = re.fullmatch(r"ARRAY\s*<(.*)>", plain, flags=re.I | re.S)
    if array:
        return array_of(parse_type(array.group(1), column))
    found = _LEAF.fullmatch(plain)
    name = found.group("name").upper() if found else ""
    name = _SYNONYMS.get(name, name)
    if found and name in _ARROW:
        given = int(found.group("first")) if found.group("first") else None
        is_fixed = found.group("name").upper() in ("CHAR", "BINARY", "VARCHAR", "VARBINARY")
        length = (given or 1) if is_fixed and given != _UNBOUNDED else None
        return SqlType(name, plain if length else name, _ARROW[name], None, length)
    if found and name == "DECIMAL":
        precision, scale = int(found.group("first") or 10), int(found.group("second") or 0)
        return SqlType(name, f"DECIMAL({precision}, {scale})", pa.decimal128(precision, scale))
    raise SchemaError(
        f"column '{column}' is {plain}, and no tensor holds that: CAST it to a BOOLEAN, integer, FLOAT, "
        "DOUBLE, STRING or BYTES, or an ARRAY of one"
    )


def simple(name: str) -> SqlType:
    """Return a leaf type by its name, such as ``INT`` or ``DECIMAL(20, 0)``."""
    return parse_type(name, name)
