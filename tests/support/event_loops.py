"""The event loops that the package runs on: asyncio's, and uvloop's where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

_Result = TypeVar("_Result")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
_REFUSE = """import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {!r}:
            raise ImportError(name + " is refused")
sys.meta_path.insert(0, Refuse())
"""


def run_on(loop: str, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine on one of the loops, and end what it left behind."""
    made = LOOPS[loop]()
    try:
        return made.run_until_complete(work)
    finally:
        made.run_until_complete(_cancel(asyncio.all_tasks(made)))
        made.close()


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def refusing(directory: Path, *libraries: str) -> dict[str, str]:
    """The environment of a Python process that cannot import these libraries."""
    (directory / "sitecustomize.py").write_text(_REFUSE.format(libraries))
    return {"PYTHONPATH": str(directory)}
