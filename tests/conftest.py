"""Fixtures that tests share."""

import os
from collections.abc import Iterator

import pytest
from kserve_process import kserve
from soak import IS_SOAK
from triton import own_triton, triton

__all__ = ["kserve", "own_triton", "triton"]

if not IS_SOAK:
    # Jobs this short never warm up, and without the optimizing compiler each takes a third less time. A local Flink
    # keeps some classes of each of its jobs, so the room for them is to be larger than a JVM's 1 GB.
    os.environ.setdefault("JVM_ARGS", "-XX:TieredStopAtLevel=1 -XX:CompressedClassSpaceSize=2g")


@pytest.fixture(autouse=True)
def _programs_of_their_own() -> Iterator[None]:
    """Let what follows start a program that uses PyFlink: functions that ran in this process forbid it for good."""
    yield
    os.environ.pop("PYFLINK_GATEWAY_DISABLED", None)
