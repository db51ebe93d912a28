"""Fixtures that tests share."""

import os

from soak import IS_SOAK
from triton import own_triton, triton

__all__ = ["own_triton", "triton"]

if not IS_SOAK:
    # Jobs this short never warm up, and without the optimizing compiler each takes a third less time. A local Flink
    # keeps some classes of each of its jobs, so the room for them is to be larger than a JVM's 1 GB.
    os.environ.setdefault("JVM_ARGS", "-XX:TieredStopAtLevel=1 -XX:CompressedClassSpaceSize=2g")
