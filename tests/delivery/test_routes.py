"""Rows that name their models: which one gets them, what waits, what fails, and what is counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from routed import INPUT, OUTPUT, routed, tenant, write
from triton import ARGUMENTS, Triton, call

from pyflink_triton.server import TritonServer

_LOADED = ("t-a", "t-b", "t-version", "t-fails", "t-double", "t-small", "other", "secret")
_MODELS = (
    tenant("t-a"),
    tenant("t-b"),
    tenant("t-version", "version", versions=(1, 3), extra="version_policy { all {} }"),
    tenant("t-fails", "fails"),
    tenant("t-double", gives="FP64"),
    tenant("t-small", max_batch_size=4),
    tenant("other", "version"),
    tenant("secret"),
    tenant("t-late"),
    tenant("t-changed"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    repository = write(tmp_path_factory.mktemp("routes") / "models", _MODELS, {"t-late": 3})
    arguments = [each for each in ARGUMENTS if not each.startswith("--load-model")]
    arguments += [f"--load-model={name}" for name in _LOADED]
    with TritonServer(repository, arguments=arguments) as started:
        yield Triton(started.http_url, server=started)


def computed(url: str, model: str) -> int:
    """How many rows the server has given to a model."""
    found = json.loads(call(url, "GET", f"/v2/models/{model}/stats"))["model_stats"]
    return sum(int(each["inference_count"]) for each in found)


def test_each_row_goes_to_the_model_that_it_names(server: Triton) -> None:
    async def main() -> None:
        async with routed(server.http_url) as models:
            rows = [(n, ("t-a", "t-version", "other", "t-b")[n % 4]) for n in range(100)]
            got = await models.rows(*rows, (None, "t-a"), (1, None))
            assert [row["why"] for row in got] == [None] * 102
            assert [row["y"] for row in got] == [
                *({"t-version": 3, "other": 1}.get(m, n) for n, m in rows),
                None,
                None,
            ]
            assert [row["version"] for row in got[:4]] == ["1", "3", "1", "1"]
            counted = models.counted()
            assert (counted["requests"], counted["success"], counted["null_rows"]) == (100, 100, 2)
            assert 4 * 4 <= counted["http_requests"] <= 4 * 7  # 25 rows of each, at most 8 in a request

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_row_whose_model_is_missing_fails_alone(server: Triton) -> None:
    async def main() -> None:
        async with routed(server.http_url) as models:
            began = time.monotonic()
            got = await models.rows((1, "t-a"), (2, "t-none"), (3, "t-a"), (4, "t-none"), (5, "t-changed"))
            assert [row["y"] for row in got] == [1, None, 3, None, None]
            assert [row["code"] for row in got] == [None, "404", None, "404", "404"]
            assert time.monotonic() - began < 2
            why = got[1]["why"]
            assert why.startswith("the model that column 'm' names is not loaded at http://")
            assert "t-none" not in why
            again = [await models.rows((1, "t-none")) for _ in range(20)]
            assert all(row["code"] == "404" for (row,) in again)
            counted = models.counted()
            assert (counted["requests"], counted["failure"], counted["rejected_rows"]) == (25, 23, 0)
            assert counted["http_requests"] == 1

    asyncio.run(asyncio.wait_for(main(), 60))
