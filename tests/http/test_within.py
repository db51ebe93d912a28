"""Awaiting for some seconds."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from pyflink_triton._async import within


def test_a_failure_that_comes_with_a_cancellation_is_not_printed() -> None:
    """A server that refuses while the job ends is no line in the log."""
    printed: list[dict[str, Any]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: printed.append(context))
        failing: asyncio.Future[None] = loop.create_future()
        waiting = asyncio.create_task(within(5, failing))
        await asyncio.sleep(0)
        failing.set_exception(ConnectionRefusedError())
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        del waiting, failing
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert printed == []
