"""The six front doors behind one seam: how rows go through a model, and their answers come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flink_session import collect_exactly, read_lines, session, view
from flink_versions import IS_FLINK_22
from pyflink.table import TableEnvironment
from streams import MODES, OPTIONS, Stream

import pyflink_triton

_CREATE = "CREATE MODEL m INPUT ({inputs}) OUTPUT ({outputs}) WITH ({options})"
_PREDICT = "SELECT n, {outputs} FROM ML_PREDICT(TABLE {table}, MODEL m, DESCRIPTOR({inputs}))"
_CALL = "SELECT n, m({inputs}) AS {outputs} FROM {table}"
_CALL_OF_SEVERAL = "SELECT n, {fields} FROM (SELECT n, m({inputs}) AS r FROM {table})"


@dataclass(frozen=True)
class Model:
    """A model as a user declares it.

    Attributes:
        served: Its name on the server.
        inputs: Its input columns, names to types.
        outputs: Its output columns, names to types.
        options: More options.
    """

    served: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    options: Mapping[str, str]


class Door:
    """One front door, in a session of its own.

    Args:
        name: What the door is.
        mode: ``streaming`` or ``batch``.
        url: The server's.
    """

    def __init__(self, name: str, mode: str, url: str) -> None:
        self.name = name
        self._url = url
        self.env: TableEnvironment = session(mode, with_jar=False)
        pyflink_triton.connect(self.env, url)

    @contextmanager
    def open(self, model: Model) -> Iterator[None]:
        """Make the model what the door takes, as ``m``."""
        options = {"endpoint": self._url, "model-name": model.served, **model.options}
        if self.name in ("ML_PREDICT", "m(x)"):
            inputs, outputs = (", ".join(map(" ".join, side.items())) for side in (model.inputs, model.outputs))
            clause = ", ".join(f"'{key}' = '{value}'" for key, value in {"provider": "triton", **options}.items())
            self.env.execute_sql(_CREATE.format(inputs=inputs, outputs=outputs, options=clause))
            drop = "DROP MODEL m"
        else:
            factory = pyflink_triton.TritonModelProviderFactory()
            made = factory.create_model_provider(options, model.inputs, model.outputs, name="m")
            made.register(self.env, "m", asynchronous=self.name == "async UDF")
            drop = "DROP TEMPORARY SYSTEM FUNCTION m"
        try:
            yield
        finally:
            self.env.execute_sql(drop)

    def query(self, model: Model, table: str) -> str:
        """The query that sends a table's rows through the model; they have a number, ``n``."""
        inputs, outputs = (", ".join(side) for side in (model.inputs, model.outputs))
        fields = ", ".join(f"r.{name} AS {name}" for name in model.outputs)
        text = _PREDICT if self.name == "ML_PREDICT" else _CALL if len(model.outputs) == 1 else _CALL_OF_SEVERAL
        return text.format(inputs=inputs, outputs=outputs, fields=fields, table=table)

    def predict(self, model: Model, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """Send rows; their outputs in the order of the rows."""
        answers = self.answers(model, rows)
        assert {n: len(each) for n, each in answers.items()} == dict.fromkeys(range(len(rows)), 1)
        return [answers[n][0] for n in range(len(rows))]

    def answers(self, model: Model, rows: Sequence[Sequence[Any]]) -> dict[int, list[dict[str, Any]]]:
        """Send rows; the outputs of each, of which there may be several or none, in the order in which they came."""
        types = {"n": "INT", **model.inputs}
        view(self.env, "rows_in", types, [(n, *row) for n, row in enumerate(rows)])
        try:
            with self.open(model):
                found: dict[int, list[dict[str, Any]]] = {}
                for row in collect_exactly(self.env, self.query(model, "rows_in")):
                    found.setdefault(int(row.pop("n")), []).append(row)
                return found
        finally:
            self.env.drop_temporary_view("rows_in")

    def predict_numbers(self, model: Model, count: int, directory: Path) -> list[tuple[int, int]]:
        """Send the numbers from 0 on, from files to files; each with its answer."""
        source = directory / "numbers.csv"
        source.write_text("".join(f"{x},{x}\n" for x in range(count)))
        for name, path in (("numbers", source), ("answers", directory / "answers")):
            columns = "n BIGINT, x BIGINT" if name == "numbers" else "n BIGINT, y BIGINT"
            self.env.execute_sql(
                f"CREATE TEMPORARY TABLE {name} ({columns}) "
                f"WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv')"
            )
        try:
            with self.open(model):
                self.env.execute_sql(f"INSERT INTO answers {self.query(model, 'numbers')}").wait()
        finally:
            for name in ("numbers", "answers"):
                self.env.execute_sql(f"DROP TEMPORARY TABLE {name}")
        lines = (line.split(",") for line in read_lines(directory / "answers"))
        return [(int(n), int(y)) for n, y in lines]


_DOORS = (
    ("ML_PREDICT", "streaming"),
    ("ML_PREDICT", "batch"),
    ("m(x)", "streaming"),
    ("m(x)", "batch"),
    ("vectorized UDF", "streaming"),
    ("async UDF", "streaming"),
)
#: What Flink 2.2 has not.
LACKING = (("ML_PREDICT", "batch"), ("async UDF", "streaming")) if IS_FLINK_22 else ()
DOORS = tuple(door for door in _DOORS if door not in LACKING)
#: Each door with each value of `responses` that it takes.
STREAM_DOORS = [(door, mode) for door in DOORS for mode in MODES if mode != "rows" or door[0] == "ML_PREDICT"]


def stream_model(mode: str, options: Mapping[str, str]) -> Model:
    """The model `script` with a value of `responses`; `why` is a row's message, and `k` the place of a response."""
    outputs = {"text": "ARRAY<STRING>" if mode == "array" else "STRING", "why": "STRING"}
    more = {**OPTIONS, **options, "responses": mode, "error-column": "why"}
    if mode == "rows":
        outputs["k"], more["response-index"] = "INT", "k"
    return Model("script", {"script": "STRING"}, outputs, more)


def assert_stream(case: Stream, mode: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """The output rows of a row of `stream_model` are what the case says: values, order, index and message."""
    expected, message = case.outcome(mode)
    values = [row["text"] for row in rows]
    assert (values if mode == "rows" else values[0]) == expected, case.what
    for row in rows:
        why = row["why"]
        assert (message in (why or "")) if message else (why is None), f"{case.what}: {why}"
    if mode == "rows":
        assert [row["k"] for row in rows] == ([None] if message else list(range(len(rows)))), case.what
