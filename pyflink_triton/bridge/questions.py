"""Which function answers which of planning's questions; see docs/bridge-protocol.md."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pyflink_triton.bridge.environment import informed
from pyflink_triton.options.validation import check_defaults
from pyflink_triton.runtime.planning import Question, call, check, describe, list_models
from pyflink_triton.table.udf_pickle import payload


async def _defaults(asked: Mapping[str, Any]) -> dict[str, Any]:
    check_defaults(asked["options"])
    return {}


async def _check(asked: Mapping[str, Any]) -> dict[str, Any]:
    return await check(Question.parse(asked))


async def _payload(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {"payload": base64.b64encode(payload(asked["call"])).decode()}


#: Takes the question's fields; gives the answer's, or raises a TritonError.
QUESTIONS: dict[str, Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
    "defaults": _defaults,
    "models": informed(list_models),
    "describe": informed(describe),
    "check": informed(_check),
    "call": informed(call),
    "payload": _payload,
}
