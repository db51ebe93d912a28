"""Flink's models over tables: Java's ``Model.predict`` for PyFlink, with the casts that ML_PREDICT leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyflink.java_gateway import get_gateway
from pyflink.table import Table
from pyflink.table.expressions import col
from pyflink.table.types import _from_java_data_type
from pyflink.util.java_utils import to_jarray

from pyflink_triton.columns import Column, cast_needed, is_castable
from pyflink_triton.errors import SchemaError
from pyflink_triton.table.session import option_text

_HIDDEN = "$triton_{}"


def predict(table: Table, model: str, columns: Sequence[str], **options: object) -> Table:
    """Predict with a model for each row of a table.

    Args:
        table: The rows.
        model: The model's path, as in SQL: ``m``, ``catalog.database.m``.
        columns: The table's columns that the model takes, in the order of its INPUT.
        options: Those of ``ML_PREDICT``'s MAP, with ``_`` for ``-``: ``request_timeout="5s"``.

    Returns:
        The table's columns and the model's outputs.

    Raises:
        SchemaError: A column is of a type that Flink does not cast implicitly; the message holds the CAST.
    """
    j_model = table._t_env._j_tenv.fromModel(model)
    inputs = _types(j_model.getResolvedInputSchema())
    given = dict(_types(table._j_table.getResolvedSchema()))
    names = ", ".join(f"{name} {type_}" for name, type_ in inputs)
    if len(columns) != len(inputs):
        raise SchemaError(f"Model '{model}': it takes {len(inputs)} columns ({names}), and {len(columns)} were given.")
    unknown = [name for name in columns if name not in given]
    if unknown:
        raise SchemaError(
            f"Model '{model}': the table has no column '{unknown[0]}'. Its columns are {', '.join(given)}."
        )
    casts = {
        place: col(name).cast(_data_type(j_model, place)).alias(_HIDDEN.format(place))
        for place, name in enumerate(columns)
        if _needs_cast(model, inputs[place], given[name])
    }
    taken = [_HIDDEN.format(place) if place in casts else name for place, name in enumerate(columns)]
    widened = table.add_columns(*casts.values()) if casts else table
    gateway = get_gateway()
    of = gateway.jvm.org.apache.flink.types.ColumnList.of
    written = {key.replace("_", "-"): option_text(value) for key, value in options.items()}
    j_table = j_model.predict(widened._j_table, of(to_jarray(gateway.jvm.java.lang.String, taken)), written)
    predicted = Table(j_table, table._t_env)
    return predicted.drop_columns(*(col(_HIDDEN.format(place)) for place in casts)) if casts else predicted


def _types(j_schema: Any) -> list[tuple[str, str]]:
    return [
        (column.getName(), column.getDataType().getLogicalType().copy(True).asSummaryString())
        for column in j_schema.getColumns()
    ]


def _data_type(j_model: Any, place: int) -> Any:
    return _from_java_data_type(j_model.getResolvedInputSchema().getColumns()[place].getDataType())


def _needs_cast(model: str, declared: tuple[str, str], given: str) -> bool:
    if declared[1] == given:
        return False
    column, value = Column.parse(*declared), Column.parse(declared[0], given).type
    if column.type == value or column.type.arrow == value.arrow:
        return False
    if column.type.depth != value.depth or not is_castable(value.leaf, column.type.leaf):
        raise SchemaError(f"Model '{model}': {cast_needed(column, value)}.")
    return True
