"""Which function answers each planning request; see docs/bridge-protocol.md."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from pyflink_triton.bridge.environment import with_environment
from pyflink_triton.bridge.messages import DefaultsAnswer, PayloadAnswer, PayloadRequest, PlanningAnswer
from pyflink_triton.options.validation import check_defaults
from pyflink_triton.runtime.messages import CatalogRequest, CheckAnswer, CheckRequest
from pyflink_triton.runtime.planning import DeclaredModel, check, describe, list_models, plan_call
from pyflink_triton.table.udf_pickle import payload


async def _defaults(request: CatalogRequest) -> DefaultsAnswer:
    check_defaults(request["options"])
    return {}


async def _check(request: CheckRequest) -> CheckAnswer:
    return await check(DeclaredModel.parse(request))


async def _payload(request: PayloadRequest) -> PayloadAnswer:
    return {"payload": base64.b64encode(payload(request["call"])).decode()}


#: Each takes the fields of its own request, and raises a TritonError for what is wrong.
PLANNING_HANDLERS: dict[str, Callable[[Any], Awaitable[PlanningAnswer]]] = {
    "defaults": _defaults,
    "models": with_environment(list_models),
    "describe": with_environment(describe),
    "check": with_environment(_check),
    "call": with_environment(plan_call),
    "payload": _payload,
}
