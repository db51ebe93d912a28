"""Where the project's files are."""

from __future__ import annotations

from pathlib import Path

#: What tests share, and the programs that they start.
SUPPORT = Path(__file__).resolve().parent
TESTS = SUPPORT.parent
ROOT = TESTS.parent
