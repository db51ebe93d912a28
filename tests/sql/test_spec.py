"""Every statement of the specification runs, from a fresh session after the one line that attaches the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from certificates import serving as serving_tls
from flink_session import session, view
from gate import Gate, gate
from places import ROOT
from pyflink.common import Row
from pyflink.table import TableEnvironment
from spec_models import SPEC_MODELS
from spec_statements import BASIC, EXAMPLES, JAVA, SCORED, Example, Statement
from triton import Triton, serving

import pyflink_triton

pytestmark = pytest.mark.either_mode

TOKEN = "canary-5f1c"  # as tests/conftest.py sets it
HEADERS = {"Authorization": f"Bearer {TOKEN}", "X-API-Key": "your-api-key", "X-Client-ID": "flink-job-123"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    with serving(tmp_path_factory.mktemp("spec"), SPEC_MODELS) as triton:
        yield triton


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def plain(server: Triton) -> Iterator[Gate]:
    with gate(server.http_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def secure(server: Triton, authority: Authority) -> Iterator[Gate]:
    with gate(server.http_url, {}, serving_tls(authority.sign("secure"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def guarded(server: Triton, authority: Authority) -> Iterator[Gate]:
    with gate(server.http_url, HEADERS, serving_tls(authority.sign("guarded"))) as opened:
        yield opened


PAGE = ROOT / "docs" / "spec-statements.md"
INTRODUCTION = """# The statements of the specification

Every statement of the specification, in its order. `tests/sql/test_spec.py` runs them in streaming and in batch mode,
each from a fresh session after one line,

```python
pyflink_triton.connect(t_env, "http://triton-server:8000")
```

with the server's real address in place of the specification's; for the https endpoints the line is
`connect(t_env, tls_ca_file="...")`. Deviations that are no statement are in [deviations.md](deviations.md).
This page is written by `make pages`."""


class Spec:
    """A fresh session, attached, and the addresses that stand for the specification's."""

    def __init__(self, mode: str, addresses: dict[str, str], endpoint: str | None = None, **options: Any) -> None:
        self.addresses = addresses
        self.env: TableEnvironment = session(mode, with_jar=False)
        pyflink_triton.connect(self.env, endpoint, **options)

    def here(self, text: str) -> str:
        for spec, real in self.addresses.items():
            text = text.replace(spec, real)
        return text

    def run(self, sql: str) -> list[Any]:
        result = self.env.execute_sql(self.here(sql))
        if not re.match(r"\s*SELECT", sql):
            return []
        with result.collect() as rows:
            return [plain_value(row) for row in rows]


def plain_value(value: Any) -> Any:
    if isinstance(value, Row):
        return tuple(plain_value(each) for each in value)
    if isinstance(value, float):
        return round(value, 5)
    return value if isinstance(value, int | str | list | None) else str(value)


def run_example(spec: Spec, example: Example, documents: Path) -> list[list[Any]]:
    for name, table in example.tables.items():
        view(spec.env, name, table.types, table.rows)
    for sql in example.prelude:
        spec.run(sql.replace("{documents}", str(documents)))
    statements = [statement.sql for statement in example.statements] + ([example.use] if example.use else [])
    answers = [spec.run(sql) for sql in statements]
    return [sorted(rows, key=repr) for rows in answers if rows]


@pytest.mark.parametrize("mode", ["streaming", "batch"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_statements_of_the_specification_run(
    plain: Gate, secure: Gate, guarded: Gate, authority: Authority, tmp_path: Path, example: Example, mode: str
) -> None:
    documents = tmp_path / "documents.csv"
    documents.write_text("great,2026-01-01 00:00:00.1\nawful,2026-01-01 00:00:00.2\nso good,2026-01-01 00:00:01.5\n")
    addresses = {
        "https://secure-triton:8000": guarded.url,
        "https://triton-server:8000": secure.url,
        "http://triton-server:8000": plain.url,
    }
    is_https = "https:" in example.statements[0].spec
    spec = Spec(mode, addresses, tls_ca_file=authority.pem) if is_https else Spec(mode, addresses, plain.url)
    answers = run_example(spec, example, documents)
    assert answers == [sorted(rows, key=repr) for rows in example.answers]
    if example.header is not None:
        name, value = example.header
        assert value in {each.get(name) for each in (*plain.inferences(), *guarded.inferences())}


def test_the_java_tab_runs_as_pyflink(plain: Gate) -> None:
    spec = Spec("streaming", {"http://triton-server:8000": plain.url}, plain.url)
    view(spec.env, "product_reviews", BASIC.tables["product_reviews"].types, BASIC.tables["product_reviews"].rows)
    names: dict[str, Any] = {"t_env": spec.env}
    exec(spec.here(JAVA.runs), names)
    with names["result"].execute().collect() as rows:
        assert sorted(map(plain_value, rows)) == SCORED


def fenced(text: str, language: str = "sql") -> str:
    return f"```{language}\n{text.strip()}\n```"


def documentation() -> str:
    """The page that lists the statements."""
    parts = [INTRODUCTION]
    for example in EXAMPLES:
        parts.append(f"## {example.section}")
        for statement in example.statements:
            parts += _paragraphs(statement, "sql")
        if example is BASIC:
            parts += ["### The same as Table API", *_paragraphs(JAVA, "java", "python")]
        if example.use:
            parts += ["The specification shows no query for it; tested with:", fenced(example.use)]
        if example.prelude:
            parts += ["What the specification takes for granted there:", fenced(";\n".join(example.prelude))]
    return "\n\n".join(parts) + "\n"


def _paragraphs(statement: Statement, language: str, ours: str = "sql") -> list[str]:
    if not statement.runs:
        return ["Runs as it is:", fenced(statement.spec, language), *([statement.why] if statement.why else [])]
    return [
        "In the specification:",
        fenced(statement.spec, language),
        "What runs:",
        fenced(statement.runs, ours),
        f"Why: {statement.why}",
    ]


def test_the_page_of_statements_is_up_to_date() -> None:
    assert PAGE.read_text() == documentation(), "run `make pages`"


def test_there_are_twelve_models_and_eleven_queries() -> None:
    texts = [statement.spec for example in EXAMPLES for statement in example.statements] + [JAVA.spec]
    assert sum(text.count("CREATE MODEL") for text in texts) == 12
    assert sum(len(re.findall(r"\bSELECT\b", text)) for text in texts) == 11


if __name__ == "__main__":
    PAGE.write_text(documentation())
