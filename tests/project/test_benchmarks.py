"""`make bench` runs from end to end and checks its answers. No test asserts a speed."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from soak import IS_SOAK

from benchmarks import report
from benchmarks.contenders import LINE_UP, Makers
from benchmarks.measured import Run
from benchmarks.picture import draw
from benchmarks.scaling import line
from benchmarks.targets import judge
from benchmarks.turns import Plan, take_turns
from benchmarks.workloads import FLINK_MODULES, WORKLOADS, WrongAnswersError

pytestmark = pytest.mark.timeout(1200)  # the fixture starts a server, two JVMs and some dozens of jobs

#: Each has jobs of its own, and each part a JVM.
CONTENDERS = ("raw", "core", "ml_predict", "mx_streaming", *(["mx_batch"] if IS_SOAK else []), "ml_predict_nothing")
THROUGHPUT = ["add", "text20"] if IS_SOAK else ["add"]
PLAN = Plan(seconds=0.1, most_rows=1000, starts=1, reference_turns=1)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("bench") / "results.json"
    parts = [*THROUGHPUT, "latency", "rows", "repeats", "footprint", "planning", "lengths"]
    command = ["--smoke", "--only", ",".join(parts), "--contenders", ",".join(CONTENDERS), "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ML_PREDICT, nothing set" in done.stdout
    read: dict[str, Any] = json.loads(output.read_text())
    return read


def test_each_contender_answered_right_and_has_its_figures(results: dict[str, Any]) -> None:
    assert list(results["throughput"]) == THROUGHPUT
    assert set(results["throughput"]["add"]) == set(CONTENDERS)
    for figures in results["throughput"].values():
        for name, each in figures.items():
            assert set(each["rows_a_second"]) == {"median", "low", "high", "turns"}, name
            assert {"server", "client", "all"} <= set(each["cpu_us_a_row"]), name
            assert "rows_a_second" in each["beside_raw"], name
    assert {"jvm", "worker"} <= set(results["throughput"]["add"]["ml_predict"]["cpu_us_a_row"])


def test_the_other_parts_have_theirs(results: dict[str, Any]) -> None:
    for each in results["latency"]["100"].values():
        assert 0 < each["p50_ms"] <= each["p99_ms"]
    assert {"us_a_row", "off", "spread"} <= set(results["rows"]["line"])
    assert len(results["repeats"]) == 4
    for each in results["repeats"].values():
        assert set(each["rows_a_second"]) == {"with", "without"}
        assert "rate_ratio" in each
    assert results["footprint"]["uss_mb"]["median"] > 10
    assert results["footprint"]["start_ms"]["median"] > 10
    assert {"without", "attach", "first_function", "later_ml_predict"} <= set(results["planning"])
    for each in results["lengths"].values():
        assert each["rows_a_request"]["median"] >= 1
        assert {"rows_a_request", "rows_a_second"} == set(each["beside_first"])
    assert {"cpu", "cores", "versions", "commit"} <= set(results["machine"])


def test_each_target_that_was_measured_is_judged(results: dict[str, Any]) -> None:
    judged = {each["what"]: each for each in results["targets"]}
    assert judged["CPU a row of ML_PREDICT, to raw's: images of 600 kB as BYTES"]["measured"] is None
    for what in ("memory of an idle worker after open (USS)", "time over rows, from 10^5 on, warm"):
        assert judged[what]["met"] in (True, False)


def test_the_page_is_that_of_the_results() -> None:
    assert report.PAGE.read_text() == report.as_page(json.loads(report.RESULTS.read_text()))


def test_a_run_is_drawn(results: dict[str, Any], tmp_path: Path) -> None:
    draw(results, tmp_path / "picture.svg")
    assert "ML_PREDICT, nothing set" in (tmp_path / "picture.svg").read_text()


@pytest.mark.parametrize("workload", [each for each in WORKLOADS.values() if each.name != "embed"])
def test_sums_that_are_wrong_are_refused(workload: Any) -> None:
    rows = workload.period + 3
    right = workload.expected(rows)
    workload.check(rows, right)
    with pytest.raises(WrongAnswersError):
        workload.check(rows, [right[0] * 1.001, *right[1:]])


class _Fake:
    """A contender whose every run takes a second, and ends with an error from one turn on."""

    title, note, first_rows = "a fake", "", 1000

    def __init__(self, name: str, error: Exception | None = None, wrong_from: int = 0) -> None:
        self.name, self._error, self._left = name, error, wrong_from

    def prepare(self) -> None:
        pass

    def start(self) -> None:
        return None

    def run(self, rows: int) -> Run:
        self._left -= 1
        if self._error is not None and self._left < 0:
            raise self._error
        return Run(rows, 1.0, {"server": 0.25, "client": 0.25})


@pytest.mark.parametrize("wrong_from", [0, 2])
def test_a_contender_that_answers_wrong_fails_and_the_others_do_not(wrong_from: int) -> None:
    wrong = _Fake("core", WrongAnswersError("SUM adds up to 1"), wrong_from)
    taken = take_turns([("raw", lambda: _Fake("raw")), ("core", lambda: wrong)], PLAN, 3, print)
    assert taken["core"]["failed"] == "WrongAnswersError: SUM adds up to 1"
    assert taken["raw"]["rows_a_second"]["turns"] == [1000.0] * 3
    assert taken["raw"]["cpu_us_a_row"]["all"]["median"] == 500.0


def test_contenders_take_turns_and_a_reference_takes_fewer() -> None:
    told: list[str] = []

    class Told(_Fake):
        def run(self, rows: int) -> Run:
            told.append(self.name)
            return super().run(rows)

    make = [(name, partial(Told, name)) for name in ("raw", "limit", "core")]
    taken = take_turns(make, PLAN, 2, print)
    assert told[3:] == ["raw", "limit", "core", "raw", "core"]
    assert len(taken["limit"]["beside_raw"]["rows_a_second"]["turns"]) == 1


def test_each_contender_can_be_made() -> None:
    for workload, names in LINE_UP.items():
        assert workload in WORKLOADS
        assert [name for name in names if not hasattr(Makers, f"_{name}")] == []
    assert set(FLINK_MODULES) < set(WORKLOADS)


def test_a_straight_line_is_told_from_a_bent_one() -> None:
    straight = line({100_000: [1.1], 1_000_000: [2.0], 10_000_000: [11.0]})
    assert straight["off"] == pytest.approx(0, abs=1e-6)
    assert straight["us_a_row"] == pytest.approx(1.0)
    assert line({100_000: [1.1], 1_000_000: [2.0], 10_000_000: [21.0]})["off"] > 0.1


def test_a_target_that_is_missed_is_said() -> None:
    ratio = {"median": 0.5, "low": 0.4, "high": 0.6, "turns": [0.4, 0.5, 0.6]}
    figures = {"core": {"beside_raw": {"client_cpu": ratio}}}
    judged = judge({"throughput": {"add": figures}})
    assert judged[0]["measured"] == "0.50 (0.40 to 0.60)"
    assert judged[0]["met"] is False
