"""Who takes turns: clients without Flink, this project's ways in, Flink's own, and what a user would write by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pyflink.table import TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.udf import udf

import pyflink_triton
from benchmarks import flink, flink_module
from benchmarks.by_hand import RowByRow
from benchmarks.flink import Query, Session
from benchmarks.measured import Run
from benchmarks.server import Served
from benchmarks.workloads import FLINK_MODULES, Workload
from pyflink_triton.table.session import FUNCTION_DEFAULTS, prepare_functions

ROOT = Path(__file__).parents[1]
#: Seconds for a client beyond those that its rate of rows needs.
_CLIENT_TIMEOUT = 300


@dataclass(frozen=True)
class Place:
    """Where a benchmark runs.

    Attributes:
        served: The server.
        directory: For files.
        search_seconds: How long each try of a search for raw's best takes.
        most_rows: How many rows a job of a search has at most.
    """

    served: Served
    directory: Path
    search_seconds: float
    most_rows: int


class Contender(Protocol):
    """Asks a workload's model in some way.

    Attributes:
        name: Its key in the results.
        title: What it is.
        note: What it chose, or what is special; after `prepare`.
        first_rows: How many rows a first, cold run has.
    """

    name: str
    title: str
    note: str
    first_rows: int

    def prepare(self) -> None:
        """Do what is needed once: search for the best settings, open a session."""

    def run(self, rows: int) -> Run:
        """Have about so many rows answered, and check the sums of the answers."""

    def start(self) -> Run | None:
        """Run with a few rows; None where the start is not in `run`'s time."""


