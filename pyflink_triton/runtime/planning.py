"""The questions that planning asks: what models there are, their columns, and whether a statement fits them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryError, retry_if_exception, stop_after_delay, wait_random_exponential

from pyflink_triton._async import within
from pyflink_triton._units import format_duration
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import UnavailableError
from pyflink_triton.http.credentials import literal_secret
from pyflink_triton.model.signature import ModelSignature, write_planned
from pyflink_triton.options.options import Options
from pyflink_triton.options.validation import check_defaults, parse_options
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import ColumnBindings, bind_columns, check_declared
from pyflink_triton.schema.columns import Column, check_count
from pyflink_triton.schema.derived import derive_inputs, derive_outputs
from pyflink_triton.schema.function_types import call_types
from pyflink_triton.schema.sequence_checks import scheduling_warnings
from pyflink_triton.types.sql import SqlType, parse_type

_Answer = TypeVar("_Answer")
#: Rows that an operator should hold: enough to fill this many of the model's batches ...
_BATCHES_IN_OPERATOR = 32
#: ... within these bounds, for a row in the operator is a row to send again after a failure.
_CAPACITY_BOUNDS = (1000, 10_000)


@dataclass(frozen=True)
class Question:
    """A model as a statement declares it.

    Attributes:
        model: The Flink model's name, for messages.
        options: Its options, read and checked.
        inputs: The declared INPUT columns.
        outputs: The declared OUTPUT columns.
        arguments: The types of the columns given; None while they are not known.
    """

    model: str
    options: Options
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    arguments: tuple[SqlType, ...] | None = None

    @staticmethod
    def parse(asked: Mapping[str, Any]) -> Question:
        """Read the question's fields; raises PlanError for what is wrong in them."""
        inputs = _columns(asked["input"])
        arguments = asked.get("arguments")
        if arguments is not None:
            check_count(inputs, arguments)
            arguments = tuple(parse_type(text, column.name) for text, column in zip(arguments, inputs, strict=True))
        options = parse_options(asked["options"], asked.get("runtime_options"))
        if asked.get("limit") is not None:
            options = options.within(asked["limit"] / 1000)
        return Question(asked["model"], options, inputs, _columns(asked["output"]), arguments)

    def map(self, signature: ModelSignature) -> ColumnBindings:
        """Map the columns to the model's tensors; raises SchemaError."""
        return bind_columns(signature, self.inputs, self.outputs, self.arguments, self.options)


def _columns(columns: Sequence[Mapping[str, str]]) -> tuple[Column, ...]:
    return tuple(Column.parse(column["name"], column["type"]) for column in columns)


