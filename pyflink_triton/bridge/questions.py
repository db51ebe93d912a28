"""Which function answers which of planning's questions; see docs/bridge-protocol.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pyflink_triton.option_parsing import check_defaults
from pyflink_triton.planning import Question, call, check, describe, list_models


async def _defaults(asked: Mapping[str, Any]) -> dict[str, Any]:
    check_defaults(asked["options"])
    return {}


async def _check(asked: Mapping[str, Any]) -> dict[str, Any]:
    return await check(Question.parse(asked))


#: Takes the question's fields; gives the answer's, or raises a TritonError.
QUESTIONS: dict[str, Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
    "defaults": _defaults,
    "models": list_models,
    "describe": describe,
    "check": _check,
    "call": call,
}
