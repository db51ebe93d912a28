"""What a model costs before its first row: a worker's memory and start, and the planning of a statement."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import cpu, flink, jvm
from benchmarks.contenders import ROOT, Makers, Place
from benchmarks.flink import Session
from benchmarks.measured import spread
from benchmarks.server import Served
from benchmarks.workloads import WORKLOADS

_WORKER = b"pyflink_triton.bridge"
_SETTLE_SECONDS = 1.0
_TIMEOUT_SECONDS = 60


def worker(place: Place, turns: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Start jobs, and look at their workers while these wait for the next row.

    Args:
        place: Where they run.
        turns: How many jobs.
        say: Takes lines about what happens.

    Returns:
        ``uss_mb`` and ``rss_mb`` of an idle worker, and ``start_ms`` from its start to the first row of its job.
    """
    session, query = Makers(place, WORKLOADS["add"]).ml_predict()
    uss, rss, start = [], [], []
    session.run(query, 64)
    for turn in range(turns):
        say(f"  job {turn + 1} of {turns}")
        before = _workers()
        session.tables(rows=3, rate=0.5)
        job = session.start(query)
        first = _wait_for(lambda: jvm.tally().firstRowMillis() or None)
        pid = max(_workers() - before, key=_started)  # the planning's may be new, too, and is older
        time.sleep(_SETTLE_SECONDS)
        memory = _memory(pid)
        uss.append(memory["uss"])
        rss.append(memory["rss"])
        start.append(first - _started(pid))
        job.wait()
    return {"uss_mb": spread(uss), "rss_mb": spread(rss), "start_ms": spread(start)}


def _workers() -> set[int]:
    return {pid for pid in cpu.children(jvm.pid()) if _is_worker(pid)}


def _is_worker(pid: int) -> bool:
    try:
        return _WORKER in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _memory(pid: int) -> dict[str, float]:
    """Its memory in megabytes (10^6): what it alone has, and all that it sees."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0]) * 1024 / 1e6
    return {"uss": sizes["Private_Clean"] + sizes["Private_Dirty"], "rss": sizes["Rss"]}


def _started(pid: int) -> float:
    """When a process started, in milliseconds since 1970."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    ticks = int(stat[stat.rindex(")") + 2 :].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return (time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")) * 1000


def _wait_for(ask: Callable[[], Any]) -> Any:
    end = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < end:
        answer = ask()
        if answer is not None:
            return answer
        time.sleep(0.01)
    raise RuntimeError(f"no row came within {_TIMEOUT_SECONDS} s")


def planning(place: Place, turns: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Plan statements with a model and without one, each turn in a JVM of its own.

    Args:
        place: Where they run.
        turns: How many turns.
        say: Takes lines about what happens.

    Returns:
        Seconds of a statement without a model, of attaching the server and creating a model, of the first statement
        with a model, and of later ones.
    """
    taken: dict[str, list[float]] = {}
    # Python functions that ran in this process forbid a JVM to all that it starts.
    environment = {name: value for name, value in os.environ.items() if name != "PYFLINK_GATEWAY_DISABLED"}
    for turn in range(turns):
        say(f"  session {turn + 1} of {turns}")
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.footprint", place.served.url],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        for name, seconds in json.loads(done.stdout.splitlines()[-1]).items():
            taken.setdefault(name, []).append(seconds)
    return {name: spread(seconds) for name, seconds in taken.items()}


def _plan(url: str) -> dict[str, float]:
    """Plan in this process; its JVM's planner is warmed without a model."""
    workload = WORKLOADS["add"]
    with tempfile.TemporaryDirectory() as directory:
        jvm.start(Path(directory))
        place = Place(Served(url, None), Path(directory), 0, 0)
        makers = Makers(place, workload)
        without = makers.session()
        without.tables(1)
        plain = flink.sql("A + B AS `SUM`", "numbers")
        for _ in range(5):
            _seconds(without, plain)
        results = {"without": statistics.median(_seconds(without, plain) for _ in range(5))}
        began = time.perf_counter()
        session, query = makers.model_function()
        results["attach"] = time.perf_counter() - began
        session.tables(1)
        results["first_function"] = _seconds(session, query)
        results["later_function"] = statistics.median(_seconds(session, query) for _ in range(5))
        predict = flink.ml_predict(workload)
        results["first_ml_predict"] = _seconds(session, predict)
        results["later_ml_predict"] = statistics.median(_seconds(session, predict) for _ in range(5))
    return results


def _seconds(session: Session, query: flink.Query) -> float:
    began = time.perf_counter()
    query(session.env, "").explain()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(_plan(sys.argv[1])))
