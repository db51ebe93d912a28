"""Fixtures that tests share."""

import os

from soak import IS_SOAK
from triton import own_triton, triton

__all__ = ["own_triton", "triton"]

if not IS_SOAK:
    # Jobs this short never warm up, and without the optimizing compiler each takes a third less time.
    os.environ.setdefault("JVM_ARGS", "-XX:TieredStopAtLevel=1")
