"""Fixtures that tests share."""

import os
from collections.abc import Iterator

import pytest
from flink_versions import IS_FLINK_22
from kserve_process import kserve
from py4j_threads import stay_in_one_java_thread
from short_jobs import prepare_short_jobs
from soak import IS_SOAK, of_one_mode
from triton import own_triton, triton

__all__ = ["kserve", "own_triton", "triton"]

stay_in_one_java_thread()
if not IS_SOAK:
    prepare_short_jobs()
# Flink's JVM hands these to the workers, and it starts where the first module needs it, also while tests are collected.
os.environ.setdefault("PYFLINK_TRITON_SECRET_TRITON_TOKEN", "canary-5f1c")
os.environ.setdefault("PYFLINK_TRITON_SECRET_API_KEY", "your-api-key")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is about Flink 2.2 alone where Flink is another one, and what only the soak runs."""
    items[:] = [item for item in items if IS_FLINK_22 or item.get_closest_marker("only_flink22") is None]
    if not IS_SOAK:
        items[:] = of_one_mode(items)


@pytest.fixture(autouse=True)
def _programs_of_their_own() -> Iterator[None]:
    """Let what follows start a program that uses PyFlink: functions that ran in this process forbid it for good."""
    yield
    os.environ.pop("PYFLINK_GATEWAY_DISABLED", None)
