"""A model's vectorized function as the bytes that PyFlink's worker loads, made without PyFlink."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

from pyflink_triton.runtime.messages import OpenRequest

#: So that any Python that PyFlink runs on can load it.
_PICKLE_PROTOCOL = 4


class _Function:
    """Becomes a PyFlink function where it is loaded."""

    def __init__(self, call: OpenRequest) -> None:
        self._call = json.dumps(call, separators=(",", ":"))

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return load, (self._call,)


def payload(call: OpenRequest) -> bytes:
    """Pickle the vectorized function of a call.

    Args:
        call: What opens the model, without ``task``. References to secrets stay
            references; they are resolved where the function is opened.

    Returns:
        The pickle of a PyFlink ScalarFunction of the pandas kind. It takes a value for each column of ``input``,
        and one more of which only the number of rows counts.
    """
    return pickle.dumps(_Function(call), _PICKLE_PROTOCOL)


def load(call: str) -> Any:
    """Make the function; this runs in PyFlink's worker, and imports PyFlink only there."""
    from pyflink_triton.table.scalar_function import TritonScalarFunction

    return TritonScalarFunction(json.loads(call))
