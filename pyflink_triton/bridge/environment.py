"""Which variables of its parent's environment a worker needs for a model, beside those that every worker gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from pyflink_triton.options.options import OPTIONS
from pyflink_triton.runtime.messages import CatalogRequest, Environment

_Request = TypeVar("_Request", bound=CatalogRequest)
_Answer = TypeVar("_Answer", bound=Environment)

#: The variables that each of these options needs where it is `true`.
_VARIABLES = {"proxy-from-environment": ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")}


def variables(request: CatalogRequest) -> list[str]:
    """Name the variables that the options of a planning request need.

    Args:
        request: The request's fields.
    """
    written = dict(request["options"])
    runtime_options = request.get("runtime_options")  # only some requests have this field
    if isinstance(runtime_options, Mapping):
        written.update(runtime_options)
    found: list[str] = []
    for key, names in _VARIABLES.items():
        with suppress(ValueError):  # the request's handler reports a wrong value
            found += names if key in written and OPTIONS[key].parse(written[key]) else ()
    return found


def with_environment(
    handler: Callable[[_Request], Awaitable[_Answer]],
) -> Callable[[_Request], Awaitable[_Answer | Environment]]:
    """Make a handler answer with the names of the variables alone where this worker does not have them.

    Args:
        handler: Answers a planning request.
    """

    async def answer(request: _Request) -> _Answer | Environment:
        names = variables(request)
        if names and request.get("environment") != names:
            return {"environment": names}
        answered = await handler(request)
        if names:
            answered["environment"] = names
        return answered

    return answer
