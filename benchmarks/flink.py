"""Flink sessions and the jobs in them: rows from a file, a statement, and a sink that adds up and keeps time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyflink.table import EnvironmentSettings, TableEnvironment

import pyflink_triton
from benchmarks import cpu, jvm
from benchmarks.measured import Run
from benchmarks.workloads import Output, Workload

CAPACITY = "table.exec.async-ml-predict.max-concurrent-operations"
MODEL = "asked"
#: Makes the rows' table the answers' table; the first argument is the session.
Query = Callable[[TableEnvironment, str], Any]


@dataclass
class Session:
    """A session in which a workload's model is asked.

    Attributes:
        workload: What is asked.
        directory: Where the rows' files are.
        server: tritonserver's process, if it is known.
        mode: ``streaming`` or ``batch``.
        parallelism: Subtasks of each operator.
        config: More of Flink's configuration.
    """

    workload: Workload
    directory: Path
    server: int | None = None
    mode: str = "streaming"
    parallelism: int = 1
    config: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        jvm.unwrap_class_loader()
        settings = EnvironmentSettings.new_instance()
        settings = settings.in_batch_mode() if self.mode == "batch" else settings.in_streaming_mode()
        self.env = TableEnvironment.create(settings.build())
        config = self.env.get_config()
        config.set("parallelism.default", str(self.parallelism))
        config.set("taskmanager.numberOfTaskSlots", str(self.parallelism))
        for key, value in self.config.items():
            config.set(key, value)

    def connect(self, url: str, options: Mapping[str, str] | None = None) -> None:
        """Attach the server as a user does, and create the workload's model, with more options."""
        pyflink_triton.connect(self.env, url)
        model = {"provider": "triton", "endpoint": url, "model-name": self.workload.model}
        self.create_model({**model, **(options or {})})

    def create_model(self, options: Mapping[str, str]) -> None:
        """Create the workload's model."""
        inputs = ", ".join(f"`{each.name}` {each.sql}" for each in self.workload.columns)
        outputs = ", ".join(f"`{each.name}` {each.sql}" for each in self.workload.outputs)
        written = ", ".join(f"'{key}' = '{value}'" for key, value in options.items())
        self.env.execute_sql(f"CREATE MODEL {MODEL} INPUT ({inputs}) OUTPUT ({outputs}) WITH ({written})")

    def add_jar(self, jar: Path | str) -> None:
        """Add a jar to the session."""
        self.env.execute_sql(f"ADD JAR '{jar}'")

    def tables(self, rows: int, rate: float = 0, timed: bool = False) -> None:
        """Make the tables of a job.

        Args:
            rows: How many rows the table ``numbers`` has.
            rate: How many leave its source a second; 0 for all at once.
            timed: Whether both tables have the column ``sent``.
        """
        path = self.directory / f"{self.workload.name}-{self.workload.columns[0].sql}.rows"
        if not path.exists():
            self.workload.write_rows(path)
        sent = ["sent BIGINT"] if timed else []
        inputs = ", ".join([f"`{each.name}` {each.sql}" for each in self.workload.columns] + sent)
        outputs = ", ".join([f"`{each.name}` {each.sql}" for each in self.workload.outputs] + sent)
        for table in ("numbers", "answers"):
            self.env.execute_sql(f"DROP TEMPORARY TABLE IF EXISTS {table}")
        self.env.execute_sql(
            f"CREATE TEMPORARY TABLE numbers ({inputs}) WITH "
            f"('connector' = 'bench-rows', 'path' = '{path}', 'rows' = '{rows}', 'rate' = '{rate}')"
        )
        self.env.execute_sql(f"CREATE TEMPORARY TABLE answers ({outputs}) WITH ('connector' = 'bench-answers')")

    def start(self, query: Query, timed: bool = False) -> Any:
        """Start a job over the tables; returns its result, to wait for."""
        jvm.tally().reset()
        return query(self.env, ", sent" if timed else "").execute_insert("answers")

    def run(self, query: Query, rows: int, is_right: bool = True) -> Run:
        """Run a job and check its answers.

        Args:
            query: The statement.
            rows: How many rows.
            is_right: False where wrong answers are known.

        Returns:
            Its time from the first row at the source to the end of the input at the sink, and its CPU in that time.
        """
        self.tables(rows)
        self.start(query).wait()
        done = self._report(rows, is_right)
        before, after = cpu.parse(done["before"]), cpu.parse(done["after"])
        spent = cpu.by_role(before, after, self.server, jvm.pid(), os.getpid())
        return Run(rows, done["seconds"], spent)

    def latencies(self, query: Query, rows: int, rate: float) -> Sequence[int]:
        """Nanoseconds from source to sink of each row, offered at a rate."""
        self.tables(rows, rate, timed=True)
        self.start(query, timed=True).wait()
        nanos: Sequence[int] = self._report(rows)["nanos"]
        return nanos

    def _report(self, rows: int, is_right: bool = True) -> dict[str, Any]:
        done = jvm.report()
        if done["rows"] != rows:
            raise RuntimeError(f"{rows} rows went in, and {done['rows']} came out")
        if is_right:
            self.workload.check(rows, done["sums"][: len(self.workload.outputs)])
        return done


def ml_predict(workload: Workload) -> Query:
    """The statement with ML_PREDICT."""
    inputs = ", ".join(f"`{each.name}`" for each in workload.columns)
    return sql(_names(workload.outputs), f"ML_PREDICT(TABLE numbers, MODEL {MODEL}, DESCRIPTOR({inputs}))")


def call(workload: Workload, function: str = MODEL) -> Query:
    """The statement with a function of the columns."""
    inputs = ", ".join(f"`{each.name}`" for each in workload.columns)
    if len(workload.outputs) == 1:
        return sql(f"{function}({inputs}) AS `{workload.outputs[0].name}`", "numbers")
    fields = ", ".join(f"r.`{each.name}`" for each in workload.outputs)

    def query(env: TableEnvironment, more: str) -> Any:
        return env.sql_query(f"SELECT {fields}{more} FROM (SELECT {function}({inputs}) AS r{more} FROM numbers)")

    return query


def sql(columns: str, table: str) -> Query:
    """A statement over one table."""

    def query(env: TableEnvironment, more: str) -> Any:
        return env.sql_query(f"SELECT {columns}{more} FROM {table}")

    return query


def _names(outputs: Sequence[Output]) -> str:
    return ", ".join(f"`{each.name}`" for each in outputs)
