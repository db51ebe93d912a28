"""A model as PyFlink's async function: rows one by one, requests in batches, answers in the rows' order."""

from __future__ import annotations

from typing import Any

from pyflink.table.udf import FunctionContext

from pyflink_triton.runtime.planning import DeclaredModel
from pyflink_triton.table.columns import given_columns
from pyflink_triton.table.compat import async_operation
from pyflink_triton.table.compat.worker_frames import not_loaded
from pyflink_triton.table.function_call import FunctionCall
from pyflink_triton.table.metric_group import MetricFeed
from pyflink_triton.table.model_thread import ModelThread
from pyflink_triton.table.row_batches import Complete, Fail, RowBatches
from pyflink_triton.table.task import task_of

#: The seconds of Flink's time-out for async functions where the user has set none.
_DEFAULT_TIMEOUT = 180.0
#: Rows between two looks at the metrics within a bundle.
_ROWS_PER_FEED = 1024


class TritonAsyncScalarFunction(async_operation.AsyncScalarFunction):  # type: ignore[misc] # pyflink has no types
    """Predicts the rows that wait, in batches.

    Args:
        call: What opens the model.
    """

    def __init__(self, call: FunctionCall) -> None:
        self._call = call
        self._declared = DeclaredModel.parse(call)
        self._model: ModelThread | None = None
        self._metrics: MetricFeed | None = None
        self._batches: RowBatches | None = None
        self._complete: Complete | None = None
        self._rows = 0
        self._operation = async_operation.loading_operation(TritonAsyncScalarFunction)

    def __reduce__(self) -> tuple[type[TritonAsyncScalarFunction], tuple[FunctionCall]]:
        """The call is all that travels."""
        return TritonAsyncScalarFunction, (self._call,)

    def open(self, function_context: FunctionContext) -> None:
        """Wait for the model."""
        if self._operation is None:
            raise not_loaded()
        async_operation.check(self._operation)
        self._metrics = MetricFeed(function_context)
        request: FunctionCall = {**self._call, "task": task_of(function_context, self._declared.options)}
        timeout = async_operation.timeout_of(self._operation)
        if timeout and timeout != _DEFAULT_TIMEOUT:  # the user's own, which may be shorter than the model's
            request["limit"] = 1000 * timeout
        self._model = ModelThread(request)

    def close(self) -> None:
        """End every call under way and leave no thread and no connection."""
        if self._model is not None:
            self._model.close()
            self._model = None

    def is_deterministic(self) -> bool:
        """Whether the model gives the same answer for the same row, as its option says."""
        return self._call.get("deterministic", self._declared.options.deterministic is not False)

    def accept(self, complete: Complete, fail: Fail) -> None:
        """Take what completes the row of the next ``eval``, and what fails the job."""
        if self._batches is None:
            assert self._model is not None
            self._batches = RowBatches(self._model, given_columns(self._declared), fail)
        self._complete = complete

    def eval(self, *arguments: Any) -> None:
        """Take a row's arguments; its answer goes to what ``accept`` took."""
        if self._batches is None or self._complete is None:
            raise not_loaded()
        self._batches.add(arguments, self._complete)
        self._complete = None
        self._rows += 1
        if self._rows % _ROWS_PER_FEED == 0:
            self.end_bundle()

    def end_bundle(self) -> None:
        """Hand the counts to Flink; runs in the bundle's thread, because PyFlink binds metrics to it."""
        if self._model is not None and self._metrics is not None:
            self._metrics.feed(self._model.take_metrics())
