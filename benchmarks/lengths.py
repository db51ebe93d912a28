"""Texts of the lengths that real ones have: how many rows share a request, and how many are answered in a second."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from benchmarks import flink
from benchmarks.contenders import ROOT, Makers, Place
from benchmarks.measured import spread
from benchmarks.workloads import Column, Output, Workload

MODEL = "lengths"
_PAD = {"pad.input_ids": '{"edges": [16, 32, 64, 128], "mask": "attention_mask"}'}
#: What each contender sets; the others are compared with the first.
WAYS: Mapping[str, Mapping[str, str]] = {
    "nothing waits, nothing is padded": {"bucket-wait": "0 ms"},
    "nothing set": {},
    "padded": _PAD,
}
FIGURES = ("rows_a_request", "rows_a_second")
_REVIEWS = ROOT / "examples" / "reviews.csv"
#: Words and marks are what a tokenizer makes of most English texts; it puts a token before and behind them.
_TOKEN = re.compile(r"\w+|[^\w\s]")
_ENDS = 2
_TOKENS = 1000


def lengths() -> Sequence[int]:
    """The number of tokens of each review in the examples."""
    with _REVIEWS.open(newline="") as file:
        return [len(_TOKEN.findall(row[2])) + _ENDS for row in csv.reader(file)]


def measure(place: Place, rows: int, turns: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Time ML_PREDICT over the texts in each way, warm, in turns; the server counts the requests.

    Args:
        place: Where it runs.
        rows: How many rows a turn has.
        turns: How many turns.
        say: Takes lines about what happens.

    Returns:
        For each way ``rows_a_request`` and ``rows_a_second``, and the ratios of both to those of the first way in the
        same turn, ``beside_first``; all as spreads over the turns.
    """
    workload = _workload(place.served.url)
    makers = Makers(place, workload)
    sessions = {name: makers.session() for name in WAYS}
    query = flink.ml_predict(workload)
    for name, session in sessions.items():
        session.connect(place.served.url, WAYS[name])
        session.run(query, min(rows, workload.first_rows))
    taken: dict[str, dict[str, list[float]]] = {name: {each: [] for each in FIGURES} for name in WAYS}
    for turn in range(turns):
        say(f"  turn {turn + 1} of {turns}")
        for name, session in sessions.items():
            before = _counted(place.served.url)
            taken[name]["rows_a_second"].append(session.run(query, rows).rate)
            answered, requests = _counted(place.served.url) - before
            taken[name]["rows_a_request"].append(float(answered / requests))
    first = taken[next(iter(WAYS))]
    return {
        name: {
            **{each: spread(values) for each, values in figures.items()},
            "beside_first": {each: spread(np.divide(figures[each], first[each]).tolist()) for each in FIGURES},
        }
        for name, figures in taken.items()
    }


def _workload(url: str) -> Workload:
    """The texts as ids; what is right is what the model answers to each alone."""
    random = np.random.default_rng(12)
    texts = [random.integers(0, _TOKENS, length) for length in lengths()]
    ids = np.empty(len(texts), dtype=object)
    ids[:] = texts
    columns = [Column("input_ids", "ARRAY<BIGINT>", "INT64", ids)]
    outputs = [Output("SCORE", "FLOAT", np.array([_ask(url, each.tolist()) for each in texts]))]
    return Workload(MODEL, "texts of real lengths", MODEL, 64, lambda: (columns, outputs), 2_000)


def _ask(url: str, ids: Sequence[int]) -> float:
    tensor = {"name": "input_ids", "shape": [1, len(ids)], "datatype": "INT64", "data": ids}
    answer = _json(Request(f"{url}/v2/models/{MODEL}/infer", json.dumps({"inputs": [tensor]}).encode()))
    return float(answer["outputs"][0]["data"][0])


def _counted(url: str) -> Any:
    """How many rows and requests the model has had."""
    (stats,) = _json(Request(f"{url}/v2/models/{MODEL}/stats"))["model_stats"]
    return np.array([stats["inference_count"], stats["execution_count"]])


def _json(request: Request) -> Any:
    with urlopen(request) as response:
        return json.load(response)
