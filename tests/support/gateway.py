"""Flink's SQL gateway in front of a cluster, driven by its REST interface."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from cluster import COMMAND_SECONDS, HOST, START_SECONDS, Cluster, environment
from waiting import wait_for

from pyflink_triton.server import ports


class Refused(Exception):
    """A statement failed; the text is all that the gateway said."""


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs.

    Attributes:
        url: Where it answers.
    """

    url: str

    @contextmanager
    def session(self, *statements: str) -> Iterator[GatewaySession]:
        """Open a session, run statements in it, and close it when left."""
        session = GatewaySession(self, self.ask("POST", "/v3/sessions", {})["sessionHandle"])
        try:
            for statement in statements:
                session.execute(statement)
            yield session
        finally:
            self.ask("DELETE", f"/v3/sessions/{session.handle}")

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request; an error of the gateway's is `Refused`."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=COMMAND_SECONDS)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            answer = response.read().decode()
            if response.status != http.client.OK:
                errors = "\n".join(json.loads(answer)["errors"])
                raise Refused("\n".join(line for line in errors.splitlines() if not line.startswith("\tat ")))
            return json.loads(answer)
        finally:
            connection.close()


@dataclass(frozen=True)
class Outcome:
    """What became of a statement.

    Attributes:
        job: The id of the job that it started, or None.
        rows: The rows of its result.
    """

    job: str | None
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class GatewaySession:
    """A session of a gateway.

    Attributes:
        gateway: Its gateway.
        handle: Its name there.
    """

    gateway: Gateway
    handle: str

    def execute(self, statement: str) -> Outcome:
        """Run a statement and read all of its result; that of an INSERT is there once its job has started.

        Raises:
            Refused: The statement failed.
        """
        path = f"/v3/sessions/{self.handle}"
        operation = self.gateway.ask("POST", f"{path}/statements", {"statement": statement})["operationHandle"]
        next_path = f"{path}/operations/{operation}/result/0?rowFormat=JSON"
        job, rows = None, []
        while next_path:
            result = wait_for(partial(self._ready, next_path), COMMAND_SECONDS, f"the result of {statement}")
            job = result.get("jobID", job)
            rows += [tuple(row["fields"]) for row in result.get("results", {}).get("data", [])]
            next_path = result.get("nextResultUri")
        self.gateway.ask("DELETE", f"{path}/operations/{operation}/close")
        return Outcome(job, rows)

    def _ready(self, path: str) -> Any:
        result = self.gateway.ask("GET", path)
        return None if result["resultType"] == "NOT_READY" else result


@contextmanager
def sql_gateway(cluster: Cluster, *arguments: str) -> Iterator[Gateway]:
    """Start `bin/sql-gateway.sh` with the cluster's FLINK_HOME.

    Args:
        cluster: Where its jobs run; should this process be killed, it ends with the cluster.
        arguments: What else to give to it, as `-Dkey=value`.

    Yields:
        The gateway, once it answers.
    """
    (port,) = ports.choose(HOST, 1, set())
    output = cluster.home / "gateway.out"
    settings = {"sql-gateway.endpoint.rest.address": HOST, "sql-gateway.endpoint.rest.port": port}
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
                *(cluster.home / "bin" / "sql-gateway.sh", "start-foreground"),
                *(f"-D{key}={value}" for key, value in settings.items()),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment(cluster.home) | {"FLINK_CONF_DIR": str(cluster.home / "client-conf")},
            start_new_session=True,  # Ctrl-C is for this process
        )
    try:
        gateway = Gateway(f"http://{HOST}:{port}")

        def answers() -> bool:
            assert process.poll() is None, f"the gateway ended and printed\n{output.read_text()}"
            try:
                return bool(gateway.ask("GET", "/v3/info"))
            except (OSError, Refused):  # not listening yet, or not ready to say
                return False

        wait_for(answers, START_SECONDS, "the SQL gateway")
        yield gateway
    finally:
        process.kill()
        process.wait()
