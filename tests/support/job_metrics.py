"""What a running job in this process's Flink has counted, read from its REST interface."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any

#: The core's counters that tests compare with what happened.
COUNTERS = ("requests", "success", "failure", "output_rows", "http_requests", "retries", "circuit_breaker_openings")


def rest(port: int) -> dict[str, str]:
    """The settings of a session whose next job has its REST interface on a port."""
    return {
        "rest.address": "127.0.0.1",
        "rest.port": str(port),
        "rest.bind-port": str(port),
        "metrics.fetcher.update-interval": "100 ms",
    }


def counters(port: int, job: str) -> dict[str, int]:
    """The counters of a job's models, summed; empty while the interface does not answer."""
    counted: dict[str, int] = {}
    try:
        for vertex in get(port, f"jobs/{job}")["vertices"]:
            path = f"jobs/{job}/vertices/{vertex['id']}/subtasks/metrics"
            names = [metric["id"] for metric in get(port, path)]
            ours = [name for name in names if name.rsplit(".", 1)[-1] in COUNTERS]
            if ours:
                asked = ",".join(map(urllib.parse.quote, ours))
                for metric in get(port, f"{path}?agg=sum&get={asked}"):
                    name = metric["id"].rsplit(".", 1)[-1]
                    counted[name] = counted.get(name, 0) + int(metric["sum"])
    except (OSError, ValueError, KeyError):
        return {}
    return counted


def get(port: int, path: str) -> Any:
    """Ask the REST interface."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        return json.load(answer)
