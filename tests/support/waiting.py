"""Waiting for a condition, so that no test sleeps to be safe."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from soak import IS_SOAK

#: So much longer anything is waited for where other tests run at the same time; the soak runs one alone.
SLACK_SECONDS = 0 if IS_SOAK else 60


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until a condition gives something that is true, and return that."""
    end = time.monotonic() + seconds + SLACK_SECONDS
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds + SLACK_SECONDS} s: {what}")
