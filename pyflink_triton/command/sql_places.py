"""Where `pyflink-triton sql` runs statements: in a Flink of this process, or in a session of a SQL gateway."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from pyflink_triton.command.console import CommandError
from pyflink_triton.command.flink import ModeName, open_session
from pyflink_triton.command.gateway import Gateway, GatewayAnswer, Refused
from pyflink_triton.command.job_metrics import Counts, count
from pyflink_triton.command.rows import Format
from pyflink_triton.command.script import Statement
from pyflink_triton.command.server import pairs
from pyflink_triton.command.totals import options_in, total_rows
from pyflink_triton.errors import sentence
from pyflink_triton.server import TritonServerError, ports
from pyflink_triton.table.embedded import Answer, EmbeddedSession, StatementError
from pyflink_triton.table.sentences import problem_of

#: How most queries begin; of other statements Flink is asked what they are.
_QUERIES = ("SELECT", "WITH", "VALUES", "(")
_HOST = "127.0.0.1"


class Place(Protocol):
    """Where statements run."""

    @property
    def is_batch(self) -> bool:
        """Whether rows come once, and none is taken back."""
        ...

    def run(self, statement: Statement, format_: Format) -> Answer | GatewayAnswer:
        """Run a statement; raises StatementError."""
        ...

    def counts(self, job: str) -> Counts | None:
        """What a job has counted; None where nobody says."""
        ...

    def total(self, statement: Statement) -> int | None:
        """The rows of a statement's sources; None where that is not known."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class Embedded:
    """A Flink in this process.

    Args:
        session: Its session.
        rest: The URL of its REST interface.
    """

    def __init__(self, session: EmbeddedSession, rest: str) -> None:
        self._session, self._rest = session, rest

    @property
    def is_batch(self) -> bool:
        """Whether rows come once, and none is taken back."""
        return self._session.is_batch

    def run(self, statement: Statement, format_: Format) -> Answer:
        """Run a statement; raises StatementError."""
        word = statement.words[0] if statement.words else ""
        if word in _QUERIES or (word != "INSERT" and self._session.is_query(statement.text)):
            return self._session.query(statement.text, as_json=format_ is Format.json)
        return self._session.run(statement.text)

    def counts(self, job: str) -> Counts | None:
        """What a job has counted."""
        return count(self._rest, job)

    def total(self, statement: Statement) -> int | None:
        """The rows of a statement's sources."""

        def options_of(table: str) -> Mapping[str, str]:
            ((_, (created,)),) = self._session.run(f"SHOW CREATE TABLE {table}").rows()
            return options_in(str(created))

        with suppress(StatementError, ValueError):
            return total_rows(self._session.explain(statement.text), options_of)
        return None

    def close(self) -> None:
        """Nothing is left: the Flink ends with this process."""


class OnGateway:
    """A session of a SQL gateway.

    Args:
        gateway: The session.
        is_batch: Whether it runs statements in batch mode.
    """

    def __init__(self, gateway: Gateway, *, is_batch: bool) -> None:
        self._gateway, self.is_batch = gateway, is_batch
        properties = gateway.properties()
        self._rest = f"http://{properties.get('rest.address', 'localhost')}:{properties.get('rest.port', '8081')}"

    def run(self, statement: Statement, format_: Format) -> GatewayAnswer:
        """Run a statement; raises StatementError."""
        try:
            return self._gateway.run(statement.text)
        except Refused as error:
            raise StatementError(problem_of(str(error))) from None

    def counts(self, job: str) -> Counts | None:
        """What a job has counted, where the cluster can be reached from here."""
        return count(self._rest, job)

    def total(self, statement: Statement) -> int | None:
        """Not known: the gateway plans no statement without running it in this way."""
        return None

    def close(self) -> None:
        """Close the session."""
        with suppress(CommandError, Refused):
            self._gateway.close()


def embedded(endpoint: str | None, option: list[str] | None, configuration: list[str], mode: ModeName) -> Embedded:
    """Start a Flink in this process, with a REST interface on a free port; see ``open_session``."""
    given = pairs(configuration, "-D")
    port, more = given.get("rest.port", "8081"), {}
    if not any(key.startswith("rest.") or key == "execution.target" for key in given):
        try:
            port = str(ports.choose(_HOST, 1, set())[0])
        except TritonServerError as error:
            raise CommandError(sentence(str(error))) from None
        more = {
            "rest.address": _HOST,
            "rest.port": port,
            "rest.bind-port": port,
            "metrics.fetcher.update-interval": "500",
        }
    session = open_session(endpoint, option, configuration, mode, more)
    rest = f"http://{given.get('rest.address', _HOST)}:{port}"
    return Embedded(session, rest)


def on_gateway(
    url: str, endpoint: str | None, option: list[str] | None, configuration: list[str], mode: ModeName
) -> OnGateway:
    """Open a session of a SQL gateway; its Flink has to have the jar already where an endpoint is given."""
    properties = {"execution.runtime-mode": mode.value, **pairs(configuration, "-D")}
    try:
        place = OnGateway(Gateway(url, properties), is_batch=mode is ModeName.batch)
        if endpoint is not None:
            options = {"type": "triton", "endpoint": endpoint, **pairs(option, "--option")}
            with_ = ", ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in options.items())
            for words in (("CREATE", "CATALOG", "triton", f"WITH ({with_})"), ("USE", "CATALOG", "triton")):
                text = " ".join(words)
                place.run(Statement(text, 0, len(text), words), Format.table)
        return place
    except (Refused, StatementError) as error:
        raise CommandError(sentence(_first_line(str(error)))) from None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), text)
