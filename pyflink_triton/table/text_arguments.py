"""Which arguments of a function hold text for tensors, and may be bytes as well."""

from __future__ import annotations

from collections.abc import Sequence

from pyflink_triton.runtime.messages import ColumnType
from pyflink_triton.runtime.planning import DeclaredModel
from pyflink_triton.schema.columns import is_text_given_as_bytes
from pyflink_triton.schema.option_columns import find_references
from pyflink_triton.table.function_call import FunctionCall
from pyflink_triton.types.sql import array_of, parse_type, simple


def text_places(call: FunctionCall) -> list[int]:
    """The places of a planned call's columns that hold text for tensors, alone or in ARRAYs, and not for an option."""
    declared = DeclaredModel.parse(call)
    references = find_references(declared.options, declared.inputs).values()
    return [
        place
        for place, column in enumerate(declared.inputs)
        if column.type.leaf.name == "STRING" and place not in references
    ]


def as_bytes(call: FunctionCall, places: Sequence[int]) -> FunctionCall:
    """The call with bytes at these places. Text becomes bytes on the way to its tensor anyway.

    Only ARRAYs are declared anew: a column that is declared BYTES may be the content of a tensor.
    """
    columns = DeclaredModel.parse(call).inputs
    depths = {place: columns[place].type.depth for place in places}
    types = {place: str(array_of(simple("BYTES"), depth)) for place, depth in depths.items()}
    inputs: list[ColumnType] = [
        {"name": column["name"], "type": types[place] if depths.get(place) else column["type"]}
        for place, column in enumerate(call["input"])
    ]
    sent = call.get("arguments") or [column["type"] for column in inputs]
    return {**call, "input": inputs, "arguments": [types.get(place, type_) for place, type_ in enumerate(sent)]}


def sent_types(columns: Sequence[ColumnType], arguments: Sequence[str]) -> list[str]:
    """The types that a planned call's arguments are sent in: those of its columns, or bytes for a text.

    Args:
        columns: The columns that planning answered.
        arguments: The types of the arguments, as the user gave them.
    """
    sent = []
    for column, argument in zip(columns, arguments, strict=True):
        declared = parse_type(column["type"], column["name"])
        is_typed = declared.name == "STRING" and argument.strip().upper() != "NULL"
        given = parse_type(argument, column["name"]) if is_typed else declared
        sent.append(str(given) if is_text_given_as_bytes(given, declared) else column["type"])
    return sent
