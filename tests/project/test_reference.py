"""The pages and lines of the docs that come from the code are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT
from reference import BLOCKS, PAGES, java_messages, messages, messages_page, options_page, types_page, written

from pyflink_triton.options.options import OPTIONS
from pyflink_triton.remedies import Remedy
from pyflink_triton.types.triton import DATATYPES


@pytest.mark.parametrize("page", [*PAGES, *BLOCKS], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_that_of_the_code(page: Path) -> None:
    assert page.read_text() == written(page), "run `make pages`"


def test_nothing_is_left_out() -> None:
    assert all(f"\n| `{key}` |" in options_page() for key in OPTIONS)
    assert all(f"\n| `{name}` |" in types_page() for name in DATATYPES)
    assert messages_page().count("\n| `") == len(Remedy) + len(java_messages())
    assert messages_page().count("<br>") + len(Remedy) >= 100
    assert len(java_messages()) >= 10
    assert messages()["SET_ROWS"] == ["option 'response-index' needs 'responses' = 'rows'"]
