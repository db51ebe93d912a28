"""The task that a function runs in, as the bridge's messages have it."""

from __future__ import annotations

from pyflink.table.udf import FunctionContext

from pyflink_triton.runtime.messages import Task


def task_of(context: FunctionContext) -> Task:
    """The field ``task`` of the request that opens a model."""
    return {
        "subtask": context.get_index_of_this_subtask(),
        "parallelism": context.get_number_of_parallel_subtasks(),
    }
