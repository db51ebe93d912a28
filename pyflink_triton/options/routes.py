"""Rows that name their models: which names they may give, and what a name may hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from pyflink_triton.addresses import unaddressable
from pyflink_triton.remedies import Remedy

#: What ends a path or a part of it for a server or a proxy, or may stand for another character in it.
_BREAKS = frozenset("/\\?#%;")
#: No file system has a longer name for a model's directory.
MOST_BYTES = 255


class Route(NamedTuple):
    """Where a row goes.

    Attributes:
        model: The model's name on the server.
        version: Its version; None for the newest one that is ready.
    """

    model: str
    version: str | None


def allowed_models(value: str) -> tuple[str, ...]:
    """Read names of models, separated by commas; a ``*`` at the end of one stands for all that begin so."""
    found = tuple(dict.fromkeys(each.strip() for each in value.split(",") if each.strip()))
    if not found:
        raise ValueError(f"is empty: {Remedy.WRITE_ALLOWED()}")
    for each in found:
        beginning = each.removesuffix("*")
        if "*" in beginning:
            raise ValueError(f"has a '*' before the end of a name: {Remedy.WRITE_ALLOWED()}")
        if beginning and not is_plain(beginning):
            raise ValueError(f"has a name that no row may give: {Remedy.WRITE_ALLOWED()}")
    return found


def is_allowed(name: str, allowed: Sequence[str]) -> bool:
    """Whether a row may name a model.

    Args:
        name: The name that the row gives.
        allowed: What ``allowed_models`` read.
    """
    return is_plain(name) and any(
        name.startswith(each[:-1]) if each.endswith("*") else name == each for each in allowed
    )


def is_plain(name: str) -> bool:
    """Whether a URL can hold a name, and every server and proxy on its way takes it for that name and no other."""
    if not 0 < len(name) <= MOST_BYTES or unaddressable(name) is not None or not _BREAKS.isdisjoint(name):
        return False
    # Beyond ASCII there may be letters, marks and digits: no spaces, nothing unseen, nothing that looks like a '/'.
    is_lettered = name.isascii() or all(each.isascii() or unicodedata.category(each)[0] in "LMN" for each in name)
    return is_lettered and unicodedata.normalize("NFKC", name) == name and len(name.encode()) <= MOST_BYTES
