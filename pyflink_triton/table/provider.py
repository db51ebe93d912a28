"""Models as PyFlink's functions and as Flink's models, from options in Python: no jar and no SQL is needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pyflink.table import Schema, TableEnvironment
from pyflink.table.model_descriptor import ModelDescriptor
from pyflink.table.types import DataType
from pyflink.table.udf import udf

from pyflink_triton.errors import TritonError
from pyflink_triton.options.options import OPTIONS
from pyflink_triton.options.validation import parse_options
from pyflink_triton.runtime.messages import CheckRequest, ColumnType, DescribeAnswer, DescribeRequest
from pyflink_triton.runtime.planning import describe, plan_call
from pyflink_triton.table.argument_types import require_type
from pyflink_triton.table.async_function import TritonAsyncScalarFunction
from pyflink_triton.table.compat.bytes_for_text import take_bytes
from pyflink_triton.table.data_types import Declared, read_schema, result_type, sql_type, write_schema
from pyflink_triton.table.function_call import FunctionCall
from pyflink_triton.table.scalar_function import TritonScalarFunction
from pyflink_triton.table.session import option_texts, prepare_functions
from pyflink_triton.table.text_arguments import as_bytes, sent_types, text_places

_LOG = logging.getLogger("pyflink_triton")
_Result = TypeVar("_Result")


class TritonModelProviderFactory:
    """Makes model providers from options.

    Attributes:
        identifier: The provider's name in SQL.
        required_options: Keys of the options that have to be set.
        optional_options: Keys of the others.
    """

    identifier = "triton"
    required_options = frozenset(key for key, option in OPTIONS.items() if option.required)
    optional_options = frozenset(OPTIONS) - required_options

    def create_model_provider(
        self,
        options: Mapping[str, object],
        input_schema: Declared | None = None,
        output_schema: Declared | None = None,
        *,
        name: str | None = None,
    ) -> TritonModelProvider:
        """Check options and schema and make a provider.

        Args:
            options: The model's options by their keys in SQL's WITH; a value is as there, or Python's: ``True``.
            input_schema: The model's input columns; by default what the server says.
            output_schema: Its output columns; by default what the server says.
            name: What messages call the model; its ``model-name`` by default.

        Raises:
            TypeError: The options are no mapping.
            TritonError: An option or a column is wrong, or the server cannot be reached; one sentence.
        """
        require_type(options, Mapping, "options", "create_model_provider({'endpoint': ..., 'model-name': ...})")
        written = option_texts(options)
        request: DescribeRequest = {"model": name or written.get("model-name", ""), "options": written}
        if input_schema is not None:
            request["input"] = read_schema(input_schema)
        if output_schema is not None:
            request["output"] = read_schema(output_schema)
        columns = _plan(request["model"], _describe(request))
        return TritonModelProvider(request["model"], written, columns["input"], columns["output"])


async def _describe(request: DescribeRequest) -> DescribeAnswer:
    parse_options(request["options"])
    return await describe(request)


class TritonModelProvider:
    """One model, as whatever Flink can use.

    Args:
        name: What messages call the model.
        options: Its options.
        inputs: Its input columns.
        outputs: Its output columns.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, str],
        inputs: Sequence[ColumnType],
        outputs: Sequence[ColumnType],
    ) -> None:
        self.name = name
        self._options = dict(options)
        self._inputs = inputs
        self._outputs = outputs

    @property
    def input_schema(self) -> Schema:
        """The model's input columns."""
        return write_schema(self._inputs)

    @property
    def output_schema(self) -> Schema:
        """The model's output columns."""
        return write_schema(self._outputs)

    def scalar_function(self, argument_types: Sequence[str | DataType] | None = None) -> Any:
        """The model as a vectorized function: the requests of each Arrow batch are sent concurrently.

        ``python.fn-execution.arrow.batch.size`` says how many rows a batch has, and answers leave Flink's Python
        worker at the end of a bundle (``python.fn-execution.bundle.time`` and ``.size``); ``register`` and
        ``connect`` set these where you have not.

        Args:
            argument_types: The types of the arguments where they are not the columns': ARRAYs where each row is a
                batch of its own, flat ARRAYs for nested ones, BYTES alone for STRING. By default the columns' types,
                and BYTES too where a text is a tensor.

        Returns:
            What ``pyflink.table.udf.udf`` returns: call it with a column for each input. It gives the output, or
            a ROW of several. Flink casts what it casts implicitly.

        Raises:
            TritonError: The model does not fit; one sentence.
        """
        planned = self._call(argument_types)
        places = text_places(planned) if argument_types is None else []
        function = udf(
            TritonScalarFunction(planned),
            input_types=planned["arguments"],
            result_type=result_type(planned["output"]),
            func_type="pandas",
            name=self.name,
        )
        return take_bytes(function, places)

    def async_scalar_function(self, argument_types: Sequence[str | DataType] | None = None) -> Any:
        """The model as an async function: rows come one by one and go in batches of those that wait.

        ``table.exec.async-scalar.max-concurrent-operations`` (Flink's default is 10) bounds the rows that wait:
        ``register`` and ``connect`` set 2048 where you have set none. Flink's own retries and the threads of its
        time-outs are not used, because the model's ``max-retries`` and ``total-timeout`` count; a
        ``table.exec.async-scalar.timeout`` of your own that is shorter than ``total-timeout`` counts in its place.

        Args:
            argument_types: As of ``scalar_function``.

        Returns:
            What ``pyflink.table.udf.udf`` returns.

        Raises:
            TritonError: The model does not fit; one sentence.
        """
        planned = self._call(argument_types)
        places = text_places(planned) if argument_types is None else []
        function = udf(
            TritonAsyncScalarFunction(as_bytes(planned, places)),
            input_types=planned["arguments"],
            result_type=result_type(planned["output"]),
            name=self.name,
        )
        return take_bytes(function, places)

    def model_descriptor(self) -> ModelDescriptor:
        """The model for ``t_env.create_model``; ``ML_PREDICT`` with it needs the jar (``connect``)."""
        builder = ModelDescriptor.for_provider(TritonModelProviderFactory.identifier)
        builder.input_schema(self.input_schema).output_schema(self.output_schema)
        for key, value in self._options.items():
            if key != "provider":
                builder.option(key, value)
        return builder.build()

    def register(
        self,
        t_env: TableEnvironment,
        name: str,
        *,
        asynchronous: bool = False,
        argument_types: Sequence[str | DataType] | None = None,
    ) -> None:
        """Register the model as a temporary system function, which SQL finds whatever catalog is current.

        Where you have set none, it also sets ``python.fn-execution.bundle.time`` (100 ms), ``.bundle.size``
        (100000), ``.arrow.batch.size`` (4096), ``table.exec.async-scalar.max-concurrent-operations`` (2048) and
        ``python.systemenv.enabled`` (false, as ``connect`` says).

        Args:
            t_env: The session.
            name: The function's name.
            asynchronous: Whether it is the ``async_scalar_function``; the ``scalar_function`` by default.
            argument_types: As of ``scalar_function``.
        """
        prepare_functions(t_env)
        make = self.async_scalar_function if asynchronous else self.scalar_function
        t_env.create_temporary_system_function(name, make(argument_types))

    def _call(self, argument_types: Sequence[str | DataType] | None) -> FunctionCall:
        """Plan a call of the function."""
        if argument_types is None:
            arguments = [column["type"] for column in self._inputs]
        else:
            arguments = [each if isinstance(each, str) else sql_type(each) for each in argument_types]
        request: CheckRequest = {
            "model": self.name,
            "options": self._options,
            "input": self._inputs,
            "output": self._outputs,
            "arguments": arguments,
        }
        answer = _plan(self.name, plan_call(request))
        for warning in answer["warnings"]:
            _LOG.warning(warning)
        strict = ",".join(map(str, answer.get("strict", ())))
        # Where the jar is in the session, it finds this text in the pickled function: see KnownModels there.
        mark = f"pyflink_triton.strict={strict};"
        call: FunctionCall = {
            "model": self.name,
            "options": self._options,
            "input": answer["input"],
            "output": answer["output"],
            "arguments": sent_types(answer["input"], arguments),
            "mark": mark,
        }
        if "signature" in answer:
            call["planned"] = answer["signature"]
        if "deterministic" in answer:
            call["deterministic"] = answer["deterministic"]
        return call


def _plan(name: str, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Ask what planning asks, also where an event loop already runs, as in a notebook."""
    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, work).result()
    except TritonError as error:
        raise error.reworded(f"Model '{name}': {str(error).rstrip('.')}." if name else str(error)) from None
