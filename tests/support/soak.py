"""What CI runs shortened, `make soak` runs in full."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

_Case = TypeVar("_Case")

IS_SOAK = bool(os.environ.get("PYFLINK_TRITON_SOAK"))


def some(cases: Sequence[_Case], step: int) -> list[_Case]:
    """One of so many cases, where a job for each takes its time; all of them in the soak."""
    return list(cases if IS_SOAK else cases[::step])