def ask_client(action: str, **question: Any) -> Any:
    """Run a client in a process of its own.

    Args:
        action: Its action; see `benchmarks.clients`.
        question: Its arguments.

    Returns:
        What it answered.

    Raises:
        RuntimeError: It failed; the message is its last line.
    """
    seconds = _CLIENT_TIMEOUT + (question["rows"] / question["rate"] if action == "raw_latency" else 0.0)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.clients"],
        input=json.dumps({"action": action, **question}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise RuntimeError(lines[-1] if lines else f"the client {action} ended with {done.returncode}")
    return json.loads(done.stdout)


@dataclass
class Client:
    """A client without Flink."""

    name: str
    title: str
    workload: Workload
    place: Place
    how: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def first_rows(self) -> int:
        """As many as a Flink job."""
        return self.workload.first_rows

    def prepare(self) -> None:
        """Search for the best settings."""
        question = {"url": self.place.served.url, "workload": self.workload.name}
        if self.name == "raw":
            rows = self.workload.max_batch
            best = ask_client("raw_search", **question, rows=rows, seconds=self.place.search_seconds)
            self.how = {key: best[key] for key in ("client", "batch", "concurrency")}
            self.note = "{client}, batch {batch}, {concurrency} in flight".format(**best)
            self.note += f": the fastest of {best['tried']} ways"
        elif self.name == "limit":
            best = ask_client("limit_search", **question)
            self.how = {key: best[key] for key in ("connections", "rate")}
            self.note = f"wrk, batch {self.workload.max_batch}, {best['connections']} connections"

    def run(self, rows: int) -> Run:
        """Have about so many rows answered."""
        question = {"url": self.place.served.url, "workload": self.workload.name, "rows": rows}
        done = ask_client(self.name, **question, **self.how, server=self.place.served.pid)
        self.workload.check(done.get("summed_rows", done["rows"]), done["sums"])
        return Run(done["rows"], done["seconds"], done["cpu"])

    def start(self) -> Run | None:
        """A client is warm before it counts."""
        return None


@dataclass
class Job:
    """A Flink job.

    Attributes:
        open: Opens the session and returns the statement.
        few: How many rows a run for the start has.
        is_right: False where wrong answers are known; the note says why.
    """

    name: str
    title: str
    workload: Workload
    open: Callable[[], tuple[Session, Query]]
    note: str = ""
    few: int = 64
    is_right: bool = True

    @property
    def first_rows(self) -> int:
        """As the workload says."""
        return self.workload.first_rows

    def prepare(self) -> None:
        """Open the session."""
        self.session, self.query = self.open()

    def run(self, rows: int) -> Run:
        """Run the job."""
        return self.session.run(self.query, rows, self.is_right)

    def start(self) -> Run | None:
        """Run it with a few rows."""
        return self.run(min(self.few, self.workload.first_rows // 2))


@dataclass
class Tuned(Job):
    """The fastest of several settings."""

    ways: Sequence[Mapping[str, str]] = ()
    make: Callable[[Mapping[str, str]], tuple[Session, Query]] | None = None
    most_rows: int = 0

    def prepare(self) -> None:
        """Try each."""
        assert self.make is not None
        tried = []
        for way in self.ways:
            session, query = self.make(way)
            session.run(query, min(self.workload.first_rows, self.most_rows))
            rows = min(10 * self.workload.first_rows, self.most_rows)
            tried.append((session.run(query, rows).rate, dict(way), session, query))
        _, best, self.session, self.query = max(tried, key=lambda each: each[0])
        self.note = "; ".join(f"{key} = {value}" for key, value in best.items()) + f": the best of {len(tried)} ways"


_CAPACITY = flink.CAPACITY
_UNORDERED = {"table.exec.async-ml-predict.output-mode": "ALLOW_UNORDERED", "pipeline.object-reuse": "true"}
TUNED = (
    {_CAPACITY: "1000"},
    {_CAPACITY: "2000"},
    {_CAPACITY: "5000"},
    {_CAPACITY: "2000", **_UNORDERED},
    {_CAPACITY: "5000", **_UNORDERED},
)


class Makers:
    """Makes the contenders of a workload.

    Args:
        place: Where they run.
        workload: What they ask.
    """

    def __init__(self, place: Place, workload: Workload) -> None:
        self._place, self._workload = place, workload

    def make(self, name: str) -> Contender:
        """Make one by its name."""
        maker: Callable[[], Contender] = getattr(self, f"_{name}")
        return maker()

    def session(self, workload: Workload | None = None, **settings: Any) -> Session:
        """Open a session without a model."""
        return Session(workload or self._workload, self._place.directory, self._place.served.pid, **settings)

    def connected(self, **settings: Any) -> Session:
        """Open a session with the model, attached as a user does."""
        session = self.session(**settings)
        session.connect(self._place.served.url)
        return session

    def ml_predict(self, **settings: Any) -> tuple[Session, Query]:
        """Open a session with the model, and the statement with ML_PREDICT."""
        return self.connected(**settings), flink.ml_predict(self._workload)

    def model_function(self, **settings: Any) -> tuple[Session, Query]:
        """Open a session with the model, and the statement with m(x)."""
        return self.connected(**settings), flink.call(self._workload)

    def _job(self, name: str, title: str, open_: Callable[[], tuple[Session, Query]], **more: Any) -> Job:
        return Job(name, title, self._workload, open_, **more)

    def _raw(self) -> Client:
        return Client("raw", "raw tritonclient", self._workload, self._place)

    def _limit(self) -> Client:
        return Client("limit", "the server's limit (wrk)", self._workload, self._place)

    def _core(self) -> Client:
        return Client("core", "the core alone", self._workload, self._place, note="256 rows a batch, 6 at once")

    def _ml_predict(self) -> Job:
        return self._job("ml_predict", "ML_PREDICT, nothing set", self.ml_predict)

    def _ml_predict_tuned(self) -> Tuned:
        def make(way: Mapping[str, str]) -> tuple[Session, Query]:
            return self.ml_predict(config=way)

        title = "ML_PREDICT, everything tuned"
        most = self._place.most_rows
        return Tuned("ml_predict_tuned", title, self._workload, self.ml_predict, ways=TUNED, make=make, most_rows=most)

    def _mx_streaming(self) -> Job:
        return self._job("mx_streaming", "m(x) in streaming", self.model_function)

    def _mx_batch(self) -> Job:
        return self._job("mx_batch", "m(x) in batch", lambda: self.model_function(mode="batch"))

    def _pandas(self) -> Job:
        return self._job(
            "pandas", "vectorized Python function", lambda: self._function(self._provider().scalar_function())
        )

    def _async(self) -> Job:
        function = "async Python function"
        return self._job("async", function, lambda: self._function(self._provider().async_scalar_function()))

    def _pandas_nothing(self) -> Job:
        def open_() -> tuple[Session, Query]:
            types = {"input_types": ["FLOAT", "FLOAT"], "result_type": "FLOAT"}
            return self._function(udf(lambda a, b: a + b, func_type="pandas", **types))

        return self._job("pandas_nothing", "PyFlink's vectorized function, a + b", open_)

    def _async_nothing(self) -> Job:
        async def add(a: float, b: float) -> float:
            return a + b

        def open_() -> tuple[Session, Query]:
            return self._function(udf(add, input_types=["FLOAT", "FLOAT"], result_type="FLOAT"))

        note = "its answers are not checked, because it mixes rows up (FLINK-39532)"
        return self._job("async_nothing", "PyFlink's async function, a + b", open_, note=note, is_right=False)

    def _by_hand(self) -> Job:
        def open_() -> tuple[Session, Query]:
            function = RowByRow(self._place.served.url, self._workload.model)
            return self._function(udf(function, input_types=["FLOAT", "FLOAT"], result_type="FLOAT"))

        return self._job("by_hand", "a function by hand: tritonclient, row by row", open_)

    def _ml_predict_nothing(self) -> Job:
        def open_() -> tuple[Session, Query]:
            session = self.session(config={_CAPACITY: "2000"})
            session.create_model({"provider": "bench-nothing"})
            return session, flink.ml_predict(self._workload)

        return self._job("ml_predict_nothing", "Flink's ML_PREDICT, a + b in Java", open_, note="capacity 2000")

    def _mx_nothing(self) -> Job:
        def open_() -> tuple[Session, Query]:
            session = self.session(config=FUNCTION_DEFAULTS)
            session.env.execute_sql("CREATE TEMPORARY FUNCTION nothing AS 'bench.Nothing'")
            return session, flink.call(self._workload, "nothing")

        return self._job("mx_nothing", "Flink's async function, a + b in Java", open_)

    def _flink_module(self) -> Job:
        workload = FLINK_MODULES.get(self._workload.name, self._workload)
        title = "Flink's own Java module"
        jar, note = flink_module.repaired_jar(self._place.directory)
        if workload is not self._workload:
            note += f"; {workload.title}"

        def open_() -> tuple[Session, Query]:
            session = self.session(workload)
            session.add_jar(jar)
            options = {"provider": "triton", "endpoint": self._place.served.url, "model-name": workload.model}
            session.create_model({**options, "model-version": "1"})
            return session, flink.ml_predict(workload)

        return Job("flink_module", title, workload, open_, note=note, few=2)

    def _provider(self) -> Any:
        options = {"endpoint": self._place.served.url, "model-name": self._workload.model}
        return pyflink_triton.TritonModelProviderFactory().create_model_provider(options)

    def _function(self, function: Any) -> tuple[Session, Query]:
        """Open a session with the settings that PyFlink's functions of models get, and the statement."""
        session = self.session(config={"python.executable": sys.executable})
        prepare_functions(session.env)
        columns = [col(each.name) for each in self._workload.columns]
        output = self._workload.outputs[0].name

        def query(env: TableEnvironment, more: str) -> Any:
            return env.from_path("numbers").select(function(*columns).alias(output), *([col("sent")] if more else []))

        return session, query


#: Who asks what.
BESIDE_RAW = ("raw", "ml_predict", "mx_streaming")
#: Nobody's target: what Flink and the server can do, and what a user would do without this project.
REFERENCES = ("limit", "ml_predict_nothing", "mx_nothing", "pandas_nothing", "async_nothing", "by_hand")
LINE_UP: Mapping[str, Sequence[str]] = {
    "add": (
        *("raw", "limit", "core", "ml_predict", "ml_predict_tuned", "mx_streaming", "mx_batch", "pandas", "async"),
        *("flink_module", "by_hand", "ml_predict_nothing", "mx_nothing", "pandas_nothing", "async_nothing"),
    ),
    "wide": (*BESIDE_RAW, "limit", "core", "flink_module"),
    "text20": (*BESIDE_RAW, "limit", "core", "flink_module"),
    "image_bytes": (*BESIDE_RAW, "limit", "core"),
    "image": (*BESIDE_RAW, "flink_module"),
    "text5k": (*BESIDE_RAW, "flink_module"),
    "slow": (*BESIDE_RAW, "flink_module"),
    "embed": (*BESIDE_RAW, "limit", "flink_module"),
}
