"""Java's ``Model.predict`` for tables of PyFlink, with the casts of arrays that Flink leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyflink.table import Table, TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.types import DataType

from pyflink_triton.errors import SchemaError
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column, check_argument, is_castable, loses_decimals
from pyflink_triton.table.argument_types import require_type
from pyflink_triton.table.compat.java_errors import bare_words
from pyflink_triton.table.compat.java_objects import (
    from_java_type,
    java_array,
    java_session,
    java_table,
    jvm,
    make_table,
    session_of,
)
from pyflink_triton.table.session import options_of
from pyflink_triton.types.sql import SqlType, parse_type

_HIDDEN = "$triton_{}"


def predict(table: Table, model: str, columns: Sequence[str], **options: object) -> Table:
    """Predict with a model for each row of a table.

    Args:
        table: The rows.
        model: The model's path, as in SQL: ``m``, ``catalog.database.m``.
        columns: The table's columns that the model takes, in the order of its INPUT; a name alone is one column.
        options: The options of ``ML_PREDICT``'s MAP, with ``_`` for ``-``: ``request_timeout="5s"``.

    Returns:
        The table's columns and the model's outputs.

    Raises:
        TypeError: An argument is of a wrong type.
        SchemaError: There is no such model or column, or a column is of a type that Flink does not cast implicitly;
            the message says what to write.
        OptionError: A duration has no unit.
    """
    example = "predict(t_env.from_path('payments'), 'triton.`default`.fraud', ['amount'])"
    for name, value, kind in (("table", table, Table), ("model", model, str), ("columns", columns, Sequence)):
        require_type(value, kind, name, example)
    if isinstance(columns, str):
        columns = [columns]
    session = session_of(table)
    j_model = _model(session, model)
    inputs = _types(j_model.getResolvedInputSchema())
    given = dict(_types(java_table(table).getResolvedSchema()))
    names = ", ".join(f"{name} {type_}" for name, type_ in inputs)
    if len(columns) != len(inputs):
        raise SchemaError(f"Model '{model}': it takes {len(inputs)} columns ({names}), and {len(columns)} were given.")
    unknown = [name for name in columns if name not in given]
    if unknown:
        raise SchemaError(
            f"Model '{model}': the table has no column '{unknown[0]}'. Its columns are {', '.join(given)}."
        )
    casts = {
        place: col(name).cast(data_type).alias(_HIDDEN.format(place))
        for place, name in enumerate(columns)
        if (data_type := _cast(model, inputs[place], given[name])) is not None
    }
    taken = [_HIDDEN.format(place) if place in casts else name for place, name in enumerate(columns)]
    widened = table.add_columns(*casts.values()) if casts else table
    written = options_of(options)
    j_columns = jvm().org.apache.flink.types.ColumnList.of(java_array(jvm().String, taken))
    predicted = make_table(j_model.predict(java_table(widened), j_columns, written), session)
    return predicted.drop_columns(*(col(_HIDDEN.format(place)) for place in casts)) if casts else predicted


def _model(session: TableEnvironment, path: str) -> Any:
    try:
        return java_session(session).fromModel(path)
    except Exception as error:
        words = bare_words(error)
        if words is None:
            raise
        raise SchemaError(f"Model '{path}': {words}. {Remedy.SHOW_MODELS()}.") from None


def _types(j_schema: Any) -> list[tuple[str, str]]:
    return [
        (column.getName(), column.getDataType().getLogicalType().asSummaryString()) for column in j_schema.getColumns()
    ]


def _cast(model: str, declared: tuple[str, str], given: str) -> DataType | None:
    """The ARRAY type that a column is cast to; None for other columns, whose values the worker casts and checks."""
    try:
        column, value = Column.parse(*declared), parse_type(given, declared[0])
        if value.nullable and not column.type.nullable:
            raise SchemaError(
                f"input column '{column.name}' is declared {column.type} NOT NULL, and what is given may be NULL. "
                + Remedy.DECLARE_AS(type=column.type)
            )
        source, target = value.leaf, column.type.leaf
        is_array = value.depth == column.type.depth > 0
        if not is_array or not is_castable(source, target) or loses_decimals(source, target):
            check_argument(column, value)
            return None
    except SchemaError as error:
        raise SchemaError(f"Model '{model}': {error}.") from None
    return None if source.arrow == target.arrow else _data_type(_nullable_alike(column.type, value))


def _nullable_alike(declared: SqlType, given: SqlType) -> str:
    """The declared type, NOT NULL where the given one is: a cast to NOT NULL would turn each NULL into a value."""
    text = str(declared)
    if declared.element is not None and given.element is not None:
        text = f"ARRAY<{_nullable_alike(declared.element, given.element)}>"
    return text if given.nullable else f"{text} NOT NULL"


def _data_type(text: str) -> DataType:
    flink = jvm().org.apache.flink.table.types
    loader = jvm().Thread.currentThread().getContextClassLoader()
    logical = flink.logical.utils.LogicalTypeParser.parse(text, loader)
    return from_java_type(flink.utils.TypeConversions.fromLogicalToDataType(logical))
