"""A Flink session in this process that runs statements for the command, and says plainly what is wrong with one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyflink.table import TableEnvironment, TableResult

from pyflink_triton.table.compat.java_errors import trace_of
from pyflink_triton.table.connect import session
from pyflink_triton.table.data_types import sql_type
from pyflink_triton.table.sentences import Problem, problem_of

#: The catalog of a session without a server, which is not the current one.
_UNUSED = "pyflink_triton"
_BUILT_IN = "default_catalog"
_IN_MEMORY = ("generic_in_memory", "triton")
_SETTING = re.compile(
    r"(SET|RESET)\b\s*(?:(?P<key>'[^']*'|[\w.-]+)\s*(?:=\s*(?P<value>'(?:[^']|'')*'|\S+))?)?\s*$", re.I
)
#: Where Flink has read and understood a statement, and cannot explain it or refuses to plan it.
_READS = "delegation.ParserImpl.parse"


class StatementError(Exception):
    """Flink refuses a statement, or its job failed.

    Attributes:
        problem: What Flink says.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True)
class Answer:
    """What a statement gave.

    Attributes:
        columns: The names of the result's columns.
        types: Their types, as SQL writes them.
        is_query: Whether the rows are those of a query: they come while its job runs.
        job: The id of the job that it started, or None.
    """

    columns: Sequence[str]
    types: Sequence[str]
    is_query: bool
    job: str | None
    _result: TableResult

    def rows(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """The rows, each with the kind of its change: `+I`, `-U`, `+U`, `-D`; raises StatementError."""
        with _telling(), self._result.collect() as rows:
            for row in rows:
                yield str(row.get_row_kind()), tuple(row)

    def wait(self) -> None:
        """Wait for the job's end; raises StatementError."""
        with _telling():
            self._result.wait()

    def cancel(self) -> None:
        """End the job, if there is one."""
        client = self._result.get_job_client()
        if client is not None:
            client.cancel().result()


class EmbeddedSession:
    """A session of a Flink in this process.

    Args:
        endpoint: The Triton server whose models are functions; None for a session without a catalog of models.
        batch: Whether statements run in batch mode.
        configuration: Options of Flink.
        options: Options of the models of the server.
    """

    def __init__(
        self,
        endpoint: str | None,
        *,
        batch: bool,
        configuration: Mapping[str, str],
        options: Mapping[str, str],
    ) -> None:
        with _telling():
            if endpoint is None:
                self._env = session(None, batch=batch, configuration=configuration, catalog=_UNUSED)
                self._env.use_catalog(_BUILT_IN)
            else:
                self._env = session(endpoint, batch=batch, configuration=configuration, **dict(options))

    @property
    def environment(self) -> TableEnvironment:
        """The session itself."""
        return self._env

    def explain(self, statement: str) -> str:
        """Plan a statement, and run nothing.

        Returns:
            Flink's EXPLAIN of it.

        Raises:
            StatementError: It cannot be planned.
        """
        with _telling():
            return str(self._env.explain_sql(statement))

    def read(self, statement: str) -> None:
        """See whether Flink understands a statement that has no plan, and run nothing; raises StatementError."""
        try:
            self.explain(statement)
        except StatementError as error:
            if _READS in error.problem.trace:
                raise

    def run(self, statement: str) -> Answer:
        """Run a statement.

        Raises:
            StatementError: Flink refuses it.
        """
        setting = _SETTING.match(statement.strip())
        with _telling():
            if setting is not None:
                self._set(setting)
                statement = "SHOW CURRENT DATABASE"
            result = self._env.execute_sql(statement)
            schema = result.get_resolved_schema()
            client = result.get_job_client()
            names = [] if setting else schema.get_column_names()
            types = [] if setting else [str(column) for column in schema.get_column_data_types()]
            job = None if client is None else str(client.get_job_id())
            is_query = client is not None and not _is_write(statement)
            return Answer(names, types, is_query, job, result)

    def _set(self, setting: Any) -> None:
        key, value = (_unquoted(setting[name]) for name in ("key", "value"))
        config = self._env.get_config()
        if setting[1].upper() == "SET" and key and value is not None:
            config.set(key, value)
        elif setting[1].upper() == "RESET" and key:
            config.set(key, "")

    def is_in_memory(self, catalog: str | None) -> bool:
        """Whether what is made in a catalog ends with this session.

        Args:
            catalog: Its name; None for the current one.
        """
        name = self._env.get_current_catalog() if catalog is None else catalog
        try:
            with self._env.execute_sql(f"DESCRIBE CATALOG `{name.replace('`', '``')}`").collect() as rows:
                return any(row[0] == "type" and row[1] in _IN_MEMORY for row in rows)
        except Exception as error:
            if trace_of(error) is None:
                raise
            return name == _BUILT_IN  # it has no description

    def models(self) -> set[str]:
        """The names of all models in the current catalog."""
        with _telling(), self._env.execute_sql("SHOW MODELS").collect() as rows:
            return {str(row[0]) for row in rows}

    def columns_of(self, model: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The INPUT and the OUTPUT of a model, each column with its type; raises StatementError.

        Args:
            model: Its name, quoted where it has to be.
        """
        sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
        with _telling(), self._env.execute_sql(f"DESCRIBE MODEL {model}").collect() as rows:
            for name, type_, _, is_input in rows:
                sides[0 if is_input else 1].append((str(name), str(type_)))
        return sides

    def query_columns(self, query: str) -> list[tuple[str, str]]:
        """The columns of a query, each with its type; raises StatementError."""
        with _telling():
            schema = self._env.sql_query(query).get_resolved_schema()
            return list(zip(schema.get_column_names(), map(sql_type, schema.get_column_data_types()), strict=True))


def _is_write(statement: str) -> bool:
    return re.match(r"\s*(INSERT|CREATE|REPLACE|EXECUTE|UPDATE|DELETE|COMPILE)\b", statement, re.IGNORECASE) is not None


def _unquoted(text: str | None) -> str | None:
    return text[1:-1].replace("''", "'") if text is not None and text[:1] == "'" else text


@contextmanager
def _telling() -> Iterator[None]:
    """Raise what Java raised as a StatementError."""
    try:
        yield
    except Exception as error:
        trace = trace_of(error)
        if trace is None:
            raise
        raise StatementError(problem_of(trace)) from None


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect what the jar warns of meanwhile."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found += dict.fromkeys(str(each.message) for each in caught if each.filename == "pyflink_triton")
