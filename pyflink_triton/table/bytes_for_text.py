"""PyFlink's functions that also take bytes for a text: PyFlink itself fixes one type for each argument."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyflink.java_gateway import get_gateway
from pyflink.util.java_utils import to_jarray

from pyflink_triton.jar import jar_path
from pyflink_triton.runtime.messages import ColumnType
from pyflink_triton.runtime.planning import DeclaredModel
from pyflink_triton.schema.option_columns import find_references
from pyflink_triton.table.function_call import FunctionCall
from pyflink_triton.types.sql import array_of, simple

_FUNCTIONS = {"PythonScalarFunction": "BytesPythonFunction", "PythonAsyncScalarFunction": "BytesPythonAsyncFunction"}


def text_places(call: FunctionCall) -> list[int]:
    """The places of a planned call's columns that are text for tensors, and not for an option; alone or in ARRAYs."""
    declared = DeclaredModel.parse(call)
    references = find_references(declared.options, declared.inputs).values()
    return [
        place
        for place, column in enumerate(declared.inputs)
        if column.type.leaf.name == "STRING" and place not in references
    ]


def as_bytes(call: FunctionCall, places: Sequence[int]) -> FunctionCall:
    """The call with bytes at these places, which texts become on the way to their tensor anyway."""
    columns = DeclaredModel.parse(call).inputs
    types = {place: str(array_of(simple("BYTES"), columns[place].type.depth)) for place in places}
    inputs: list[ColumnType] = [
        {"name": column["name"], "type": types.get(place, column["type"])} for place, column in enumerate(call["input"])
    ]
    return {**call, "input": inputs}


def take_bytes(function: Any, places: Sequence[int]) -> Any:
    """Let a function of PyFlink's also take bytes at these places.

    Args:
        function: What ``udf`` returned; only its Java function changes, and that only while Flink plans.
        places: The places of its arguments that are text.

    Returns:
        The function. Without the jar in the package it is as it was.
    """
    make = function._create_judf

    def create(*arguments: Any) -> Any:
        made = make(*arguments)
        made_class = made.getClass()
        try:
            loader = _loader(made_class.getClassLoader())
        except FileNotFoundError:
            return made
        name = f"io.github.pyflinktriton.compat.{_FUNCTIONS[made_class.getSimpleName()]}"
        (constructor,) = loader.loadClass(name).getConstructors()
        jvm = get_gateway().jvm
        given = jvm.java.util.ArrayList()
        given.add(made)
        given.add(to_jarray(jvm.int, places))
        return constructor.newInstance(given.toArray())

    if places:
        function._create_judf = create
    return function


@lru_cache(maxsize=1)
def _loader(parent: Any) -> Any:
    """A loader of the package's jar beside Flink's classes: a function is made without a session that has the jar."""
    jvm = get_gateway().jvm
    jar = jvm.java.net.URL(Path(jar_path()).as_uri())
    return jvm.java.net.URLClassLoader(to_jarray(jvm.java.net.URL, [jar]), parent)
