"""The fields of the bridge's messages, from the file that the shim's tests read, too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from places import ROOT

MESSAGES: dict[str, dict[str, list[str]]] = json.loads(
    (ROOT / "java-shim/src/test/resources/bridge-messages.json").read_text()
)


def check_reply(header: Mapping[str, Any], request: str | None = None) -> None:
    """Check a frame's header that the worker wrote.

    Args:
        header: The header.
        request: The planning request that it answers.
    """
    _check(header, MESSAGES["from the worker"][header["kind"]])
    if header["kind"] == "answer" and request is not None and list(header["answer"]) != ["environment"]:
        _check(header["answer"], MESSAGES["planning answers"][request])
    for name in ("memory", "metrics"):
        if name in header:
            _check(header[name], MESSAGES["objects from the worker"][name])


def _check(fields: Mapping[str, Any], known: Sequence[str]) -> None:
    required = {name for name in known if not name.endswith("?")}
    assert required <= set(fields) <= {name.removesuffix("?") for name in known}, fields
