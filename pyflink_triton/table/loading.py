"""What a function can learn while PyFlink's worker loads it, before it is opened."""

from __future__ import annotations

import sys
from typing import Any

from pyflink.table.udf import FunctionContext

from pyflink_triton.runtime.messages import Task


def loaded_inputs() -> Any:
    """The arguments of the call that PyFlink's worker is loading a function for; None in any other process."""
    frame = _frame("extract_user_defined_function")
    return None if frame is None else frame.f_locals["user_defined_function_proto"].inputs


def loading_operation(kind: type) -> Any:
    """The operation of PyFlink's worker that is loading a function; None in any other process."""
    frame = _frame("__init__", kind)
    return None if frame is None else frame.f_locals["self"]


def task_of(context: FunctionContext) -> Task:
    """The task's part of the bridge protocol's ``open``."""
    return {
        "subtask": context.get_index_of_this_subtask(),
        "parallelism": context.get_number_of_parallel_subtasks(),
    }


def _frame(name: str, kind: type = object) -> Any:
    frame: Any = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == name and isinstance(frame.f_locals.get("self"), kind):
            return frame
        frame = frame.f_back
    return None
