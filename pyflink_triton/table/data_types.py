"""Columns as PyFlink's users declare them, and as the core has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pyflink.table import Schema, Table
from pyflink.table.types import DataType

from pyflink_triton.runtime.messages import ColumnType
from pyflink_triton.table.compat.java_objects import from_java_type, java_schema, java_table, to_java_type

#: A schema of PyFlink, or names with types. A type is SQL or a DataType.
Declared: TypeAlias = Schema | Mapping[str, str | DataType] | Sequence[tuple[str, str | DataType]]


def read_schema(declared: Declared) -> list[ColumnType]:
    """Read a declared schema as the bridge protocol's ``input`` or ``output``."""
    if isinstance(declared, Schema):
        return [
            {"name": column.getName(), "type": _java_type(column.getDataType())}
            for column in java_schema(declared).getColumns()
        ]
    pairs = declared.items() if isinstance(declared, Mapping) else declared
    return [{"name": name, "type": type_ if isinstance(type_, str) else sql_type(type_)} for name, type_ in pairs]


def sql_type(type_: DataType) -> str:
    """A PyFlink type as Flink's SQL writes it."""
    return str(to_java_type(type_).getLogicalType().asSerializableString())


def column_types(table: Table) -> list[tuple[str, DataType | None]]:
    """The types of a table's columns, as Flink's SQL writes them, and PyFlink's own, which has no VARIANT."""
    found: list[tuple[str, DataType | None]] = []
    for java_type in java_table(table).getResolvedSchema().getColumnDataTypes():
        try:
            own = from_java_type(java_type)
        except TypeError:
            own = None
        found.append((str(java_type.getLogicalType().asSerializableString()), own))
    return found


def write_schema(columns: Sequence[ColumnType]) -> Schema:
    """Columns as a PyFlink schema."""
    builder = Schema.new_builder()
    for column in columns:
        builder.column(column["name"], column["type"])
    return builder.build()


def result_type(outputs: Sequence[ColumnType]) -> str:
    """The type of a function's result: the type of its one output, or a ROW of several."""
    if len(outputs) == 1:
        return outputs[0]["type"]
    fields = ", ".join(f"`{column['name'].replace('`', '``')}` {column['type']}" for column in outputs)
    return f"ROW<{fields}>"


def _java_type(type_: Any) -> str:
    """The SQL of a Java type: resolved, or in brackets the text that the user wrote."""
    text = str(type_.toString())
    return text[1:-1] if text.startswith("[") else text
