"""The URL of a server's model, and the name of one of the addresses that a URL's host has.

Triton compares a path byte by byte and decodes nothing, so a name goes in as it is.
"""

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
        base: The endpoint's base URL, or one of its addresses.
        name: A name that is not ``unaddressable``.
        version: Digits, or None.
    """
    return below(base, f"/v2/models/{name}" + ("" if version is None else f"/versions/{version}"))


def with_address(url: str, address: str) -> str:
    """Name one of the addresses of a URL's host: ``http://triton:8000 (10.0.0.7)``. No URL holds a space.

    Args:
        url: A URL.
        address: One of its host's addresses.
    """
    return f"{url} ({address})"


def split_address(name: str) -> tuple[str, str | None]:
    """The URL, and the address where ``with_address`` named one.

    Args:
        name: A URL with or without an address.
    """
    url, _, address = name.partition(" ")
    return url, address[1:-1] or None


def below(name: str, path: str) -> str:
    """The URL of a path below another one, at the same address.

    Args:
        name: A URL with or without an address.
        path: What comes behind the URL.
    """
    url, space, address = name.partition(" ")
    return f"{url}{path}{space}{address}"
