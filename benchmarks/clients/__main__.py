"""Run one client once: the question is JSON on standard input, the answer JSON on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.clients import core, limit, raw

_ACTIONS: dict[str, Callable[..., Any]] = {
    "raw": raw.run,
    "raw_search": raw.search,
    "raw_latency": raw.latency,
    "raw_answers": raw.answers,
    "core": core.run,
    "limit": limit.run,
    "limit_search": limit.search,
}

if __name__ == "__main__":
    question = json.load(sys.stdin)
    print(json.dumps(_ACTIONS[question.pop("action")](**question)))
