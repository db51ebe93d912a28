"""The SQL types of Flink that a tensor can hold, and the Arrow types that carry them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import pyarrow as pa

from pyflink_triton.errors import SchemaError
from pyflink_triton.remedies import Remedy

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
#: Types that no tensor holds and that Flink casts to STRING.
_CAST_TO_TEXT = re.compile(r"(DATE|TIME|TIMESTAMP|TIMESTAMP_LTZ|INTERVAL|MAP|MULTISET|ROW)\b", re.I)

#: Integers from narrow to wide; each is cast to the later ones without loss.
INTEGERS = ("TINYINT", "SMALLINT", "INT", "BIGINT")
#: Floating point from narrow to wide.
FLOATS = ("FLOAT", "DOUBLE")


@dataclass(frozen=True)
class SqlType:
    """A Flink type: a leaf, or an ARRAY of another type.

    Attributes:
        name: ``INT``, ``STRING``, ``DECIMAL`` ... or ``ARRAY``.
        text: The type as Flink prints it, for messages.
        arrow: The Arrow type that carries it.
        element: What an ARRAY holds.
        length: The greatest length of a CHAR, VARCHAR, BINARY or VARBINARY; None where there is no limit.
        nullable: Whether it was written without NOT NULL. Between Flink and Python every type takes NULL.
    """

    name: str
    text: str
    arrow: pa.DataType
    element: SqlType | None = None
    length: int | None = None
    nullable: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        """As Flink prints it."""
        return self.text

    @property
    def depth(self) -> int:
        """How many ARRAYs the leaf is nested in."""
        return 0 if self.element is None else 1 + self.element.depth

    @property
    def has_fixed_length(self) -> bool:
        """Whether each value has exactly ``length``, as those of CHAR and BINARY have."""
        return self.length is not None and self.text.upper().startswith(("CHAR", "BINARY"))

    @property
    def leaf(self) -> SqlType:
        """The innermost element, or the type itself."""
        return self if self.element is None else self.element.leaf


def array_of(element: SqlType, depth: int = 1) -> SqlType:
    """Nest a type in ``depth`` ARRAYs."""
    for _ in range(depth):
        element = SqlType("ARRAY", f"ARRAY<{element}>", pa.list_(element.arrow), element)
    return element


def parse_type(text: str, column: str) -> SqlType:
    """Read a type as Flink writes it.

    Args:
        text: Such as ``INT NOT NULL``, ``ARRAY<FLOAT>``, ``DECIMAL(20, 0)``.
        column: The column of this type, for messages.

    Raises:
        SchemaError: No tensor can hold it.
    """
    return _parse(text, column, 0)


def _parse(text: str, column: str, depth: int) -> SqlType:
    plain, not_null = re.subn(r"\s+NOT\s+NULL$", "", text.strip(), flags=re.I)
    array = re.fullmatch(r"ARRAY\s*<(.*)>", plain, flags=re.I | re.S)
    type_ = array_of(_parse(array.group(1), column, depth + 1)) if array else _leaf(plain, column, depth)
    return replace(type_, nullable=not not_null)


def _leaf(plain: str, column: str, depth: int) -> SqlType:
    found = _LEAF.fullmatch(plain)
    name = found.group("name").upper() if found else ""
    name = _SYNONYMS.get(name, name)
    if found and name in _ARROW:
        number = int(found.group("first")) if found.group("first") else None
        is_fixed = found.group("name").upper() in ("CHAR", "BINARY", "VARCHAR", "VARBINARY")
        length = (number or 1) if is_fixed and number != _UNBOUNDED else None
        return SqlType(name, plain if length else name, _ARROW[name], None, length)
    if found and name == "DECIMAL":
        precision, scale = int(found.group("first") or 10), int(found.group("second") or 0)
        return SqlType(name, f"DECIMAL({precision}, {scale})", pa.decimal128(precision, scale))
    whole = array_of(SqlType(name, plain, pa.null()), depth)
    raise SchemaError(
        f"column '{column}' is {whole}, a type that no tensor holds. {Remedy.USE_TYPE()}{_as_text(plain, depth)}"
    )


def _as_text(plain: str, depth: int) -> str:
    """Suggest a CAST to STRING. Flink does not cast a timestamp to a number, and not a ROW inside an ARRAY."""
    if not _CAST_TO_TEXT.match(plain) or (depth and plain.upper().startswith("ROW")):
        return ""
    return f", for instance by CAST(... AS {array_of(simple('STRING'), depth)})"


def simple(name: str) -> SqlType:
    """Return a leaf type by its name, such as ``INT`` or ``DECIMAL(20, 0)``."""
    return parse_type(name, name)
