"""What a page of the docs takes for granted: a server with the models that pages name, and the tables they read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy
from flink_session import session, view
from model_repository import MODELS, Model, Tensor, write_repository
from places import ROOT
from pyflink.datastream import DataStream
from pyflink.table import Table, TableEnvironment
from pyflink.table.expressions import col
from snippets import Snippet
from spec_models import SPEC_MODELS
from triton import ARGUMENTS

import pyflink_triton
from pyflink_triton.server import TritonServer
from pyflink_triton.server.examples import EXAMPLES

_OF_TESTS = ("chatbot_rnn", "bert_classifier", "pairing")
_ALL_VERSIONS = "version_policy { all {} }"
_MODELS = (
    *(model for model in (*SPEC_MODELS, *MODELS) if model.name in _OF_TESTS),
    Model(
        "fraud",
        [Tensor("amount", "FP32"), Tensor("account", "INT64"), Tensor("note", "BYTES")],
        [Tensor("score", "FP32"), Tensor("label", "BYTES")],
        "multi",
    ),
    Model("doubled", [Tensor("input_vector", "FP32")], [Tensor("output_vector", "FP32")], "double"),
    Model("risk", [Tensor("payments", "INT64")], [Tensor("risk", "FP32")], "answers"),
    Model(
        "resnet",
        [Tensor("image", "FP32", (3, 224, 224))],
        [Tensor("label", "BYTES"), Tensor("score", "FP32")],
        "answers",
    ),
    Model(
        "tagger",
        [Tensor("input_ids", "INT64", (-1,)), Tensor("attention_mask", "INT64", (-1,))],
        [Tensor("score", "INT64"), Tensor("width", "INT64"), Tensor("token_scores", "INT64", (-1,))],
        "masked",
    ),
    *(
        Model(
            name, [Tensor("amount", "FP32")], [Tensor("risk", "FP32")], "identity", versions=(1, 2), extra=_ALL_VERSIONS
        )
        for name in ("score-acme", "score-globex")
    ),
    Model("minilm", [Tensor("text", "BYTES")], [Tensor("embedding", "FP32", (384,))], "answers"),
)
_IMAGE = numpy.zeros((3, 224, 224), "<f4")
#: The tables that pages read.
_TABLES: Mapping[str, tuple[dict[str, str], list[tuple[Any, ...]]]] = {
    "payments": (
        {"id": "INT", "amount": "FLOAT", "account": "BIGINT", "note": "STRING"},
        [(1, 250.0, 7, "rent"), (2, 3.5, 9, "coffee"), (3, 120.0, 7, "shoes")],
    ),
    "amounts": ({"id": "INT", "amount": "FLOAT"}, [(1, 2.5), (2, None)]),
    "tenant_payments": (
        {"id": "INT", "tenant": "STRING", "amount": "FLOAT"},
        [(1, "acme", 2.5), (2, "globex", 4.0), (3, "initech", 1.0)],
    ),
    "images": ({"name": "STRING", "image": "BYTES"}, [("blank", bytearray(_IMAGE.tobytes()))]),
    "tokenized": (
        {"id": "INT", "input_ids": "ARRAY<BIGINT>"},
        [(1, [101, 7, 102]), (2, [101, 3, 4, 5, 102]), (3, [101, 9, 102])],
    ),
    "letters": ({"id": "INT", "letter": "STRING"}, [(1, "the courier is late"), (2, "a refund please")]),
    "paid": ({"account": "BIGINT", "amount": "FLOAT"}, [(7, 250.0), (9, 3.5), (7, 120.0)]),
    "said": ({"user_id": "BIGINT", "message": "STRING"}, [(1, "hello"), (2, "hi"), (1, "are you there")]),
}
#: What one page takes for granted besides.
_OF_PAGE = {
    "docs/sequences.md": "CREATE TEMPORARY VIEW messages AS SELECT user_id, message, PROCTIME() AS arrival FROM said",
    "docs/updates.md": "CREATE TEMPORARY TABLE scores (account BIGINT, risk FLOAT, PRIMARY KEY (account) NOT ENFORCED) "
    "WITH ('connector' = 'blackhole')",
}
#: Where the files of pages are; a block of a shell that names it is run.
FILES = "/tmp/predict/"
#: A statement, the semicolon that ends it, and what stands in neither.
_TOKENS = re.compile(r"'(?:[^']|'')*'|`[^`]*`|--[^\n]*|;|[^';`-]+|-")
_QUERIES = re.compile(r"\s*(SELECT|WITH|SHOW|DESCRIBE|EXPLAIN)\b")


@contextmanager
def serving_docs(directory: Path) -> Iterator[str]:
    """Serve the models that pages name; gives the server's URL."""
    repository = write_repository(directory / "models", _MODELS)
    shutil.copytree(ROOT / "examples" / "models" / "sentiment", repository / "sentiment")
    requirements = EXAMPLES["sentiment"].requirements
    with TritonServer(repository, arguments=ARGUMENTS, requirements=requirements) as server:
        yield server.http_url


