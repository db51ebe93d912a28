"""PyFlink's operation for async functions, repaired for the functions of this package.

PyFlink 2.3 hands the list that holds a row to a coroutine, and fills the same list with the next row before the
coroutine has read it (FLINK-39532): rows get other rows' answers. Here a row's arguments are read before control
returns. What PyFlink does for each row besides (a timer's thread, a coroutine, retries, the row in each error) is left
out, because this package's core has deadlines and retries of its own.
"""

from __future__ import annotations

import functools
from typing import Any, Protocol

from pyflink.table import udf

from pyflink_triton.remedies import Remedy
from pyflink_triton.table.compat import PYFLINK
from pyflink_triton.table.compat import worker_frames as frames

_MODULE = "pyflink.fn_execution.table.async_function.operations"
#: What async functions extend. PyFlink 2.2 has none, and ``loading_operation`` refuses to make one there.
AsyncScalarFunction: Any = getattr(udf, "AsyncScalarFunction", object)


class TakesRows(Protocol):
    """A function that reads its arguments while ``eval`` runs, and answers later."""

    def accept(self, complete: Any, fail: Any) -> None:
        """Take what completes the row of the next ``eval``, and what fails the job."""

    def end_bundle(self) -> None:
        """Called when all rows of a bundle are answered."""


def loading_operation(kind: type[TakesRows]) -> Any:
    """The operation that is loading a function, which from then on runs the functions of a class in this way.

    Args:
        kind: The functions' class; other functions run as before.

    Returns:
        The operation; None where PyFlink's worker is not loading a function.

    Raises:
        JobError: PyFlink has no such operation, or runs it in another way than is known.
    """
    if AsyncScalarFunction is object:
        raise PYFLINK.older("has no async functions", Remedy.USE_NEWER_FLINK(instead="scalar_function()"))
    operations = PYFLINK.member(PYFLINK.module(_MODULE), "AsyncScalarFunctionOperation")
    operation = frames.loading_operation(operations)
    if operation is not None:
        _install(operations, kind)
    return operation


def timeout_of(operation: Any) -> float:
    """The time-out of Flink's operator in seconds; 0 for none."""
    return float(PYFLINK.member(operation, "_timeout"))


def check(operation: Any) -> None:
    """Compare an operation, once it is complete, with what ``process_element`` and ``finish`` here use of it.

    Raises:
        JobError: It differs, or its queue does not keep the order of the rows.
    """
    PYFLINK.function(operation, "_eval_func", "value")
    PYFLINK.function(operation, "_mark_exception", "exception")
    PYFLINK.function(operation, "_raise_exception_if_exists")
    PYFLINK.function(operation, "_wait_for_in_flight_inputs_finished")
    PYFLINK.function(operation, "_update_gauge", "base_metric_group")
    PYFLINK.member(operation, "base_metric_group")
    queue = PYFLINK.member(operation, "_queue")
    PYFLINK.function(queue, "put", "windowed_value", "timestamp", "watermark", "record")
    try:
        emitted = _emitted_when_completed_backwards(type(queue)(2, lambda: None))
    except Exception as error:
        raise PYFLINK.refused(f"{type(queue).__name__} cannot be used as before ({error!r})") from error
    if emitted != ["first", "second"]:
        raise PYFLINK.refused(f"{type(queue).__name__} does not keep the order of rows")


def _emitted_when_completed_backwards(queue: Any) -> list[str]:
    emitted: list[str] = []

    class Output:
        def process_outputs(self, window: None, results: list[str]) -> None:
            emitted.extend(results)

    first, second = (queue.put(None, 0, 0, None) for _ in range(2))
    for entry, result in ((second, "second"), (first, "first")):
        entry.complete([result])
        queue.emit_completed_element(Output())
    queue.emit_completed_element(Output())
    return emitted


@functools.cache
def _install(operations: Any, kind: type[TakesRows]) -> None:
    """Let the operations of a class run functions of a class in this way, in this process."""
    process_by_pyflink = PYFLINK.function(operations, "process_element", "self", "value")
    finish_by_pyflink = PYFLINK.function(operations, "finish", "self")

    def process_element(self: Any, value: Any) -> None:
        function = self.user_defined_funcs[0]
        if not isinstance(function, kind):
            process_by_pyflink(self, value)
            return
        self._raise_exception_if_exists()
        entry = self._queue.put(None, 0, 0, None)
        function.accept(entry.complete, self._mark_exception)
        self._eval_func(value)

    def finish(self: Any) -> None:
        function = self.user_defined_funcs[0]
        if not isinstance(function, kind):
            finish_by_pyflink(self)
            return
        self._wait_for_in_flight_inputs_finished()
        self._raise_exception_if_exists()
        function.end_bundle()
        self._update_gauge(self.base_metric_group)

    operations.process_element = process_element
    operations.finish = finish
