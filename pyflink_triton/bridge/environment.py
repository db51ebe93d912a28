"""Which variables of its parent's environment a worker needs for a model, beside those that every worker gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from pyflink_triton.options.options import OPTIONS

Ask = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]

_PROXIES = "proxy-from-environment"
#: What each option needs that is `true`.
_VARIABLES = {_PROXIES: ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")}


def variables(asked: Mapping[str, Any]) -> list[str]:
    """Say which variables a question's model needs.

    Args:
        asked: The question's fields.
    """
    written = {**asked.get("options", {}), **(asked.get("runtime_options") or {})}
    found: list[str] = []
    for key, names in _VARIABLES.items():
        with suppress(ValueError):  # the question itself says what is wrong with the value
            found += names if key in written and OPTIONS[key].parse(written[key]) else ()
    return found


def informed(ask: Ask) -> Ask:
    """Make a question that needs variables answer with their names alone where this worker has not got them.

    Args:
        ask: Answers the question.
    """

    async def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
        names = variables(asked)
        if names and asked.get("environment") != names:
            return {"environment": names}
        answered = await ask(asked)
        return {**answered, "environment": names} if names else answered

    return answer
