"""What CI runs shortened, `make soak` runs in full."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

import pytest

_Case = TypeVar("_Case")

IS_SOAK = bool(os.environ.get("PYFLINK_TRITON_SOAK"))


def some(cases: Sequence[_Case], step: int) -> list[_Case]:
    """One of so many cases, where a job for each takes its time; all of them in the soak."""
    return list(cases if IS_SOAK else cases[::step])


def of_one_mode(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Of two cases of a test marked `either_mode` that differ by streaming and batch alone, one.

    Which of both is left takes turns from case to case, and is the same in each run.
    """
    alike: defaultdict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        test, _, case = item.nodeid.partition("[")
        alike[test, re.sub(r"\b(streaming|batch)\b", "", case)].append(item)
    turns: defaultdict[str, int] = defaultdict(int)
    left_out: set[pytest.Item] = set()
    for (test, _), both in alike.items():
        if len(both) == 2 and all(item.get_closest_marker("either_mode") for item in both):
            left_out.add(both[(crc32(test.encode()) + turns[test]) % 2])
            turns[test] += 1
    return [item for item in items if item not in left_out]
