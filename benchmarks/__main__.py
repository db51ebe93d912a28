"""`make bench`: contenders in turns on one server, then latency, rows, parallelism, a worker's footprint, planning."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import footprint, jvm, latency, lengths, machine, repeats, report, scaling
from benchmarks.contenders import LINE_UP, Makers, Place, ask_client
from benchmarks.server import NETWORK, Served, serving
from benchmarks.targets import judge
from benchmarks.turns import Plan, reason, take_turns
from benchmarks.workloads import WORKLOADS, Workload

RESULTS = Path(__file__).parent / "results"
OTHERS = ("latency", "rows", "parallelism", "repeats", "footprint", "planning", "lengths")
#: Parts of which a target speaks; the others have fewer turns.
MAIN = ("add", "wide", "text20", "image_bytes", "image", "latency", "rows", "footprint", "planning")
#: What may be missing on a machine without harm to the rest.
OPTIONAL_CONTENDERS = ("limit", "flink_module")


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        plan: How long a turn is.
        search_seconds: How long each try of a search for raw's best takes.
        turns: Turns of the main parts.
        other_turns: Turns of the rest.
        rates: Rows of the latency runs, for each rate.
        sizes: Rows of the runs for the cost a row.
        parallel_rows: Rows of a turn at each parallelism.
        repeated_rows: Rows of a turn of the slow model whose rows come again.
        text_rows: Rows of a turn with texts of real lengths.
    """

    plan: Plan
    search_seconds: float
    turns: int
    other_turns: int
    rates: Mapping[int, int]
    sizes: Sequence[int]
    parallel_rows: int
    repeated_rows: int
    text_rows: int


EXTENTS = {
    "default": Extent(Plan(2.5, 3_000_000, 2, 3), 0.3, 7, 3, latency.RATES, scaling.ROWS, 300_000, 100_000, 60_000),
    "full": Extent(
        Plan(4.0, 10_000_000, 5, 7), 1.0, 9, 7, latency.FULL_RATES, scaling.ROWS, 2_000_000, 200_000, 200_000
    ),
    "smoke": Extent(Plan(0.01, 300, 1, 1), 0.01, 1, 1, {100: 20}, (100, 200, 300), 300, 300, 300),
}