def _written(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [{"name": column.name, "type": str(column.type)} for column in columns]


async def check(question: Question) -> dict[str, Any]:
    """Answer the question ``check`` of the bridge protocol.

    Args:
        question: What the statement declares.

    Returns:
        The rows that the operator should hold, warnings, and the model's signature where it is known.

    Raises:
        TritonError: What is wrong, in one sentence.
    """
    options, signature = question.options, None
    literal = literal_secret(options)
    warnings = [] if literal is None else [f"Model '{question.model}': {literal}."]
    if options.plan_check != "off":
        try:
            signature = await _ask(options, ModelClient.signature)
        except UnavailableError as error:
            if options.plan_check == "required":
                raise (error if error.hides else _unavailable(error, Remedy.PLAN_WITHOUT_SERVER())) from None
            warnings.append(f"Model '{question.model}' is not checked before the job starts: {error}")
    answer: dict[str, Any] = {"warnings": warnings}
    if signature is None:
        check_declared(question.inputs, question.outputs, question.arguments, options)
    else:
        nullable = question.map(signature).nullable
        answer["strict"] = [place for place in range(len(question.inputs)) if place not in nullable]
        warnings += scheduling_warnings(signature, options)
        answer["signature"] = write_planned(signature)
    if not options.deterministic:
        answer["deterministic"] = False
    low, high = _CAPACITY_BOUNDS
    batch = signature.max_batch_size if signature is not None else options.max_batch_size or 1
    return {**answer, "capacity": min(max(_BATCHES_IN_OPERATOR * batch, low), high)}


async def call(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the question ``call``: the types that the arguments of m(x) are cast to, and those of its outputs.

    Args:
        asked: The question's fields.

    Returns:
        The columns of both, and what ``check`` answers for them.

    Raises:
        TritonError: What is wrong, in one sentence.
    """
    declared = Question.parse({**asked, "arguments": None})
    inputs, outputs = call_types(declared.inputs, declared.outputs, asked["arguments"], declared.options)
    checked = await check(replace(declared, inputs=inputs, outputs=outputs))
    answer = {"input": _written(inputs), "output": _written(outputs), **checked}
    options = declared.options
    if isinstance(options.sequence_start, str) or isinstance(options.sequence_end, str):
        answer["no_nulls"] = (
            f"Model '{declared.model}': in streaming Flink answers a row with a NULL before the model is asked, and so "
            f"the beginning or the end of a sequence would be lost. {Remedy.GIVE_NOT_NULL()}"
        )
    if declared.options.sequence_id is not None:
        answer["no_retry"] = (
            f"Model '{declared.model}': a row that Flink repeats would be in its sequence twice. "
            f"{Remedy.SET_NO_RETRY()}."
        )
    return answer


async def describe(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the question ``describe``: a model's columns, from the server where they are not declared.

    Args:
        asked: The question's fields.

    Returns:
        The columns, ``input`` and ``output``.

    Raises:
        TritonError: What is wrong, in one sentence.
    """
    options = parse_options(asked["options"], asked.get("runtime_options"))
    answer = {side: asked[side] for side in ("input", "output") if asked.get(side)}
    if len(answer) < 2:
        try:
            signature = await _ask(options, ModelClient.signature)
        except UnavailableError as error:
            raise (error if error.hides else _unavailable(error, Remedy.CREATE_WITHOUT_SERVER())) from None
        derived = {"input": derive_inputs(signature, options), "output": derive_outputs(signature, options)}
        answer = {**{side: _written(columns) for side, columns in derived.items()}, **answer}
    inputs = _columns(answer["input"])
    check_declared(inputs, _columns(answer["output"]), options=options)
    # Without NOT NULL in INPUT: a column may be NULL where the one that is given may.
    return {**answer, "input": _written(inputs)}


async def list_models(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the question ``models``: the models that the catalog's server has ready.

    Args:
        asked: The question's fields.

    Returns:
        The names, sorted; none where the catalog has no endpoint.

    Raises:
        TritonError: What is wrong, in one sentence.
    """
    options = check_defaults(asked["options"])
    return {"models": await _ask(options, ModelClient.models) if "endpoint" in asked["options"] else []}


async def _ask(options: Options, ask: Callable[[ModelClient], Awaitable[_Answer]]) -> _Answer:
    """Ask the server one thing within ``plan-check-timeout``; raises UnavailableError when that is over."""
    limit = options.plan_check_timeout
    each = limit / len(options.endpoints)  # one that hangs leaves the next its time
    try:
        async with ModelClient(replace(options, timeout=min(options.timeout, each))) as client:
            return await within(limit, ask(client))
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
        TritonError: It will never be, or the server does not let us ask.
    """
    limit = options.warmup_timeout

    def is_assumed(error: UnavailableError) -> bool:
        return error.hides and options.trusts_declaration

    last = UnavailableError(f"{' and '.join(options.endpoints)} gave no answer")
    # One that hangs leaves the others their time.
    each = limit / len(options.endpoints) if limit and len(options.endpoints) > 1 else None

    async def ask() -> ModelSignature:
        nonlocal last
        try:
            return await client.signature(seconds=each)
        except UnavailableError as error:
            last = error
            raise

    again = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, UnavailableError) and not is_assumed(error)),
        stop=stop_after_delay(limit),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
    )
    try:
        # Without any time for more it is asked once.
        return await (within(limit, again(ask)) if limit else ask())
    except (RetryError, UnavailableError, asyncio.TimeoutError) as error:
        if isinstance(error, UnavailableError) and is_assumed(error):
            raise
        raise UnavailableError(f"{last} (waited for {format_duration(limit)}, the option 'warmup-timeout')") from None
