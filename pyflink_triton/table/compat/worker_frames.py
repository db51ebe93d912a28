"""What a function learns while PyFlink's worker unpickles it, which no interface of PyFlink tells it.

It is read from the stack: the arguments of its call, and the operation that will run it.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from pyflink_triton.errors import JobError
from pyflink_triton.table.compat import PYFLINK


def row_arguments() -> set[int] | None:
    """Where the arguments are columns of rows, in the call that PyFlink's worker is loading a function for.

    Returns:
        The places of such arguments; the others are constants or what another function gives. None where no worker
        is loading a function.

    Raises:
        JobError: The worker loads it in another way than is known.
    """
    frame = _frame("extract_user_defined_function")
    if frame is None:
        return None
    name = "user_defined_function_proto"
    if name not in frame.f_locals:
        raise PYFLINK.refused(f"extract_user_defined_function has no variable '{name}'")
    inputs = PYFLINK.member(frame.f_locals[name], "inputs")
    try:
        return {place for place, each in enumerate(inputs) if each.HasField("inputOffset")}
    except (AttributeError, ValueError) as error:
        raise PYFLINK.refused(f"an argument of a function has no 'inputOffset' ({error})") from error


def loading_operation(kind: type) -> Any:
    """The operation of a class that is loading a function; None where there is none, as in any other process."""
    frame = _frame("__init__", kind)
    return None if frame is None else frame.f_locals["self"]


def not_loaded() -> JobError:
    """The error for a function that runs although PyFlink's worker did not load it in the way that is known."""
    return PYFLINK.refused("its worker runs a function that it did not load by extract_user_defined_function")


def _frame(name: str, kind: type = object) -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == name and isinstance(frame.f_locals.get("self"), kind):
            return frame
        frame = frame.f_back
    return None