def main() -> int:
    """Run what is asked for, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--url", help="a server elsewhere, with the models of this folder; its CPU is not known then")
    parser.add_argument("--only", metavar="PART,...", help=f"of {', '.join([*WORKLOADS, *OTHERS])}")
    parser.add_argument("--contenders", metavar="NAME,...", help=f"of {', '.join(LINE_UP['add'])}")
    parser.add_argument("--turns", type=int, help="how many turns each contender has")
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--full", dest="extent", action="store_const", const="full", help="longer turns, and more")
    how_much.add_argument("--smoke", dest="extent", action="store_const", const="smoke", help="whether it runs at all")
    parser.add_argument("--output", type=Path, default=RESULTS / "latest.json", help="the JSON to write")
    parser.add_argument("--server-pid", type=int, help=argparse.SUPPRESS)  # of a server that another process started
    parser.set_defaults(extent="default")
    asked = parser.parse_args()
    parts = asked.only.split(",") if asked.only else [*WORKLOADS, *OTHERS]
    for part in parts:
        if part not in (*WORKLOADS, *OTHERS):
            parser.error(f"--only: there is no part {part!r}: write one of {', '.join([*WORKLOADS, *OTHERS])}")
    names = asked.contenders.split(",") if asked.contenders else LINE_UP["add"]
    for name in names:
        if name not in LINE_UP["add"]:
            parser.error(f"--contenders: there is no {name!r}: write one of {', '.join(LINE_UP['add'])}")
    threading.excepthook = _hide_beams_end
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        with serving(asked.url, asked.server_pid, directory, NETWORK in parts) as served:
            if len(parts) == 1:
                results = _measure(served, directory, parts[0], names, asked)
            else:
                results = _apart(served, directory, parts, asked)
    print(report.as_text(results))
    print(f"written to {asked.output}; `python -m benchmarks.report {asked.output}` writes the page and the picture")
    return 1 if _failures(results) else 0


def _apart(served: Served, directory: Path, parts: Sequence[str], asked: argparse.Namespace) -> dict[str, Any]:
    """Measure each part in a process and a JVM of its own: a JVM that has run hundreds of jobs is slower."""
    began = time.monotonic()
    more = [f"--{asked.extent}"] if asked.extent != "default" else []
    more += ["--contenders", asked.contenders] if asked.contenders else []
    more += ["--turns", str(asked.turns)] if asked.turns else []
    more += ["--server-pid", str(served.pid)] if served.pid else []
    results: dict[str, Any] = {"throughput": {}, "failed": []}
    jvm.start(directory)  # compiles for all
    for part in parts:
        own = directory / f"{part}.json"
        command = [sys.executable, "-m", "benchmarks", "--only", part, "--url", served.url, "--output", str(own), *more]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if own.exists():
            found = json.loads(own.read_text())
            throughput = {**results["throughput"], **found["throughput"]}
            results = {**found, **results, "throughput": throughput, "failed": results["failed"] + found["failed"]}
        else:
            results["failed"].append(f"{part}: it ended with {done.returncode}")
        _write(results, time.monotonic() - began, asked.output)
    return results


def _measure(
    served: Served, directory: Path, part: str, names: Sequence[str], asked: argparse.Namespace
) -> dict[str, Any]:
    began, extent = time.monotonic(), EXTENTS[asked.extent]
    jvm.start(directory)
    place = Place(served, directory, extent.search_seconds, extent.plan.most_rows)
    turns = asked.turns or (extent.turns if part in MAIN else extent.other_turns)
    results: dict[str, Any] = {
        "machine": machine.describe(),
        "extent": asked.extent,
        "is_remote": served.pid is None,
        "throughput": {},
        "failed": [],
    }
    others: Mapping[str, Callable[[], Any]] = {
        "latency": partial(latency.measure, place, extent.rates, turns, _say),
        "rows": partial(scaling.rows, place, extent.sizes, turns, _say),
        "parallelism": partial(scaling.parallelism, place, extent.parallel_rows, turns, _say),
        "repeats": partial(repeats.measure, place, extent.repeated_rows, extent.plan.starts, turns, _say),
        "footprint": partial(footprint.worker, place, turns, _say),
        "planning": partial(footprint.planning, place, turns, _say),
        "lengths": partial(lengths.measure, place, extent.text_rows, turns, _say),
    }
    _say(part)
    if part in WORKLOADS:
        results["throughput"][part] = _turns(place, WORKLOADS[part], names, extent.plan, turns)
    else:
        try:
            results[part] = others[part]()
        except Exception as error:  # one that cannot run must not stop the others
            results["failed"].append(f"{part}: {reason(error)}")
            _say(f"  failed: {reason(error)}")
    _write(results, time.monotonic() - began, asked.output)
    return results


def _write(results: dict[str, Any], seconds: float, output: Path) -> None:
    results["seconds"] = round(seconds)
    results["targets"] = judge(results)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=1) + "\n")


def _turns(place: Place, workload: Workload, names: Sequence[str], plan: Plan, turns: int) -> dict[str, Any]:
    if workload.must_learn:
        answers = ask_client("raw_answers", url=place.served.url, workload=workload.name)
        workload.learn({name: np.array(values, np.float32) for name, values in answers.items()})
    makers = Makers(place, workload)
    line_up = [name for name in LINE_UP[workload.name] if name in names]
    results = take_turns([(name, partial(makers.make, name)) for name in line_up], plan, turns, _say)
    for name, result in results.items():
        if "failed" in result and name in OPTIONAL_CONTENDERS:
            result["skipped"] = result.pop("failed")
    return results


def _failures(results: Mapping[str, Any]) -> bool:
    return bool(results["failed"]) or any(
        "failed" in result for workload in results["throughput"].values() for result in workload.values()
    )


def _hide_beams_end(failed: threading.ExceptHookArgs) -> None:
    """Beam prints a traceback whenever a job with a Python function ends."""
    if failed.thread is None or failed.thread.name != "read_grpc_client_inputs":
        threading.__excepthook__(failed)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
