"""The URL of a server's model. Triton compares a path byte by byte and decodes nothing, so a name goes in as it is."""

from __future__ import annotations

import re
import unicodedata

#: Characters that end a path, a part of it, or the request line.
_BREAKS = {" ": "a space", "/": "a '/'", "?": "a '?'", "#": "a '#'"}
#: Names that servers and proxies take for this directory and the one above; they read %2e as a dot.
_DOTS = re.compile(r"(\.|%2e){1,2}", re.IGNORECASE)


def unaddressable(name: str) -> str | None:
    """Say why no URL can hold a model's name; None where one can.

    Args:
        name: The name, as the server lists it.
    """
    for character in name:
        if character in _BREAKS:
            return f"holds {_BREAKS[character]}"
        if unicodedata.category(character) in ("Cc", "Cs"):
            return "holds a control character"
    return "is a dot segment of a path" if _DOTS.fullmatch(name) else None


def model_url(base: str, name: str, version: str | None) -> str:
    """The URL of a model, with its version where one is set.

    Args:
        base: The endpoint's base URL.
        name: A name that is not ``unaddressable``.
        version: Digits, or None.
    """
    return f"{base}/v2/models/{name}" + ("" if version is None else f"/versions/{version}")
