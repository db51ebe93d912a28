"""A model as PyFlink's vectorized function: one Arrow batch in, its requests sent concurrently, one batch out."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
from pyflink.table.udf import FunctionContext, ScalarFunction

from pyflink_triton.runtime.messages import Task
from pyflink_triton.runtime.planning import DeclaredModel
from pyflink_triton.table.columns import constant_type, first_error, fit, given_columns, record_batch, repeat, retyped
from pyflink_triton.table.compat import arrow_exchange as exchange
from pyflink_triton.table.compat.worker_frames import not_loaded, row_arguments
from pyflink_triton.table.function_call import FunctionCall
from pyflink_triton.table.metric_group import MetricFeed
from pyflink_triton.table.model_thread import ModelThread
from pyflink_triton.table.task import task_of


class TritonScalarFunction(ScalarFunction):  # type: ignore[misc] # pyflink has no types
    """Predicts a batch of rows for each call.

    Args:
        call: What opens the model.
    """

    def __init__(self, call: FunctionCall) -> None:
        self._call = call
        self._model: ModelThread | None = None
        self._metrics: MetricFeed | None = None
        self._task: Task = {}
        self._declared = DeclaredModel.parse(call)
        self._inputs, self._outputs = given_columns(self._declared), self._declared.outputs
        self._is_typed = self._is_retyped = False
        self._types: list[pa.DataType] = []
        #: The arguments that are columns of rows, and not what another Python function gave; None outside a worker.
        self._from_rows = row_arguments()
        if self._from_rows is not None:
            exchange.install()

    def __reduce__(self) -> tuple[type[TritonScalarFunction], tuple[FunctionCall]]:
        """The call is all that travels."""
        return TritonScalarFunction, (self._call,)

    def open(self, function_context: FunctionContext) -> None:
        """Wait for the model."""
        if self._from_rows is None:
            raise not_loaded()
        self._metrics = MetricFeed(function_context)
        self._task = task_of(function_context, self._declared.options)
        self._model = self._open(self._call)

    def _open(self, call: FunctionCall) -> ModelThread:
        request: FunctionCall = {**call, "task": self._task}
        return ModelThread(request)

    def close(self) -> None:
        """End every call under way and leave no thread and no connection."""
        if self._model is not None:
            self._model.close()
            self._model = None

    def is_deterministic(self) -> bool:
        """Whether the model gives the same answer for the same row, as its option says."""
        return self._call.get("deterministic", self._declared.options.deterministic is not False)

    def eval(self, *arguments: Any) -> Any:
        """Predict a batch.

        Args:
            arguments: A Series for each column, or a value where it is a constant; one more counts the rows.

        Returns:
            A Series, or a DataFrame where there are several outputs.

        Raises:
            TritonError: A row failed, or the model did.
        """
        assert self._model is not None
        assert self._metrics is not None
        rows = next((len(each) for each in arguments if isinstance(each, pd.Series)), None)
        rows = exchange.rows_read() if rows is None else rows
        if not self._is_typed:
            self._take_types(arguments)
        columns = [self._column(place, arguments[place], rows) for place in range(len(self._inputs))]
        try:
            prediction = self._model.predict(record_batch(columns))
        finally:
            self._metrics.feed(self._model.take_metrics())
        error = first_error(prediction.errors)
        if error is not None:
            raise error.reworded(self._model.named(error))
        outputs = prediction.outputs.columns
        if len(outputs) == 1:
            return exchange.to_series(outputs[0])
        return exchange.to_frame(outputs, [column.name for column in self._outputs])

    def _take_types(self, arguments: tuple[Any, ...]) -> None:
        """Open the model anew where the columns have other types than the planner could tell this function."""
        self._is_typed = not any(self._is_undecided(place, arguments[place]) for place in range(len(self._inputs)))
        types = [self._type_of(place, arguments[place]) for place in range(len(self._inputs))]
        call = None if types == self._types else retyped(self._call, self._declared, types)
        self._types = types
        if call is not None:
            self._is_retyped = True
            assert self._model is not None
            self._model.close()
            self._model = self._open(call)
            declared = DeclaredModel.parse(call)
            self._inputs, self._outputs = given_columns(declared), declared.outputs

    def _type_of(self, place: int, argument: Any) -> pa.DataType:
        values, declared = self._values(place, argument), self._inputs[place].type.arrow
        if values is not None:
            return values.type
        if isinstance(argument, pd.Series):
            return exchange.answered_type(argument, declared)
        return constant_type(argument, declared)

    def _is_undecided(self, place: int, argument: Any) -> bool:
        """Whether another Python function answered NULLs alone, which say nothing of its type."""
        return isinstance(argument, pd.Series) and self._values(place, argument) is None and argument.isna().all()

    def _values(self, place: int, argument: Any) -> pa.Array | None:
        if not isinstance(argument, pd.Series):
            return None
        assert self._from_rows is not None
        return exchange.column_of(argument) if place in self._from_rows else exchange.answered(argument)

    def _column(self, place: int, argument: Any, rows: int) -> pa.Array:
        column = self._inputs[place]
        if not isinstance(argument, pd.Series):
            return repeat(argument, column, rows)
        values = self._values(place, argument)
        if values is not None and self._is_retyped:
            return values.cast(column.type.arrow)
        return fit(exchange.from_series(argument, column.type.arrow) if values is None else values, column)
