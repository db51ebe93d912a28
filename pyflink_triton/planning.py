"""The questions that planning asks: are these options and this schema right for the model?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from pyflink_triton import mapping
from pyflink_triton.client import Client
from pyflink_triton.errors import TritonError, UnavailableError
from pyflink_triton.mapping import Column, map_columns
from pyflink_triton.option_parsing import parse_options
from pyflink_triton.options import Options
from pyflink_triton.signature import ModelSignature
from pyflink_triton.sqltypes import SqlType, parse_type
from pyflink_triton.units import format_duration

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
    arguments: tuple[SqlType, ...] | None

    @staticmethod
    def parse(asked: Mapping[str, Any]) -> Question:
        """Read the question's fields; raises PlanError for what is wrong in them."""
        inputs = _columns(asked["input"])
        arguments = asked.get("arguments")
        return Question(
            model=asked["model"],
            options=parse_options(asked["options"], asked.get("runtime_options")),
            inputs=inputs,
            outputs=_columns(asked["output"]),
            arguments=None
            if arguments is None
            else tuple(parse_type(text, column.name) for text, column in zip(arguments, inputs, strict=True)),
        )

    def map(self, signature: ModelSignature) -> mapping.Mapping:
        """Map the columns to the model's tensors; raises SchemaError."""
        return map_columns(signature, self.inputs, self.outputs, self.arguments)


def _columns(columns: Sequence[Mapping[str, str]]) -> tuple[Column, ...]:
    return tuple(Column.parse(column["name"], column["type"]) for column in columns)


async def check(question: Question) -> dict[str, Any]:
    """Answer the question ``check`` of the bridge protocol.

    Args:
        question: What the statement declares.

    Returns:
        The rows that the operator should hold, and warnings.

    Raises:
        TritonError: What is wrong, in one sentence.
    """
    options, warnings = question.options, []
    batch = 1
    if options.plan_check != "off":
        planning_options = replace(options, timeout=min(options.timeout, options.plan_check_timeout))
        try:
            async with Client(planning_options) as client:
                signature = await asyncio.wait_for(client.signature(), options.plan_check_timeout)
            question.map(signature)
            batch = signature.max_batch_size
        except (UnavailableError, asyncio.TimeoutError) as error:
            reason = str(error) or f"no answer within {format_duration(options.plan_check_timeout)}"
            if options.plan_check == "required":
                raise UnavailableError(
                    f"{reason} To plan without the server, set 'plan-check' = 'best-effort'."
                ) from None
            warnings.append(f"Model '{question.model}' is not checked before the job starts: {reason}")
    low, high = _CAPACITY_BOUNDS
    capacity = min(max(_BATCHES_IN_OPERATOR * batch, low), high)
    return {"capacity": capacity, "warnings": warnings}


async def wait_until_ready(client: Client, options: Options) -> ModelSignature:
    """Wait for the model at a job's start.

    Args:
        client: The model's client.
        options: Its options; waits for ``warmup-timeout``.

    Raises:
        UnavailableError: It was not ready in time.
        TritonError: It will never be.
    """
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(UnavailableError),
            stop=stop_after_delay(options.warmup_timeout),
            wait=wait_exponential_jitter(initial=0.1, max=2.0),
        ):
            with attempt:
                return await client.signature()
    except RetryError as error:
        last = error.last_attempt.exception()
        limit = format_duration(options.warmup_timeout)
        raise UnavailableError(f"{last} (waited for {limit}, the option 'warmup-timeout')") from None
    raise TritonError("unreachable: the loop above returns or raises")
