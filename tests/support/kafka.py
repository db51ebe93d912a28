"""A real Kafka in one process, broker and controller (KRaft), and Flink's connector: jars of Maven Central."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster import MAVEN_COPY
from waiting import wait_for

from pyflink_triton.server.cache import cache_directory, make_once
from pyflink_triton.server.ports import choose
from pyflink_triton.server.supervised import SupervisedServer

VERSION = "4.2.0"
#: The newest one; it is made for Flink 2.2.
CONNECTOR = "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2"
HOST = "localhost"
START_SECONDS = 60
#: How long a reader waits for one more record. All have been committed when it starts.
QUIET_MILLISECONDS = 3000
COMMAND_SECONDS = 120
_ARTIFACTS = ("kafka_2.13", "kafka-tools")
_JVM = ("-XX:TieredStopAtLevel=1", "-Xmx512m")
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
controller.listener.names=CONTROLLER
log.dirs={directory}/data
num.partitions=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


@dataclass(frozen=True)
class Kafka:
    """A broker that runs.

    Attributes:
        bootstrap_servers: What its clients take.
    """

    bootstrap_servers: str

    def write(self, topic: str, lines: Iterable[str]) -> None:
        """Write a record for each line, with Kafka's own producer."""
        records = "".join(f"{line}\n" for line in lines)
        self._tool("org.apache.kafka.tools.ConsoleProducer", "--topic", topic, given=records)

    def read(self, topic: str, isolation: str = "read_committed") -> list[str]:
        """The values of all records of a topic, with Kafka's own consumer."""
        options = ["--topic", topic, "--from-beginning", "--isolation-level", isolation]
        quiet = ["--timeout-ms", str(QUIET_MILLISECONDS)]
        return self._tool("org.apache.kafka.tools.consumer.ConsoleConsumer", *options, *quiet).splitlines()

    def _tool(self, name: str, *arguments: str, given: str = "") -> str:
        command = [*java(name), "--bootstrap-server", self.bootstrap_servers, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def running_kafka(directory: Path) -> Iterator[Kafka]:
    """Start a broker, which is gone when left, also when the process of the tests is killed.

    Args:
        directory: Where to keep its records and its log; must not be there.

    Yields:
        The broker, once it answers.
    """
    directory.mkdir()
    broker, controller = choose(HOST, 2, set())
    properties = directory / "server.properties"
    properties.write_text(_PROPERTIES.format(host=HOST, broker=broker, controller=controller, directory=directory))
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    log = directory / "log"
    with log.open("wb") as output:
        format_storage = [*java("kafka.tools.StorageTool"), "format", "-t", cluster, "-c", str(properties)]
        subprocess.run(format_storage, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)
        server = SupervisedServer(
            [*java("kafka.Kafka"), str(properties)], dict(os.environ), "no_memory_of_kafka_", output
        )

    def answers() -> bool:
        assert server.running, log.read_text()[-4000:]
        with socket.socket() as connection:
            return connection.connect_ex((HOST, broker)) == 0

    try:
        wait_for(answers, START_SECONDS, f"Kafka answers; its log is {log}")
        yield Kafka(f"{HOST}:{broker}")
    finally:
        server.end(b"kill")


def java(program: str) -> list[str]:
    """The command of one of Kafka's programs."""
    root = cache_directory() / f"kafka-{VERSION}"
    make_once(root, f"Kafka {VERSION}, once", _fetch)
    return ["java", *_JVM, "-cp", f"{root}/*", program]


def connector(directory: Path) -> Path:
    """Flink's connector for Kafka, copied to a directory."""
    _maven(MAVEN_COPY, f"-Dartifact={CONNECTOR}", f"-DoutputDirectory={directory}")
    (jar,) = directory.glob("flink-sql-connector-kafka-*.jar")
    return jar


def _fetch(root: Path) -> None:
    dependencies = "".join(
        f"<dependency><groupId>org.apache.kafka</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{VERSION}</version></dependency>"
        for artifact in _ARTIFACTS
    )
    pom = root / "pom.xml"
    pom.write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>kafka</groupId><artifactId>kafka</artifactId>"
        f"<version>1</version><packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )
    goal = f"{MAVEN_COPY}-dependencies"
    _maven("-f", str(pom), goal, "-DincludeScope=runtime", f"-DoutputDirectory={root}")


def _maven(*arguments: str) -> None:
    command = ["mvn", "-q", "-B", *arguments]
    fetched = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert fetched.returncode == 0, f"{' '.join(command)} printed\n{fetched.stdout}"
