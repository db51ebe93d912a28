"""A real standalone Flink cluster of one JobManager and two TaskManagers, made out of PyFlink's distribution.

It is gone when left, also when the process of the tests is killed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyflink
from pyflink.version import __version__ as flink_version
from ruamel.yaml import YAML
from triton import call
from waiting import wait_for

from pyflink_triton.server import ports

HOST = "localhost"
TASK_MANAGERS = 2
SQL_GATEWAY = f"org.apache.flink:flink-sql-gateway:{flink_version}"
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
START_SECONDS = 60
COMMAND_SECONDS = 240
ENDED = ("FINISHED", "FAILED", "CANCELED")
#: Runs when its standard input ends, as it does when this process does, however that came.
STOP = """
cat >/dev/null
for process in /proc/[0-9]*; do
  if tr '\\0' '\\n' <"$process"/cmdline | grep -q "^-Dlog.file=$1/"; then kill -9 "${process#/proc/}"; fi
done 2>/dev/null
true
"""


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    Attributes:
        code: Its exit code.
        output: What it printed, both streams.
    """

    code: int
    output: str


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs.

    Attributes:
        home: Its FLINK_HOME.
        rest_url: Where the JobManager answers.
    """

    home: Path
    rest_url: str

    @property
    def python_jar(self) -> Path:
        """The jar of flink-python, where no process looks for it by itself but the clients."""
        (jar,) = (self.home / "opt").glob("flink-python-*.jar")
        return jar

    def run(
        self, *arguments: str, meanwhile: Callable[[], object] = lambda: None, seconds: float = COMMAND_SECONDS
    ) -> Finished:
        """Run `bin/flink run`.

        Args:
            arguments: What follows `run`.
            meanwhile: Called again and again until the command has ended.
            seconds: The longest that it may take.
        """
        return self._client("flink", "run", *arguments, meanwhile=meanwhile, seconds=seconds)

    def sql(self, script: str, *arguments: str, meanwhile: Callable[[], object] = lambda: None) -> Finished:
        """Run a script with `bin/sql-client.sh -f`.

        Args:
            script: The statements.
            arguments: What else to give to the client, as `-j a.jar`.
            meanwhile: Called again and again until the command has ended.
        """
        file = self.home / "script.sql"
        file.write_text(script)
        history = str(self.home / "sql-history")
        return self._client("sql-client.sh", *arguments, "-hist", history, "-f", str(file), meanwhile=meanwhile)

    def get(self, path: str) -> Any:
        """Ask the JobManager's REST interface."""
        return json.loads(call(self.rest_url, "GET", path))

    def jobs(self) -> dict[str, str]:
        """The state of each job by its id, the finished ones too."""
        return {job["jid"]: job["state"] for job in self.get("/jobs/overview")["jobs"]}

    def end_of(self, job: str, seconds: float = COMMAND_SECONDS) -> str:
        """Wait until a job has ended and return its state."""

        def ended() -> str | None:
            state = self.jobs()[job]
            return state if state in ENDED else None

        return str(wait_for(ended, seconds, f"the end of job {job}"))

    def completed_checkpoints(self, job: str) -> int:
        """How many checkpoints of a job have completed."""
        return int(self.get(f"/jobs/{job}/checkpoints")["counts"]["completed"])

    def start_task_manager(self, killed: int) -> None:
        """Start a TaskManager in the place of one that was killed."""
        for file in (self.home / "pid").glob("*taskexecutor*"):
            file.write_text("".join(line for line in file.read_text().splitlines(True) if int(line) != killed))
        started = subprocess.run(
            [self.home / "bin" / "taskmanager.sh", "start"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(self.home),
            text=True,
            start_new_session=True,
        )
        assert started.returncode == 0, started.stdout

    def failure(self, job: str) -> str:
        """Why a job failed, as the web interface shows it."""
        return str(self.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"][0]["stacktrace"])

    def records_read(self, job: str, operator: str) -> list[int]:
        """How many records reached an operator, named by a part of its name, on each TaskManager that it ran on."""
        vertices = self.get(f"/jobs/{job}")["vertices"]
        (vertex,) = [vertex["id"] for vertex in vertices if operator in vertex["name"]]
        task_managers = self.get(f"/jobs/{job}/vertices/{vertex}/taskmanagers")["taskmanagers"]
        return [task_manager["metrics"]["read-records"] for task_manager in task_managers]

    def shipped(self, job: str) -> set[int]:
        """The sizes of the files that came with a job; the TaskManagers keep them for an hour."""
        return {file.stat().st_size for file in (self.home / "tmp").glob(f"**/job_{job}/blob_*")}

    def logged(self) -> dict[Path, str]:
        """The logs of the TaskManagers."""
        return {file: file.read_text() for file in sorted((self.home / "log").glob("*taskexecutor*.log"))}

    def _state(self) -> str:
        """What the jobs that have not ended wait for: their tasks, what those do, and what was warned of."""
        said = []
        for file, text in self.logged().items():
            warned = [line[:500] for line in text.splitlines() if re.search(r" (WARN|ERROR) ", line)]
            said += [file.name, *warned[-15:]]
        with suppress(OSError, AssertionError, subprocess.TimeoutExpired):  # of a process that has ended, or hangs
            for process in sorted(self.task_managers()):
                dumped = subprocess.run(["jstack", str(process)], capture_output=True, text=True, timeout=30)
                threads = dumped.stdout.split("\n\n")
                tasks = [each for each in threads if re.match(r'"(?!Time ).*\(\d+/\d+\)#\d+"', each)]
                said += [f"TaskManager {process}", *("\n".join(each.splitlines()[:25]) for each in tasks)]
            for job, state in self.jobs().items():
                if state not in ENDED:
                    said.append(f"job {job} {state}")
                    for vertex in self.get(f"/jobs/{job}")["vertices"]:
                        states = {name: count for name, count in vertex["tasks"].items() if count}
                        said.append(f"  {vertex['name'][:100]}: {states}")
        return "\n".join(said)

    def task_managers(self) -> set[int]:
        """The process ids of the TaskManagers."""
        return {int(line) for file in (self.home / "pid").glob("*taskexecutor*") for line in file.read_text().split()}

    def _client(
        self, program: str, *arguments: str, meanwhile: Callable[[], object], seconds: float = COMMAND_SECONDS
    ) -> Finished:
        output = self.home / "client.out"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [self.home / "bin" / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # A client has a configuration of its own, as it has on another machine.
                env=environment(self.home) | {"FLINK_CONF_DIR": str(self.home / "client-conf")},
            )

        def has_ended() -> bool:
            meanwhile()
            return process.poll() is not None

        try:
            wait_for(has_ended, seconds, f"the end of {program}")
        except AssertionError as error:
            raise AssertionError(f"{error}. It printed:\n{output.read_text()}\n{self._state()}") from None
        finally:
            process.kill()
            process.wait()
        return Finished(process.returncode, output.read_text())


@contextmanager
def standalone_cluster(
    home: Path, more: Mapping[str, str] | None = None, jars: Iterable[Path] = ()
) -> Iterator[Cluster]:
    """Start a cluster.

    Args:
        home: Where to make its FLINK_HOME; must not be there.
        more: Further entries of the cluster's configuration.
        jars: What its `lib` has besides Flink's own.

    Yields:
        The cluster, once both TaskManagers have registered.
    """
    rest_port, rpc_port = ports.choose(HOST, 2, set())
    make_home(home, rest_port, rpc_port, more or {})
    for jar in jars:
        (home / "lib" / jar.name).symlink_to(jar)
    with (home / "stop.out").open("wb") as output:
        stopper = subprocess.Popen(
            ["bash", "-c", STOP, "stop", str(home)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(home),
            start_new_session=True,  # Ctrl-C is for this process
        )
    try:
        start = subprocess.run(
            [home / "bin" / "start-cluster.sh"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(home),
            text=True,
            start_new_session=True,
        )
        assert start.returncode == 0, start.stdout
        cluster = Cluster(home, f"http://{HOST}:{rest_port}")
        try:
            wait_for(lambda: registered(cluster) == TASK_MANAGERS, START_SECONDS, f"{TASK_MANAGERS} TaskManagers")
        except AssertionError as error:
            logs = "\n".join(file.read_text()[-2000:] for file in sorted((home / "log").iterdir()))
            raise AssertionError(f"{error}.\n{start.stdout}\n{logs}") from None
        yield cluster
    finally:
        stopper.communicate()


def make_home(home: Path, rest_port: int, rpc_port: int, more: Mapping[str, str]) -> None:
    """Make a FLINK_HOME of the installed PyFlink, which lacks what sql-client.sh needs, and two configurations."""
    distribution = Path(pyflink.__file__).parent
    for name in ("bin", "conf"):
        shutil.copytree(distribution / name, home / name)
    for name in ("lib", "opt", "plugins"):
        (home / name).mkdir()
        for entry in (distribution / name).iterdir():
            (home / name / entry.name).symlink_to(entry)
    (home / "tmp").mkdir()
    (home / "log").mkdir()
    (home / "conf" / "workers").write_text(f"{HOST}\n" * TASK_MANAGERS)
    shutil.copytree(home / "conf", home / "client-conf")
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    shared = {
        "env.java.opts.all": yaml.load(distribution / "conf" / "config.yaml")["env"]["java"]["opts"]["all"],
        "rest.address": HOST,
        "rest.port": rest_port,
        "io.tmp.dirs": str(home / "tmp"),
    }
    cluster = {
        "jobmanager.rpc.address": HOST,
        "jobmanager.rpc.port": rpc_port,
        "jobmanager.bind-host": HOST,
        "jobmanager.memory.process.size": "1 g",
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
        "taskmanager.memory.process.size": "1 g",
        "taskmanager.memory.managed.size": "64 m",
        "taskmanager.numberOfTaskSlots": 2,
        "metrics.fetcher.update-interval": "200 ms",
        "taskmanager.load-balance.mode": "SLOTS",  # else a job of two subtasks stays on one TaskManager
    }
    yaml.dump(shared | cluster | dict(more), home / "conf" / "config.yaml")
    yaml.dump(shared, home / "client-conf" / "config.yaml")
    fetch = ["mvn", "-q", "-B", MAVEN_COPY, f"-Dartifact={SQL_GATEWAY}", f"-DoutputDirectory={home / 'opt'}"]
    fetched = subprocess.run(fetch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert fetched.returncode == 0, f"{' '.join(fetch)} printed\n{fetched.stdout}"


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change Flink or lend the checkout's package to a worker."""
    changing = ("PYTHON", "VIRTUAL_ENV", "FLINK_", "PYFLINK_", "HADOOP_", "CLASSPATH", "JVM_ARGS")
    ours = ("PYFLINK_TRITON_",)
    return {name: value for name, value in os.environ.items() if name.startswith(ours) or not name.startswith(changing)}


def environment(home: Path) -> dict[str, str]:
    """The same with what keeps a cluster and its clients within their directory."""
    temporary = str(home / "tmp")
    return clean_environment() | {
        "FLINK_LOG_DIR": str(home / "log"),
        "FLINK_PID_DIR": str(home / "pid"),
        "TMPDIR": temporary,
        "JVM_ARGS": f"-Djava.io.tmpdir={temporary} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # they never warm up
    }


def registered(cluster: Cluster) -> int:
    """How many TaskManagers the JobManager knows; 0 while it does not answer."""
    try:
        return len(cluster.get("/taskmanagers")["taskmanagers"])
    except (OSError, AssertionError):  # not listening yet, or not ready to say
        return 0
