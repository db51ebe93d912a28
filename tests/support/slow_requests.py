"""A Triton whose requests take a fixed time, one at a time, and say when they were answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_repository import Model, Tensor, write_repository
from triton import ARGUMENTS, call

from pyflink_triton.server import TritonServer

#: Its name on the server.
MODEL = "tells_time"


@contextmanager
def slow_requests(directory: Path, seconds: float, batch: int, datatype: str = "INT64") -> Iterator[str]:
    """A server with the model.

    Args:
        directory: Where to write the model.
        seconds: How long a request takes.
        batch: How many rows it may have.
        datatype: That of the input ``x``; the output ``answered`` is INT64.
    """
    milliseconds = f'parameters {{ key: "milliseconds" value {{ string_value: "{int(seconds * 1000)}" }} }}'
    tensors = [Tensor("x", datatype)], [Tensor("answered", "INT64")]
    model = Model(MODEL, *tensors, "tells_time", max_batch_size=batch, extra=milliseconds)
    with TritonServer(write_repository(directory / "models", [model]), arguments=ARGUMENTS) as server:
        yield server.http_url


def counted(url: str) -> tuple[int, int]:
    """How many requests were answered, and how many rows they had."""
    statistics = json.loads(call(url, "GET", f"/v2/models/{MODEL}/stats"))["model_stats"][0]
    return int(statistics["inference_stats"]["success"]["count"]), int(statistics["inference_count"])
