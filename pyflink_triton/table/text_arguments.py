"""Which arguments of a function hold text for tensors, and may be bytes as well."""

from __future__ import annotations

from collections.abc import Sequence

from pyflink_triton.runtime.messages import ColumnType
from pyflink_triton.runtime.planning import DeclaredModel
from pyflink_triton.schema.option_columns import find_references
from pyflink_triton.table.function_call import FunctionCall
from pyflink_triton.types.sql import array_of, simple


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
    """The call with bytes at these places. Text becomes bytes on the way to its tensor anyway."""
    columns = DeclaredModel.parse(call).inputs
    types = {place: str(array_of(simple("BYTES"), columns[place].type.depth)) for place in places}
    inputs: list[ColumnType] = [
        {"name": column["name"], "type": types.get(place, column["type"])} for place, column in enumerate(call["input"])
    ]
    return {**call, "input": inputs}
