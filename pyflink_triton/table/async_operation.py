"""PyFlink's operation for async functions, made right for the functions of this package.

PyFlink 2.3 hands the list that holds a row to a coroutine, and fills the same list with the next row before the
coroutine has read it (FLINK-39532): rows get other rows' answers. Here a row's arguments are taken before control
returns. What PyFlink does for each row besides (a timer's thread, a coroutine, retries, the row in each error) is left
out, for this package's core has deadlines and retries of its own.
"""

from __future__ import annotations

from typing import Any, Protocol

from pyflink.fn_execution.table.async_function.operations import AsyncScalarFunctionOperation


class TakesRows(Protocol):
    """A function that takes its arguments while ``eval`` runs, and answers later."""

    def accept(self, complete: Any, fail: Any) -> None:
        """Say what completes the row that the next ``eval`` is for, and what fails the job."""

    def end_bundle(self) -> None:
        """All rows of a bundle are answered."""


#: PyFlink's own, for the functions of others.
_process_pyflinks = AsyncScalarFunctionOperation.process_element
_finish_pyflinks = AsyncScalarFunctionOperation.finish


def install(kind: type[TakesRows]) -> None:
    """Let functions of a class run this way in this process; all others run as before; safe to call again."""

    def process_element(operation: Any, value: Any) -> None:
        function = operation.user_defined_funcs[0]
        if not isinstance(function, kind):
            _process_pyflinks(operation, value)
            return
        operation._raise_exception_if_exists()
        entry = operation._queue.put(None, 0, 0, None)
        function.accept(entry.complete, operation._mark_exception)
        operation._eval_func(value)

    def finish(operation: Any) -> None:
        function = operation.user_defined_funcs[0]
        if not isinstance(function, kind):
            _finish_pyflinks(operation)
            return
        operation._wait_for_in_flight_inputs_finished()
        operation._raise_exception_if_exists()
        function.end_bundle()
        operation._update_gauge(operation.base_metric_group)

    AsyncScalarFunctionOperation.process_element = process_element
    AsyncScalarFunctionOperation.finish = finish