def statements(text: str) -> list[str]:
    """The statements of a block, without comments."""
    found = [""]
    for token in _TOKENS.findall(text):
        if token == ";":
            found.append("")
        elif not token.startswith("--"):
            found[-1] += token
    return [statement.strip() for statement in found if statement.strip()]


def _rows_of(printed: str) -> list[list[str]]:
    """The rows of a table that Flink prints, without its first column, the kind of change."""
    _, *lines = [line for line in printed.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines]


def _shown(value: object) -> str:
    """A value as Flink prints it."""
    return value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else str(value)


class DocsSession:
    """A page's blocks run here, one after the other.

    Args:
        page: The page.
        url: Of the server with the models.
        directory: Where a page's files are.
        few: A model repository, for a page that serves one.
    """

    def __init__(self, page: str, url: str, directory: Path, few: Path) -> None:
        self._here = {
            "http://triton:8000": url,
            "http://localhost:8000": url,
            "http://localhost:8080": url,
            "/path/that/pyflink-triton/jar/prints.jar": str(pyflink_triton.jar_path()),
            "/opt/predict/bin/python": sys.executable,
            "file:///shared/": f"{directory.as_uri()}/",
            FILES: f"{directory}/predict/",
            '"models/"': repr(str(few)),
        }
        self._page = page
        self._runs = {"python": self._run_python, "sql": self._run_sql, "sh": self._run_shell}
        self._prepared: list[tuple[TableEnvironment, str]] = []
        self._names: dict[str, Any] = {"pyflink_triton": pyflink_triton, "col": col, "numpy": numpy}
        self._names.update(pixels=_IMAGE, row={"embedding": bytes(1536)})
        read = f"{(ROOT / page).read_text()} {_OF_PAGE.get(page, '')}"
        self._tables = {name: table for name, table in _TABLES.items() if re.search(rf"\b{name}\b", read)}
        self._names["t_env"] = session(with_jar=False)
        pyflink_triton.connect(self._env, url)
        self._prepare()

    @property
    def _env(self) -> TableEnvironment:
        env: TableEnvironment = self._names["t_env"]
        return env

    def start(self, *, with_jar: bool) -> None:
        """Begin a session to which no server is attached."""
        self._names["t_env"] = session(with_jar=with_jar)
        self._prepare()

    def run(self, snippet: Snippet) -> None:
        """Run a block; each of its queries has to give rows."""
        if snippet.is_fresh:
            self.start(with_jar="ADD JAR" not in snippet.text)
        runs: Callable[[str, Snippet], None] = self._runs[snippet.language]
        text = snippet.text
        for written, real in self._here.items():
            text = text.replace(written, real)
        runs(text, snippet)
        self._prepare()

    def _prepare(self) -> None:
        """Make the tables that the page reads in the current catalog, where they are not there yet."""
        place = self._env, self._env.get_current_catalog()
        if place in self._prepared:
            return
        self._prepared.append(place)
        for name, (types, rows) in self._tables.items():
            view(self._env, name, types, rows)
        if self._page in _OF_PAGE:
            self._env.execute_sql(_OF_PAGE[self._page])
        if "payments" in self._tables:
            self._names["payments"] = self._env.from_path("payments")

    def _run_python(self, text: str, snippet: Snippet) -> None:
        before = dict(self._names)
        with redirect_stdout(StringIO()) as printed:
            exec(compile(text, str(snippet), "exec"), self._names)  # a block of the project's own pages
        for expected in re.findall(r"^ *print\(.*\)  # (.*)$", text, re.MULTILINE):
            assert expected in printed.getvalue().splitlines(), f"{snippet}: {printed.getvalue()}"
        made = {name: value for name, value in self._names.items() if value is not before.get(name)}
        streams = [value for value in made.values() if isinstance(value, DataStream)]
        if streams:  # the last one is made of all that stands before it
            with streams[-1].execute_and_collect() as rows:
                assert list(rows), f"{snippet}: its stream has no rows"
            return
        for name, value in made.items():
            if isinstance(value, Table):
                with value.execute().collect() as rows:
                    assert list(rows), f"{snippet}: '{name}' has no rows"

    def _run_shell(self, text: str, snippet: Snippet) -> None:
        done = subprocess.run(["sh", "-e", "-c", text], capture_output=True, text=True, check=True)
        assert done.stdout == snippet.prints, f"{snippet}: {done.stdout}"

    def _run_sql(self, text: str, snippet: Snippet) -> None:
        for statement in statements(text):
            setting = re.fullmatch(r"SET '([^']*)' = '([^']*)'", statement)
            if setting:
                self._env.get_config().set(*setting.groups())
                continue
            result = self._env.execute_sql(statement)
            if _QUERIES.match(statement):
                with result.collect() as rows:
                    answers = list(rows)
                assert answers, f"{snippet}: no rows\n{statement}"
                if snippet.prints:
                    shown = [[_shown(value) for value in answer] for answer in answers]
                    assert shown == _rows_of(snippet.prints), f"{snippet}: {shown}"
            elif statement.startswith("INSERT"):
                result.wait()
