"""What a running job has counted so far, read from the REST interface of its cluster."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

_SECONDS = 5
#: The counters of models that are shown, of `pyflink_triton.metric_table`.
_FAILURES, _REQUESTS = "failure", "http_requests"
_READ, _LEFT = "numRecordsOut", "pendingRecords"


@dataclass(frozen=True)
class Counts:
    """What a job has counted.

    Attributes:
        rows: The rows that its sources gave.
        failures: The rows whose request failed, of all models.
        requests: The calls of all models to their servers.
        left: The rows that its sources know to be left; None where they do not say.
    """

    rows: int
    failures: int
    requests: int
    left: int | None


def count(base: str, job: str) -> Counts | None:
    """Ask for what a job has counted.

    Args:
        base: The URL of the REST interface.
        job: The job's id.

    Returns:
        None where the interface does not answer, as before a job begins and after it has ended.
    """
    rows, failures, requests, left = 0, 0, 0, None
    try:
        for vertex in _get(base, f"jobs/{job}")["vertices"]:
            for name, value in _metrics(base, f"jobs/{job}/vertices/{vertex['id']}/subtasks/metrics").items():
                last = name.rsplit(".", 1)[-1]
                if last == _READ and name.startswith("Source"):
                    rows += value
                elif last == _LEFT:
                    left = (left or 0) + value
                elif last == _FAILURES:
                    failures += value
                elif last == _REQUESTS:
                    requests += value
    except (OSError, ValueError, KeyError):
        return None
    return Counts(rows, failures, requests, left)


def _metrics(base: str, path: str) -> dict[str, int]:
    wanted = (_READ, _LEFT, _FAILURES, _REQUESTS)
    names = [metric["id"] for metric in _get(base, path)]
    asked = ",".join(urllib.parse.quote(name) for name in names if name.rsplit(".", 1)[-1] in wanted and "." in name)
    if not asked:
        return {}
    return {metric["id"]: int(metric["sum"]) for metric in _get(base, f"{path}?agg=sum&get={asked}")}


def _get(base: str, path: str) -> Any:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{base}/{path}", timeout=_SECONDS) as answer:
        return json.load(answer)
