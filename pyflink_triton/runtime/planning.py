"""Answers planning requests: what models there are, their columns, and whether a statement fits them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from tenacity import AsyncRetrying, RetryError, retry_if_exception, stop_after_delay, wait_random_exponential

from pyflink_triton._async import within
from pyflink_triton._units import format_duration
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import SchemaError, UnavailableError
from pyflink_triton.http.credentials import literal_secret
from pyflink_triton.model.signature import ModelSignature, write_planned
from pyflink_triton.options.options import Options
from pyflink_triton.options.validation import check_defaults, parse_options
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.messages import (
    CallAnswer,
    CatalogRequest,
    CheckAnswer,
    CheckRequest,
    ColumnType,
    DescribeAnswer,
    DescribeRequest,
    ModelsAnswer,
    ModelUse,
)
from pyflink_triton.runtime.operator_limits import capacity, stream_capacity
from pyflink_triton.schema.assumed_signature import assume_signature
from pyflink_triton.schema.binding import ColumnBindings, bind_columns, check_declared
from pyflink_triton.schema.columns import Column, check_count
from pyflink_triton.schema.derived import derive_inputs, derive_outputs
from pyflink_triton.schema.function_types import call_types
from pyflink_triton.schema.responses import refuse_rows, response_warnings
from pyflink_triton.schema.sequence_checks import scheduling_warnings
from pyflink_triton.types.sql import SqlType, parse_type

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class DeclaredModel:
    """A model as a statement declares it.

    Attributes:
        model: The Flink model's name, for messages.
        options: Its options, read and checked.
        inputs: The declared INPUT columns.
        outputs: The declared OUTPUT columns.
        arguments: The types of the arguments; None while they are not known.
    """

    model: str
    options: Options
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    arguments: tuple[SqlType, ...] | None = None

    @staticmethod
    def parse(use: ModelUse) -> DeclaredModel:
        """Read a message's fields; raises PlanError for what is wrong in them."""
        inputs, arguments = _columns(use["input"]), None
        types = use.get("arguments")
        if types is not None:
            check_count(inputs, types)
            arguments = tuple(parse_type(text, column.name) for text, column in zip(types, inputs, strict=True))
        options = parse_options(use["options"], use.get("runtime_options"))
        limit = use.get("limit")
        if limit is not None:
            options = options.within(limit / 1000)
        return DeclaredModel(use["model"], options, inputs, _columns(use["output"]), arguments)

    def bind(self, signature: ModelSignature) -> ColumnBindings:
        """Bind the columns to the model's tensors; raises SchemaError."""
        return bind_columns(signature, self.inputs, self.outputs, self.arguments, self.options)


def _columns(columns: Sequence[ColumnType]) -> tuple[Column, ...]:
    return tuple(Column.parse(column["name"], column["type"]) for column in columns)


def write_columns(columns: Sequence[Column]) -> list[ColumnType]:
    """Write columns as messages hold them."""
    return [{"name": column.name, "type": str(column.type)} for column in columns]


async def check(declared: DeclaredModel) -> CheckAnswer:
    """Answer the planning request ``check``: whether a statement fits its model.

    Args:
        declared: What the statement declares.

    Returns:
        The rows that the operator should hold, warnings, and the model's signature where it is known.

    Raises:
        TritonError: Something is wrong; the message is one sentence.
    """
    options, signature, nullable = declared.options, None, None
    literal = literal_secret(options)
    warnings = [] if literal is None else [f"Model '{declared.model}': {literal}."]
    if options.has_routes:
        contract = assume_signature(declared.inputs, declared.outputs, options)
        nullable = declared.bind(contract).nullable
    elif options.plan_check != "off":
        try:
            signature = await _ask_server(options, ModelClient.signature)
        except UnavailableError as error:
            if options.plan_check == "required":
                raise (error if error.hides else _unavailable(error, Remedy.PLAN_WITHOUT_SERVER())) from None
            warnings.append(f"Model '{declared.model}' is not checked before the job starts: {error}")
    batch = signature.max_batch_size if signature is not None else options.max_batch_size or 1
    is_decoupled = signature is not None and signature.decoupled
    rows = stream_capacity(options.for_streams()) if is_decoupled else capacity(batch, is_spread=options.spreads_rows)
    answer: CheckAnswer = {"capacity": rows, "warnings": warnings}
    if signature is not None:
        nullable = declared.bind(signature).nullable
        warnings += signature_warnings(signature, options)
        answer["signature"] = write_planned(signature)
    elif not options.has_routes:
        check_declared(declared.inputs, declared.outputs, declared.arguments, options)
    if nullable is not None:
        answer["strict"] = [place for place in range(len(declared.inputs)) if place not in nullable]
    if options.deterministic is False or (options.deterministic is None and is_decoupled):
        answer["deterministic"] = False
    return answer


def signature_warnings(signature: ModelSignature, options: Options) -> list[str]:
    """Warn of options that do something else than their user may think, for this model."""
    return scheduling_warnings(signature, options) + response_warnings(signature, options)


