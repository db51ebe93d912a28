"""Values of a query as JSON has them, whatever their type: Flink makes JSON of texts, which become numbers here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pyflink.table import DataTypes, Expression
from pyflink.table.expressions import json_string
from pyflink.table.types import ArrayType, DataType, MapType, MultisetType, RowType

from pyflink_triton.table.data_types import sql_type
from pyflink_triton.table.texts import from_text

_Read = Callable[[Any], Any]


def text_of(value: Expression, sql_type: str) -> Expression:
    """A value as text.

    Args:
        value: The value.
        sql_type: Its type, as Flink's SQL writes it.
    """
    return json_string(value) if sql_type.startswith("VARIANT") else value.cast(DataTypes.STRING())


def json_of(value: Expression, type_: DataType | None) -> Expression:
    """What Flink has to compute, so that ``reader`` can read it: the value as text, or JSON whose parts are texts.

    Args:
        value: The value.
        type_: Its type; None where PyFlink lacks it.
    """
    if type_ is None:
        return json_string(value)
    texts = value.cast(_of_texts(type_))
    return json_string(texts) if _has_parts(type_) else texts


def reader(type_: DataType | None) -> _Read:
    """What makes a value for Python's ``json`` of what ``json_of`` gave: dicts, lists, texts, numbers and None.

    Args:
        type_: The value's type; None where PyFlink lacks it.
    """
    if type_ is None:
        return _unless_null(json.loads)
    read = _reader(type_)
    return _unless_null(lambda written: read(json.loads(written))) if _has_parts(type_) else read


def _has_parts(type_: DataType) -> bool:
    return isinstance(type_, ArrayType | RowType | MapType | MultisetType)


def _of_texts(type_: DataType) -> DataType:
    text = DataTypes.STRING()
    if isinstance(type_, ArrayType):
        return DataTypes.ARRAY(_of_texts(type_.element_type))
    if isinstance(type_, RowType):
        return DataTypes.ROW([DataTypes.FIELD(each.name, _of_texts(each.data_type)) for each in type_.fields])
    if isinstance(type_, MapType):
        return DataTypes.MAP(text, _of_texts(type_.value_type))
    return DataTypes.MULTISET(text) if isinstance(type_, MultisetType) else text


def _reader(type_: DataType) -> _Read:
    if isinstance(type_, ArrayType):
        element = _reader(type_.element_type)
        return _unless_null(lambda items: [element(each) for each in items])
    if isinstance(type_, RowType):
        fields = {each.name: _reader(each.data_type) for each in type_.fields}
        return _unless_null(lambda row: {name: field(row[name]) for name, field in fields.items()})
    if isinstance(type_, MapType):
        entry = _reader(type_.value_type)
        return _unless_null(lambda entries: {key: entry(each) for key, each in entries.items()})
    if isinstance(type_, MultisetType):
        return lambda counts: counts
    name = sql_type(type_)
    return _unless_null(lambda text: from_text(text, name))


def _unless_null(read: _Read) -> _Read:
    return lambda written: None if written is None else read(written)
