"""The examples that need a Kafka or a cluster, as `flink run` runs them, and the statements of docs/kafka.md.

What examples/kafka_to_kafka.py writes while a TaskManager is killed is read by Kafka's own consumer: every record once.
"""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, Finished, standalone_cluster
from kafka import Kafka, connector, running_kafka
from places import ROOT
from soak import IS_SOAK

import pyflink_triton
from pyflink_triton.server import TritonServer

EXAMPLES = ROOT / "examples"
TIMES = 3000 if IS_SOAK else 1000
KILLS = 10 if IS_SOAK else 1
SECONDS = 900 if IS_SOAK else 150


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    quick = {"heartbeat.interval": "500 ms", "heartbeat.timeout": "10 s"}
    with standalone_cluster(tmp_path_factory.mktemp("flink") / "home", quick) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with running_kafka(tmp_path_factory.mktemp("kafka") / "broker") as broker:
        yield broker


@pytest.fixture(scope="module")
def connector_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return connector(tmp_path_factory.mktemp("connector"))


@pytest.fixture(scope="module")
def sentiment() -> Iterator[str]:
    """The URL of a server with the examples' model."""
    serving_one = ["--model-control-mode=explicit", "--load-model=sentiment"]
    with TritonServer(EXAMPLES / "models", arguments=serving_one, requirements=["vaderSentiment==3.3.2"]) as server:
        yield server.http_url


def run(flink: Cluster, name: str, *arguments: str, **more: Any) -> Finished:
    """Run an example by `flink run`."""
    options = ["-pyclientexec", sys.executable, "-pyexec", sys.executable, "-p", "2"]
    return flink.run(*options, "-py", str(EXAMPLES / name), *arguments, **more)


class Killer:
    """Kills TaskManagers in the middle of the job that writes to Kafka, each time after one more checkpoint."""

    def __init__(self, flink: Cluster) -> None:
        self._flink = flink
        self._next = 1
        self.kills = 0
        self.job = ""

    def look(self) -> None:
        """Kill one when it is time."""
        jobs = {job["name"]: job for job in self._flink.get("/jobs/overview")["jobs"]}
        job = next((job for name, job in jobs.items() if name.startswith("scores-")), None)
        if job is None or job["state"] != "RUNNING" or self.kills == KILLS:
            return
        self.job = job["jid"]
        completed = self._flink.completed_checkpoints(self.job)
        if completed >= self._next:
            killed = min(self._flink.task_managers())
            os.kill(killed, signal.SIGKILL)
            self._flink.start_task_manager(killed)
            self.kills += 1
            self._next = completed + 1


def test_a_datastream_has_a_model_in_its_middle(flink: Cluster, sentiment: str) -> None:
    """The shim's jar, which the session was given, reaches the TaskManagers with a job of the DataStream API, too."""
    ended = run(flink, "datastream.py", "--endpoint", sentiment)
    assert ended.code == 0, ended.output
    assert "177 of 300 reviews are clear ones" in ended.output


def test_answers_over_a_changing_aggregate_are_kept_by_key(
    flink: Cluster, kafka: Kafka, connector_jar: Path, sentiment: str
) -> None:
    servers = ["--endpoint", sentiment, "--bootstrap-servers", kafka.bootstrap_servers]
    ended = run(flink, "upserts.py", "--connector", str(connector_jar), *servers)
    assert ended.code == 0, ended.output
    assert "212 reviews are in the topic" in ended.output


def test_the_statements_of_the_page_are_planned(connector_jar: Path, sentiment: str) -> None:
    """No broker is asked before a job starts, so that of the page need not be there."""
    t_env = pyflink_triton.session(sentiment)
    t_env.execute_sql(f"ADD JAR '{connector_jar}'")
    blocks = re.findall(r"^```sql\n(.*?)^```", (ROOT / "docs" / "kafka.md").read_text(), re.M | re.S)
    plans = []
    for statement in ";\n\n".join(block.strip().rstrip(";") for block in blocks).split(";\n\n"):
        if statement.startswith(("INSERT", "EXECUTE")):
            (plan,) = t_env.execute_sql(f"EXPLAIN {statement.removeprefix('EXECUTE ')}").collect()
            plans.append(plan[0])
        else:
            t_env.execute_sql(statement)
    one, both = (plan.partition("== Optimized Execution Plan ==")[2] for plan in plans)
    assert one.count("ML_PREDICT") == both.count("ML_PREDICT") == 1, "the model is asked once for both tables"


@pytest.mark.timeout(1800 if IS_SOAK else 600)
def test_each_record_is_there_once_whatever_is_killed(
    flink: Cluster, kafka: Kafka, connector_jar: Path, sentiment: str
) -> None:
    killer = Killer(flink)
    servers = ["--endpoint", sentiment, "--bootstrap-servers", kafka.bootstrap_servers]
    what = ["--connector", str(connector_jar), "--times", str(TIMES)]
    ended = run(flink, "kafka_to_kafka.py", *servers, *what, meanwhile=killer.look, seconds=SECONDS)
    assert killer.kills == KILLS, f"the job was over too early. {ended.output}"
    assert ended.code == 0, ended.output
    assert flink.get(f"/jobs/{killer.job}/checkpoints")["counts"]["restored"] >= KILLS

    topic = re.search(r"in (scores-\w+): ", ended.output)
    assert topic is not None, ended.output
    rows = [json.loads(line) for line in kafka.read(topic[1])]
    with (EXAMPLES / "reviews.csv").open() as file:
        texts = {id_: text for id_, _, text in csv.reader(file)}
    expected = dict(zip(texts, labels(sentiment, list(texts.values())), strict=True))
    found = sorted((row["id"], row["label"]) for row in rows)
    assert found == sorted((f"{id_}-{n}", label) for id_, label in expected.items() for n in range(TIMES))


def labels(url: str, texts: list[str]) -> list[str]:
    """What the model says when it is asked without Flink."""
    found: list[str] = []
    for first in range(0, len(texts), 50):
        data = texts[first : first + 50]
        asked = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(data), 1], "data": data}]}
        with urllib.request.urlopen(f"{url}/v2/models/sentiment/infer", json.dumps(asked).encode()) as answer:
            outputs = {output["name"]: output["data"] for output in json.load(answer)["outputs"]}
        found += outputs["label"]
    return found
