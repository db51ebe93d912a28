"""PyFlink's functions that also take bytes for a text.

PyFlink 2.3 fixes one type for each argument when a function is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyflink_triton.jar import jar_path
from pyflink_triton.table.compat import PYFLINK
from pyflink_triton.table.compat.java_objects import java_array, jvm

_FUNCTIONS = {"PythonScalarFunction": "BytesPythonFunction", "PythonAsyncScalarFunction": "BytesPythonAsyncFunction"}


def take_bytes(function: Any, places: Sequence[int]) -> Any:
    """Let a function of PyFlink's also take bytes at these places.

    Args:
        function: What ``udf`` returned. Only its Java function changes, and that only while Flink plans.
        places: The places of its arguments that are text.

    Returns:
        The function. Without the jar in the package it is as it was.

    Raises:
        JobError: PyFlink makes Java functions in another way than is known.
    """
    if not places:
        return function
    make = PYFLINK.function(function, "_create_judf", "serialized_func", "j_input_types", "j_function_kind")

    def create(*arguments: Any) -> Any:
        made = make(*arguments)
        made_class = made.getClass()
        try:
            loader = _loader(made_class.getClassLoader())
        except FileNotFoundError:
            return made
        name = _FUNCTIONS.get(made_class.getSimpleName())
        if name is None:
            raise PYFLINK.refused(f"a function is a {made_class.getName()} in Java")
        (constructor,) = loader.loadClass(f"io.github.pyflinktriton.compat.{name}").getConstructors()
        given = jvm().java.util.ArrayList()
        given.add(made)
        given.add(java_array(jvm().int, places))
        return constructor.newInstance(given.toArray())

    function._create_judf = create
    return function


@lru_cache(maxsize=1)
def _loader(parent: Any) -> Any:
    """A loader of the package's jar beside Flink's classes: a function is made without a session that has the jar."""
    java = jvm()
    jar = java.java.net.URL(Path(jar_path()).as_uri())
    return java.java.net.URLClassLoader(java_array(java.java.net.URL, [jar]), parent)
