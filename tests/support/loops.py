"""Tests that await, each in an event loop of its own."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test that awaits."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        async def body() -> None:
            await test(*arguments, **named)

        asyncio.run(body())

    return run
