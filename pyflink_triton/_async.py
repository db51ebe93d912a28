"""Awaiting with a time limit, and awaiting several things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar

_Result = TypeVar("_Result")


async def within(seconds: float, awaitable: Awaitable[_Result]) -> _Result:
    """Await for some seconds, then cancel it and raise asyncio.TimeoutError.

    A cancellation always ends it: ``asyncio.wait_for`` forgets one that comes with the result, before Python 3.12.
    """
    task = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def await_all(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Await all; the first that raises ends the others before it is raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