async def plan_call(request: CheckRequest) -> CallAnswer:
    """Answer the planning request ``call``: the types that the arguments of m(x) are cast to, and those of its outputs.

    Args:
        request: The request's fields, ``arguments`` among them.

    Returns:
        The columns of both, and what ``check`` answers for them.

    Raises:
        TritonError: Something is wrong; the message is one sentence.
    """
    without_arguments: CheckRequest = {**request, "arguments": None}
    declared = DeclaredModel.parse(without_arguments)
    options, types = declared.options, request["arguments"] or ()
    refuse_rows(options)
    inputs, outputs = call_types(declared.inputs, declared.outputs, types, options)
    checked = await check(replace(declared, inputs=inputs, outputs=outputs))
    columns = {"input": write_columns(inputs), "output": write_columns(outputs)}
    answer = cast(CallAnswer, {**checked, **columns})
    if isinstance(options.sequence_start, str) or isinstance(options.sequence_end, str):
        answer["no_nulls"] = (
            f"Model '{declared.model}': in streaming Flink itself answers a row with a NULL argument, so the model "
            f"would miss the start or the end of a sequence. {Remedy.GIVE_NOT_NULL()}"
        )
    if options.sequence_id is not None:
        answer["no_retry"] = (
            f"Model '{declared.model}': if Flink evaluates a row again, the row is in its sequence twice. "
            f"{Remedy.SET_NO_RETRY()}."
        )
    return answer


async def describe(request: DescribeRequest) -> DescribeAnswer:
    """Answer the planning request ``describe``: a model's columns, from the server where they are not declared.

    Args:
        request: The request's fields.

    Returns:
        The columns, ``input`` and ``output``.

    Raises:
        TritonError: Something is wrong; the message is one sentence.
    """
    options = parse_options(request["options"])
    inputs, outputs = request.get("input"), request.get("output")
    if options.has_routes and not (inputs and outputs):
        raise SchemaError(
            "the rows of this model name the model that they are for, so that no server can be asked what it takes "
            f"and gives. {Remedy.DECLARE_BOTH()}"
        )
    if not inputs or not outputs:
        try:
            signature = await _ask_server(options, ModelClient.signature)
        except UnavailableError as error:
            raise (error if error.hides else _unavailable(error, Remedy.CREATE_WITHOUT_SERVER())) from None
        derived_inputs, derived_outputs = derive_inputs(signature, options), derive_outputs(signature, options)
        inputs, outputs = inputs or write_columns(derived_inputs), outputs or write_columns(derived_outputs)
    columns = _columns(inputs)
    check_declared(columns, _columns(outputs), options=options)
    # INPUT is without NOT NULL, because a column may be NULL where its argument may.
    return {"input": write_columns(columns), "output": outputs}


async def list_models(request: CatalogRequest) -> ModelsAnswer:
    """Answer the planning request ``models``: the models that are ready on the catalog's server.

    Args:
        request: The request's fields.

    Returns:
        The names, sorted; none where the catalog has no endpoint.

    Raises:
        TritonError: Something is wrong; the message is one sentence.
    """
    options = check_defaults(request["options"])
    return {"models": await _ask_server(options, ModelClient.models) if "endpoint" in request["options"] else []}


async def _ask_server(options: Options, request: Callable[[ModelClient], Awaitable[_Answer]]) -> _Answer:
    """Send the server a request within ``plan-check-timeout``; raises UnavailableError after that."""
    limit = options.plan_check_timeout
    each = limit / len(options.every_endpoint)  # an endpoint that hangs leaves time for the next
    try:
        async with ModelClient(replace(options, timeout=min(options.timeout, each))) as client:
            return await within(limit, request(client))
    except asyncio.TimeoutError:
        raise UnavailableError(
            f"{options.endpoint} gave no answer within {format_duration(limit)}, the option 'plan-check-timeout'."
        ) from None


def _unavailable(error: UnavailableError, remedy: str) -> UnavailableError:
    return UnavailableError(f"{str(error).rstrip('.')}. {remedy}")


async def wait_until_ready(client: ModelClient, options: Options) -> ModelSignature:
    """Wait for the model at a job's start.

    Args:
        client: The model's client.
        options: Its options; waits for ``warmup-timeout``.

    Raises:
        UnavailableError: It was not ready in time.
        TritonError: It can never be ready, or the server refuses to say.
    """
    limit = options.warmup_timeout

    def is_assumed(error: UnavailableError) -> bool:
        return error.hides and options.trusts_declaration

    last = UnavailableError(f"{' and '.join(options.every_endpoint)} gave no answer")
    # An endpoint that hangs leaves time for the others.
    each = limit / len(options.every_endpoint) if limit and len(options.every_endpoint) > 1 else None

    async def ask() -> ModelSignature:
        nonlocal last
        try:
            return await client.signature(seconds=each)
        except UnavailableError as error:
            last = error
            raise

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, UnavailableError) and not is_assumed(error)),
        stop=stop_after_delay(limit),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
    )
    try:
        # With a limit of 0 there is one attempt.
        return await (within(limit, retrying(ask)) if limit else ask())
    except (RetryError, UnavailableError, asyncio.TimeoutError) as error:
        if isinstance(error, UnavailableError) and is_assumed(error):
            raise
        raise UnavailableError(f"{last} (waited for {format_duration(limit)}, the option 'warmup-timeout')") from None
