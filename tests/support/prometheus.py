"""A real Prometheus that scrapes a cluster, from Debian's package; nothing is installed into the system."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cluster import HOST
from triton import call
from waiting import wait_for

from pyflink_triton.server import ports
from pyflink_triton.server.cache import cache_directory, make_once

SCRAPE_SECONDS = 1
START_SECONDS = 30
#: What Flink's reporter puts in front of the metrics of an operator.
PREFIX = "flink_taskmanager_job_task_operator_"
CONFIGURATION = """
global: {{scrape_interval: {seconds}s, scrape_timeout: {seconds}s}}
scrape_configs:
  - job_name: flink
    static_configs: [{{targets: {targets}}}]
"""


class NoPrometheus(Exception):
    """There is none, and it cannot be fetched; the text says why."""


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that runs.

    Attributes:
        url: Where it answers.
    """

    url: str

    def query(self, promql: str) -> list[dict[str, Any]]:
        """What a query gives now: each a `metric` (its labels) and a `value` (the time and the value)."""
        found: list[dict[str, Any]] = self.ask(f"/api/v1/query?query={urllib.parse.quote(promql)}")["result"]
        return found

    def range(self, promql: str, begin: float, end: float, step: float) -> list[dict[str, Any]]:
        """What a query gave over a time: each a `metric` (its labels) and `values` (pairs of a time and a value)."""
        asked = urllib.parse.urlencode({"query": promql, "start": begin, "end": end, "step": step})
        found: list[dict[str, Any]] = self.ask(f"/api/v1/query_range?{asked}")["result"]
        return found

    def ask(self, path: str) -> Any:
        """Ask its HTTP interface, and return the answer's data."""
        answer = json.loads(call(self.url, "GET", path))
        assert answer["status"] == "success", answer
        return answer["data"]

    def of_operator(self, job: str, operator: str) -> dict[str, float]:
        """The metrics of an operator, summed over its subtasks; those of a quantile have `{0.5}` behind the name.

        Args:
            job: The id of its job.
            operator: Its name in the REST interface. Flink's reporter writes `_` for all but letters, digits, `_`, `:`.
        """
        named = re.sub(r"[^a-zA-Z0-9_:]", "_", operator)
        found: dict[str, float] = {}
        for series in self.query(f'{{__name__=~"{PREFIX}.*",job_id="{job}",operator_name="{named}"}}'):
            quantile = series["metric"].get("quantile")
            name = series["metric"]["__name__"].removeprefix(PREFIX) + (f"{{{quantile}}}" if quantile else "")
            found[name] = found.get(name, 0.0) + float(series["value"][1])
        return found


def prometheus(directory: Path, targets: Sequence[str]) -> AbstractContextManager[Prometheus]:
    """Start a Prometheus that scrapes Flink alone.

    Args:
        directory: Where to keep its data; must not be there.
        targets: What it scrapes, each a host and a port.

    Returns:
        A context with it, once it answers.

    Raises:
        NoPrometheus: There is none.
    """
    return configured_prometheus(
        directory, CONFIGURATION.format(seconds=SCRAPE_SECONDS, targets=json.dumps([*targets]))
    )


@contextmanager
def configured_prometheus(directory: Path, text: str) -> Iterator[Prometheus]:
    """Start a Prometheus.

    Args:
        directory: Where to keep its data; must not be there.
        text: Its configuration.

    Yields:
        It, once it answers.

    Raises:
        NoPrometheus: There is none.
    """
    program = debian_program("prometheus")
    directory.mkdir()
    configuration = directory / "prometheus.yml"
    configuration.write_text(text)
    (port,) = ports.choose(HOST, 1, set())
    log = directory / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={HOST}:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process
        )
    try:
        made = Prometheus(f"http://{HOST}:{port}")

        def is_ready() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return bool(call(made.url, "GET", "/-/ready"))
            except (OSError, AssertionError):  # not listening yet, or not ready
                return False

        wait_for(is_ready, START_SECONDS, "Prometheus")
        yield made
    finally:
        process.kill()
        process.wait()


@cache
def debian_program(name: str) -> str:
    """The path of `prometheus` or `promtool`: the system's own, or unpacked from Debian's package into the cache.

    Raises:
        NoPrometheus: There is none.
    """
    installed = shutil.which(name)
    if installed is not None:
        return installed
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NoPrometheus(f"there is no {name} in PATH, and no apt-get to fetch Debian's package with")
    unpacked = cache_directory() / "prometheus"
    try:
        make_once(unpacked, "Debian's Prometheus, for tests", _unpack)
    except subprocess.CalledProcessError as error:
        raise NoPrometheus(
            f"there is no {name} in PATH, and Debian's package cannot be fetched: {error.output}"
        ) from None
    return str(unpacked / "usr" / "bin" / name)


def _unpack(directory: Path) -> None:
    if _run("apt-get", "download", "prometheus", where=directory, check=False):
        _run("apt-get", "update", where=directory)  # a machine may have no lists yet
        _run("apt-get", "download", "prometheus", where=directory)
    (package,) = directory.glob("*.deb")
    _run("dpkg", "-x", str(package), str(directory), where=directory)
    package.unlink()


def _run(*command: str, where: Path, check: bool = True) -> int:
    done = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=check)
    return done.returncode
