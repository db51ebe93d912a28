"""The Java objects behind PyFlink's tables, sessions, schemas and types, which PyFlink keeps to itself.

PyFlink 2.3 has no wrapper of Java's ``Model.predict`` (FLINK-39163 adds it), and nothing that writes a type as SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyflink.table.types
from pyflink.table import Schema, Table, TableEnvironment
from pyflink.table.types import DataType

from pyflink_triton.table.compat import PYFLINK


def _gateway() -> Any:
    return PYFLINK.function(PYFLINK.module("pyflink.java_gateway"), "get_gateway")()


def jvm() -> Any:
    """Java's packages."""
    return _gateway().jvm


def java_array(class_: Any, values: Sequence[Any]) -> Any:
    """Make a Java array."""
    array = _gateway().new_array(class_, len(values))
    for index, value in enumerate(values):
        array[index] = value
    return array


def java_session(session: TableEnvironment) -> Any:
    """The Java TableEnvironment of a session."""
    return PYFLINK.member(session, "_j_tenv")


def java_table(table: Table) -> Any:
    """The Java Table of a table."""
    return PYFLINK.member(table, "_j_table")


def java_schema(schema: Schema) -> Any:
    """The Java Schema of a schema."""
    return PYFLINK.member(schema, "_j_schema")


def session_of(table: Table) -> TableEnvironment:
    """The session that a table belongs to."""
    return PYFLINK.member(table, "_t_env")


def make_table(java_table: Any, session: TableEnvironment) -> Table:
    """The table of a Java Table."""
    PYFLINK.function(Table, "__init__", "self", "j_table", "t_env")
    return Table(java_table, session)


def to_java_type(type_: DataType) -> Any:
    """The Java DataType of a type."""
    return PYFLINK.function(pyflink.table.types, "_to_java_data_type", "data_type")(type_)


def from_java_type(java_type: Any) -> DataType:
    """The type of a Java DataType."""
    return PYFLINK.function(pyflink.table.types, "_from_java_data_type", "j_data_type")(java_type)


class _Consumer:
    """A ``java.util.function.Consumer`` that calls a Python function."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def accept(self, value: str) -> None:
        """Called by Java, in a thread of Py4J's."""
        self._take(value)

    class Java:
        """What Py4J reads."""

        implements = ("java.util.function.Consumer",)


def call_with_consumer(java_object: Any, method: str, take: Callable[[str], None]) -> None:
    """Call a method of a Java object that takes a ``Consumer`` of texts.

    It is called by reflection, because Py4J finds methods by a class's name, and each session loads the shim's
    classes anew.
    """
    java = jvm()
    consumer = java.Class.forName("java.util.function.Consumer")
    found = java_object.getClass().getMethod(method, java_array(java.Class, [consumer]))
    arguments = java.java.util.ArrayList()
    arguments.add(_Consumer(take))
    found.invoke(java_object, arguments.toArray())
