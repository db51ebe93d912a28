"""The page of deviations names tests that exist."""

from __future__ import annotations

import re

from places import ROOT


def test_every_promise_that_is_kept_has_its_test() -> None:
    text = (ROOT / "docs" / "deviations.md").read_text()
    named = re.findall(r"`(tests/\w+/\w+\.py)::(\w+)`", text)
    assert len(named) >= 20
    missing = [name for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]
    assert missing == []
    rows = text[text.index("## What is kept") :].splitlines()
    assert all("tests/" in row for row in rows if row.startswith("| ") and not row.startswith(("| promise", "| ---")))
