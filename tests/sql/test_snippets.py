"""Each block of Python and SQL in the docs runs, in the order of its page, with a real Triton and real Flink jobs.

So does a block of a shell that is about a page's files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from docs_session import FILES, DocsSession, serving_docs, statements
from model_repository import MODELS, write_repository
from places import ROOT
from snippets import Snippet, snippets

#: Pages whose blocks a test of their own runs.
RUN_ELSEWHERE = {
    "README.md": "tests/project/test_readme.py",
    "docs/api.md": "tests/project/test_public_api.py",
    "docs/kafka.md": "tests/cluster/test_example_jobs.py",
    "docs/language-models.md": "tests/sql/test_language_models.py",
    "docs/own-model.md": "tests/server/test_own_model.py",
    "docs/spec-statements.md": "tests/sql/test_spec.py",
}
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")))
ALL = {
    page: [each for each in snippets(page, "python", "sql", "sh") if each.language != "sh" or FILES in each.text]
    for page in PAGES
}
HERE = [page for page, found in ALL.items() if found and page not in RUN_ELSEWHERE]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_docs(tmp_path_factory.mktemp("docs")) as served:
        yield served


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (model,) = (model for model in MODELS if model.name == "add")
    return write_repository(tmp_path_factory.mktemp("few") / "models", [model])


@pytest.mark.parametrize("page", HERE)
def test_the_blocks_of_a_page_run(page: str, url: str, few: Path, tmp_path: Path) -> None:
    page_session = DocsSession(page, url, tmp_path, few)
    for snippet in ALL[page]:
        if not snippet.not_run:
            try:
                page_session.run(snippet)
            except Exception as error:
                raise AssertionError(f"{snippet} does not run:\n{snippet.text}") from error


def test_what_is_not_run_is_little_and_says_why() -> None:
    blocks = [snippet for found in ALL.values() for snippet in found]
    left_out = [snippet for snippet in blocks if snippet.not_run]
    assert {snippet.page for snippet in left_out} == {"docs/cluster.md"}
    assert len(left_out) == 1
    assert all(len(snippet.not_run.split()) >= 4 for snippet in left_out)
    assert len(blocks) >= 80
    assert len([snippet for page in HERE for snippet in ALL[page]]) >= 35


@pytest.mark.parametrize(("page", "test"), RUN_ELSEWHERE.items())
def test_blocks_that_another_test_runs_are_all_run_there(page: str, test: str) -> None:
    assert (ROOT / test).exists()
    assert not [snippet for snippet in ALL[page] if snippet.not_run]


def test_statements_are_told_apart() -> None:
    text = "SELECT ';' AS a -- no; end\n, b FROM `t;`;   -- the rest\nSELECT 1 - 2;\n"
    assert [" ".join(each.split()) for each in statements(text)] == ["SELECT ';' AS a , b FROM `t;`", "SELECT 1 - 2"]


def test_a_comment_keeps_a_block_from_running() -> None:
    page = "docs/cluster.md"
    (snippet,) = (each for each in ALL[page] if each.not_run)
    assert isinstance(snippet, Snippet)
    assert "python.archives" in snippet.text
