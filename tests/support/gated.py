"""A Triton whose model `gate` holds a job's last rows until it is let, so that its metrics can be read meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import Cluster
from model_repository import MODELS, Model, Tensor, write_repository
from triton import ARGUMENTS, call
from waiting import wait_for

from pyflink_triton.metric_table import METRICS, MetricType, names
from pyflink_triton.server import TritonServer

#: How many rows a counted job has: 1, 2, ... in two subtasks, whose last rows the gate holds.
COUNTED_ROWS = 200
#: Not among the models for all tests: a test that calls each of those would wait for ever.
GATE = Model(
    "gate",
    [Tensor("x", "INT64")],
    [Tensor("y", "INT64")],
    "gate",
    instances=2,
    extra=f'parameters {{ key: "from", value: {{ string_value: "{COUNTED_ROWS - 1}" }} }}',
)
#: A metric's delta comes with the next heartbeat, and the JobManager asks for it every other half second.
SETTLING_SECONDS = 60
#: Some of Flink's readings.
STABLE_SECONDS = 0.7
#: The declared metrics as REST has them; PyFlink's functions count the values of a histogram.
REST_NAMES = {*METRICS, *(f"{name}_samples" for name in names(MetricType.HISTOGRAM))}


@dataclass(frozen=True)
class GatedTriton:
    """A server that runs.

    Attributes:
        http_url: What the option `endpoint` takes.
        metrics_url: Where its counts are.
        gate: The file that opens the gate.
    """

    http_url: str
    metrics_url: str
    gate: Path

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Close the gate, and open it when left."""
        self.gate.unlink(missing_ok=True)
        try:
            yield
        finally:
            self.gate.touch()

    def counts(self, model: str) -> dict[str, int]:
        """What the server counts of a model: calls that it ran (`success`), and rows (`count`).

        A call that the model itself answers with an error is one that ran: Triton counts it as a success.
        """
        text = call(self.metrics_url, "GET", "/metrics").decode()
        counts = {"success": 0, "count": 0}
        for name, labels, value in re.findall(r"^(nv_inference_\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
            short = name.removeprefix("nv_inference_").removeprefix("request_")
            if short in counts and f'model="{model}"' in labels:
                counts[short] += int(float(value))
        return counts


@contextmanager
def gated_triton(directory: Path, *models: str) -> Iterator[GatedTriton]:
    """Start a server of its own with the gate and the named models.

    Args:
        directory: Where to write the models; must not be there.
        models: Their names in `model_repository.MODELS`.
    """
    chosen = [model for model in MODELS if model.name in models]
    assert len(chosen) == len(models), f"not in the model repository: {models}"
    repository = write_repository(directory, [*chosen, GATE])
    with TritonServer(repository, arguments=ARGUMENTS) as server:
        triton = GatedTriton(server.http_url, server.metrics_url, repository / "gate" / "open")
        try:
            yield triton
        finally:
            triton.gate.touch()  # or the server would wait for the model


@dataclass(frozen=True)
class Counted:
    """The metrics of one operator.

    Attributes:
        operator: Its name.
        metrics: They by their names, summed over its subtasks; of a histogram the number of its values.
    """

    operator: str
    metrics: dict[str, int]


def operator_metrics(cluster: Cluster, job: str) -> Counted | None:
    """The metrics of the first operator of a job that predicts, as REST has them; None while there is none."""
    found = {}
    for vertex in cluster.get(f"/jobs/{job}")["vertices"]:
        path = f"/jobs/{job}/vertices/{vertex['id']}/subtasks/metrics"
        all_names = [metric["id"] for metric in cluster.get(path)]
        for name in all_names:
            # As "AsyncCalc[2].requests": the gate has them too, but a higher number.
            match = re.fullmatch(r"(.*\[(\d+)\])\.requests", name)
            if match:
                ours = {f"{match[1]}.{own}" for own in REST_NAMES}
                found[int(match[2])] = (path, match[1], sorted(ours.intersection(all_names)))
    if not found:
        return None
    path, operator, asked = found[min(found)]
    summed = cluster.get(f"{path}?agg=sum&get={','.join(asked)}")
    return Counted(
        operator, {metric["id"].removeprefix(f"{operator}."): round(float(metric["sum"])) for metric in summed}
    )


def settled_metrics(cluster: Cluster, job: str, rows: int = COUNTED_ROWS) -> Counted:
    """Wait until the metrics say that so many rows are done and no call is under way, and return them.

    Flink reads a task's metrics one by one, also while they are written, so they have to stay the same for a while.
    """
    seen: list[Counted] = []
    since = time.monotonic()

    def settled() -> bool:
        nonlocal since
        counted = operator_metrics(cluster, job)
        if counted is None:
            return False
        if not seen or lasting(counted) != lasting(seen[0]):
            since = time.monotonic()
        seen[:] = [counted]
        done = counted.metrics.get("requests", 0) + counted.metrics.get("null_rows", 0)
        is_done = done >= rows and counted.metrics.get("in_flight") == 0
        return is_done and time.monotonic() - since >= STABLE_SECONDS

    def lasting(counted: Counted) -> dict[str, Any]:
        return {name: value for name, value in counted.metrics.items() if not name.startswith("worker_")}

    try:
        wait_for(settled, SETTLING_SECONDS, f"{rows} rows in the metrics of job {job}")
    except AssertionError as error:
        vertices = cluster.get(f"/jobs/{job}")["vertices"]
        states = ", ".join(f"{vertex['name']} {vertex['status']}" for vertex in vertices)
        raise AssertionError(f"{error}; there were {seen}, and in the job {states}") from None
    return seen[0]
