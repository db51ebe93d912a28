"""A Flink session in this process that runs statements for the command, and says plainly what is wrong with one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pyflink.table import ResultKind, TableEnvironment, TableResult
from pyflink.table.expressions import col

from pyflink_triton.table.compat.java_errors import trace_of
from pyflink_triton.table.connect import session
from pyflink_triton.table.data_types import column_types
from pyflink_triton.table.json_values import json_of, reader, text_of
from pyflink_triton.table.operations import Operation, parse
from pyflink_triton.table.sentences import Problem, problem_of
from pyflink_triton.table.texts import CHANGES

#: The catalog of a session without a server, which is not the current one.
_UNUSED = "pyflink_triton"
_BUILT_IN = "default_catalog"
_IN_MEMORY = ("generic_in_memory", "triton")
_SPACE = r"(?:\s|/\*(?:[^*]|\*(?!/))*\*/|--[^\n]*\n)*"
_SETTING = re.compile(
    rf"(SET|RESET)\b{_SPACE}(?:(?P<key>'[^']*'|[\w.-]+){_SPACE}(?:={_SPACE}(?P<value>'(?:[^']|'')*'|\S+))?)?\s*$",
    re.IGNORECASE,
)
_MODE = "execution.runtime-mode"
#: What later statements need.
_MAKES = re.compile(r"\s*(?:CREATE|DROP|ALTER|USE|ADD|REMOVE|LOAD|UNLOAD)\b", re.IGNORECASE)


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
        columns: The names of the result's columns; none of an OK, as a CREATE has.
        types: Their types, as SQL writes them; those of a query, whose values are texts.
        job: The id of the job that it started, or None.
        is_query: Whether rows come while the job runs.
    """

    columns: Sequence[str]
    types: Sequence[str]
    job: str | None
    is_query: bool
    _result: TableResult
    _readers: Sequence[Callable[[Any], Any]] = ()

    def rows(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """The rows, each with the kind of its change, as `+I`; raises StatementError."""
        with _telling(), self._result.collect() as rows:
            for row in rows:
                values = tuple(row)
                if self._readers:
                    values = tuple(read(value) for read, value in zip(self._readers, values, strict=True))
                yield CHANGES.get(row.get_row_kind().name, "+I"), values

    def is_done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self._job_result is None or bool(self._job_result.done())

    def wait(self) -> None:
        """Wait for the job's end; raises StatementError where it failed."""
        if self._job_result is not None:
            with _telling():
                self._job_result.result()

    @cached_property
    def _job_result(self) -> Any:
        client = self._result.get_job_client()
        return None if client is None else client.get_job_execution_result()

    def cancel(self) -> None:
        """End the job, if there is one that runs."""
        client = self._result.get_job_client()
        if client is not None and not self.is_done():
            with suppress(StatementError), _telling():
                client.cancel().result()


class EmbeddedSession:
    """A session of a Flink in this process.

    Args:
        endpoint: The Triton server whose models are functions; None for a session without a catalog of models.
        batch: Whether statements run in batch mode.
        configuration: Options of Flink.
        options: Options of the models of the server.

    Attributes:
        is_batch: Whether statements run in batch mode.
    """

    def __init__(
        self,
        endpoint: str | None,
        *,
        batch: bool,
        configuration: Mapping[str, str],
        options: Mapping[str, str],
    ) -> None:
        self._endpoint, self._configuration, self._options = endpoint, configuration, options
        self._made: list[str | Operation] = []
        self.is_batch = batch
        with _telling():
            self._env = self._session()

    def _session(self) -> TableEnvironment:
        batch, configuration = self.is_batch, self._configuration
        if self._endpoint is not None:
            return session(self._endpoint, batch=batch, configuration=configuration, **dict(self._options))
        env = session(None, batch=batch, configuration=configuration, catalog=_UNUSED)
        env.use_catalog(_BUILT_IN)
        return env

    def explain(self, statement: str) -> str:
        """Plan a statement, and run nothing.

        Returns:
            Flink's EXPLAIN of it.

        Raises:
            StatementError: It cannot be planned.
        """
        with _telling():
            return str(self._env.explain_sql(statement))

    def parse(self, statement: str) -> Operation:
        """Let Flink read a statement, and run nothing; raises StatementError."""
        with _telling():
            return parse(self._env, statement)

    def apply(self, operation: Operation) -> None:
        """Run what makes, drops or alters something; raises StatementError."""
        with _telling():
            operation.run(self._env)
        self._made.append(operation)

    def has(self, operation: Operation) -> bool:
        """Whether there is a table, view or model of the name that an operation has; raises StatementError."""
        with _telling():
            return operation.is_there(self._env)

    def run(self, statement: str) -> Answer:
        """Run a statement.

        Raises:
            StatementError: Flink refuses it.
        """
        setting = _SETTING.match(statement.strip())
        with _telling():
            if setting is not None:
                self._set(setting)
                return replace(_answer(self._env.execute_sql("SHOW CURRENT DATABASE"), is_query=False), columns=[])
            answer = _answer(self._env.execute_sql(statement), is_query=False)
        if answer.job is None and _MAKES.match(statement):
            self._made.append(statement)
        return answer

    def is_query(self, statement: str) -> bool:
        """Whether a statement is a query, however it begins, as `TABLE t` and `EXECUTE SELECT` do; nothing is run."""
        with suppress(StatementError), _telling():
            self._env.sql_query(statement)
            return True
        return False

    def query(self, statement: str, *, as_json: bool = False) -> Answer:
        """Run a query, whose values come as the texts that Flink's CAST makes: PyFlink cannot read every value.

        Args:
            statement: The query.
            as_json: Whether values come as JSON has them: numbers, truth values, lists, dicts, and all else as text.

        Raises:
            StatementError: Flink refuses it.
        """
        with _telling():
            table = self._env.sql_query(statement)
            names = table.get_resolved_schema().get_column_names()
            types = column_types(table)
            texts = [
                (json_of(col(name), type_) if as_json else text_of(col(name), sql)).alias(name)
                for name, (sql, type_) in zip(names, types, strict=True)
            ]
            answer = _answer(table.select(*texts).execute(), is_query=True)
            readers = [reader(type_) for _, type_ in types] if as_json else ()
            return replace(answer, columns=names, types=[sql for sql, _ in types], _readers=readers)

    def _set(self, setting: Any) -> None:
        key, value = (_unquoted(setting[name]) for name in ("key", "value"))
        if key == _MODE and (value or "").lower() in ("batch", "streaming"):
            self._switch(is_batch=str(value).lower() == "batch")
            return
        config = self._env.get_config()
        if setting[1].upper() == "SET" and key and value is not None:
            config.set(key, value)
        elif setting[1].upper() == "RESET" and key:
            config.set(key, "")
        self._made.append(setting[0])

    def _switch(self, *, is_batch: bool) -> None:
        """Go on in the other mode, which needs a session of its own: what was made in this one is made there again."""
        if is_batch == self.is_batch:
            return
        self.is_batch, made = is_batch, self._made
        self._env, self._made = self._session(), []
        for each in made:
            with suppress(StatementError):  # what a catalog keeps is there already
                if isinstance(each, Operation):
                    self.apply(each)
                else:
                    self.run(each)

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


def _answer(result: TableResult, *, is_query: bool) -> Answer:
    client = result.get_job_client()
    job = None if client is None else str(client.get_job_id())
    has_rows = result.get_result_kind() == ResultKind.SUCCESS_WITH_CONTENT
    return Answer(result.get_resolved_schema().get_column_names() if has_rows else [], [], job, is_query, result)


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
