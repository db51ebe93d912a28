"""The task that a function runs in, as the bridge's messages have it."""

from __future__ import annotations

from pyflink.table.udf import FunctionContext

from pyflink_triton.options.options import Options
from pyflink_triton.options.parsers import columns_of
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.messages import Task
from pyflink_triton.table.compat import PYFLINK


def task_of(context: FunctionContext, options: Options) -> Task:
    """The field ``task`` of the request that opens a model.

    Args:
        context: What PyFlink opens the function with. PyFlink 2.2 does not say there which subtask it is.
        options: The model's options.

    Returns:
        The task; nothing where it is not known, and does not matter.

    Raises:
        JobError: It is not known, and subtasks would use the same ids for sequences, or each of them the whole rate.
    """
    if hasattr(context, "get_index_of_this_subtask"):
        return {
            "subtask": context.get_index_of_this_subtask(),
            "parallelism": context.get_number_of_parallel_subtasks(),
        }
    if options.max_requests_per_second is not None:
        raise PYFLINK.older(
            "does not tell a function how many subtasks there are, so each would send 'max-requests-per-second'",
            Remedy.USE_NEWER_FLINK(instead="ML_PREDICT or m(x) in streaming mode"),
        )
    if options.sequence_id_auto_increment or (options.sequence_id is not None and not columns_of(options.sequence_id)):
        raise PYFLINK.older(
            "does not tell a function its subtask, so several subtasks would use the same ids for sequences",
            Remedy.USE_NEWER_FLINK(instead="ML_PREDICT or m(x) in streaming mode"),
        )
    return {}
