"""How the values of options are read: each function takes the user's text, and raises ValueError with the remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pyflink_triton._units import format_duration, format_size, parse_duration, parse_size
from pyflink_triton.addresses import unaddressable
from pyflink_triton.options.environment import fill_in
from pyflink_triton.remedies import Remedy

Parse = Callable[[str], Any]

#: The least and the greatest rate in a second.
_RATES = (0.001, 1_000_000)

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_SPLIT = re.compile(r",(?=\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*:)")
#: A reference to a column: its group is the column's name.
COLUMN_REFERENCE = re.compile(r"\$\{([^{}]+)\}")
#: Headers that this package or the connection sets.
_RESERVED_HEADERS = frozenset(
    {"content-length", "content-type", "content-encoding", "accept-encoding", "transfer-encoding", "host", "connection"}
    | {"inference-header-content-length", "te", "upgrade", "trailer"}
)


def text(value: str) -> str:
    """Read a text that is not blank."""
    if not value.strip():
        raise ValueError("is empty")
    return value.strip()


def names(value: str) -> tuple[str, ...]:
    """Read names, separated by commas."""
    found = tuple(dict.fromkeys(each.strip() for each in value.split(",") if each.strip()))
    if not found:
        raise ValueError(f"is empty: {Remedy.WRITE_NAMES()}")
    return found


def one_line(value: str) -> str:
    """Read a text without control characters, as headers need it."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("holds a line break or another control character")
    return text(value)


def endpoints(value: str) -> tuple[str, ...]:
    """Read endpoints, separated by commas, as base URLs without ``/v2/models`` and trailing slashes.

    A text with a variable that is not set on this machine stays as it is: ``missing_variable`` finds it there.
    """
    filled = fill_in(value)
    if filled is None:
        return (value.strip(),)
    try:
        found = tuple(dict.fromkeys(_endpoint(each) for each in filled.split(",") if each.strip()))
        if not found:
            raise ValueError(f"is empty: {Remedy.WRITE_URL()}")
    except ValueError as error:
        # What the variables hold is not for everyone who writes SQL.
        raise (error if filled == value else ValueError(f"with the variables of this machine {error}")) from None
    return found


def endpoint_groups(value: str) -> tuple[tuple[str, ...], ...]:
    """Read lists of endpoints, separated by semicolons."""
    return tuple(endpoints(each) for each in value.split(";"))


def _endpoint(value: str) -> str:
    example = Remedy.WRITE_URL()
    try:
        parts = urlsplit(value.strip())
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(f"is not a URL: {example}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise ValueError(f"is not an http or https URL: {example}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"holds more than a server and a path: {example}")
    if not re.fullmatch(r"[A-Za-z0-9._:\[\]%-]+", parts.netloc) or not re.fullmatch(r"[!-~]*", parts.path):
        raise ValueError(f"is not a URL: {example}")
    path = parts.path.rstrip("/").removesuffix("/v2/models").removesuffix("/v2").rstrip("/")
    return SplitResult(parts.scheme, parts.netloc, path, "", "").geturl()


def column_alone(value: str | None) -> str | None:
    """The column of a text that is ``${column}`` and nothing else; None for any other."""
    found = None if value is None else COLUMN_REFERENCE.fullmatch(value)
    return None if found is None else found.group(1)


def model_name(value: str) -> str:
    """Read a model's name on the server, unchanged, because names may differ in a space at the end; or a column."""
    if not value.strip():
        raise ValueError("is empty")
    if "${" in value:
        return _column(value)
    problem = unaddressable(value)
    if problem is not None:
        raise ValueError(f"{problem}, and no request over HTTP can name such a model. {Remedy.RENAME_MODEL()}")
    return value


def _column(value: str) -> str:
    if column_alone(value.strip()) is None:
        raise ValueError(f"is not one column alone: {Remedy.WRITE_ROUTE()}")
    return value.strip()


def version(value: str) -> str | None:
    """Read a version: digits, a column, or ``latest``, which becomes None, because no version is sent then."""
    if value.strip() == "latest":
        return None
    if "${" in value:
        return _column(value)
    if not is_version(value):
        raise ValueError(f"is not a version: {Remedy.WRITE_VERSION()}")
    return value


def is_version(value: str) -> bool:
    """Whether a text is the number of a version."""
    return value.isascii() and value.isdigit() and len(value) < 19


def boolean(value: str) -> bool:
    """Read ``true`` or ``false``."""
    answers = {"true": True, "false": False}
    if value.strip().lower() not in answers:
        raise ValueError(f"is neither 'true' nor 'false': {Remedy.WRITE_BOOLEAN()}")
    return answers[value.strip().lower()]


def boolean_or_column(value: str) -> bool | str:
    """Read ``true``, ``false``, or the column's name in ``${column}``."""
    column = COLUMN_REFERENCE.fullmatch(value.strip())
    if column:
        return column.group(1)
    try:
        return boolean(value)
    except ValueError:
        raise ValueError(f"is neither a truth value nor a column: {Remedy.WRITE_BOOLEAN_OR_COLUMN()}") from None


def template(value: str) -> str:
    """Read a text that may refer to columns, as in ``conversation-${user_id}``."""
    found = text(value)
    rest = COLUMN_REFERENCE.sub("", found)
    if "${" in rest:
        raise ValueError(f"has a '${{' that is not closed: {Remedy.CLOSE_TEMPLATE()}")
    return found


def columns_of(value: str) -> tuple[str, ...]:
    """The columns that a template refers to, each once, in order."""
    return tuple(dict.fromkeys(COLUMN_REFERENCE.findall(value)))


def integer(minimum: int, maximum: int) -> Parse:
    """Read a whole number."""

    def parse(value: str) -> int:
        written = value.strip()
        if not (written.isascii() and written.isdigit()) or not minimum <= int(written) <= maximum:
            raise ValueError(f"is out of range: {Remedy.WRITE_INTEGER(minimum=minimum, maximum=maximum)}")
        return int(written)

    return parse


def fraction(value: str) -> float:
    """Read a share, more than 0 and at most 1."""
    try:
        share = float(value)
    except ValueError:
        share = 0.0
    if not 0.0 < share <= 1.0:
        raise ValueError(f"is not a share: {Remedy.WRITE_SHARE()}")
    return share


def rate(value: str) -> float:
    """Read how often a second, which may be less than once."""
    written = value.strip()
    number = float(written) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", written) else 0.0
    if not _RATES[0] <= number <= _RATES[1]:
        raise ValueError(f"is out of range: {Remedy.WRITE_RATE(minimum=f'{_RATES[0]:g}', maximum=_RATES[1])}")
    return number


def duration(minimum: float, maximum: float = 86400) -> Parse:
    """Read a duration in seconds."""

    def parse(value: str) -> float:
        seconds = parse_duration(value)
        if not minimum <= seconds <= maximum:
            limits = {"minimum": format_duration(minimum), "maximum": format_duration(maximum)}
            raise ValueError(f"is out of range: {Remedy.STAY_BETWEEN(**limits)}")
        return seconds

    return parse


def size(minimum: int) -> Parse:
    """Read a size in bytes."""

    def parse(value: str) -> int:
        found = parse_size(value)
        if not minimum <= found <= 1 << 31:
            limits = {"minimum": format_size(minimum), "maximum": "2 gb"}
            raise ValueError(f"is out of range: {Remedy.STAY_BETWEEN(**limits)}")
        return found

    return parse


def choice(*choices: str) -> Parse:
    """Read one of several words."""

    def parse(value: str) -> str:
        if value.strip().lower() not in choices:
            raise ValueError(f"is unknown: {Remedy.WRITE_ONE_OF(choices=', '.join(map(repr, choices)))}")
        return value.strip().lower()

    return parse


def headers(value: str) -> tuple[tuple[str, str], ...]:
    """Read headers: a JSON object, or ``name:value,name:value``."""
    example = Remedy.WRITE_HEADERS()
    if value.lstrip().startswith("{"):
        try:
            found = json.loads(value)
        except ValueError:
            raise ValueError(f"is not a JSON object: {example}") from None
        if not all(isinstance(each, str) for each in found.values()):
            raise ValueError(f"holds a value that is not a string: {example}")
        pairs = list(found.items())
    else:
        pairs = []
        for each in _HEADER_SPLIT.split(value):
            name, colon, word = each.partition(":")
            if not colon:
                raise ValueError(f"has a header without a ':': {example}")
            pairs.append((name, word))
    return tuple(header(name.strip(), word.strip()) for name, word in pairs)


def header(name: str, value: str) -> tuple[str, str]:
    """Check a header that the user sets."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"has a name that no HTTP header may have: {Remedy.NAME_HEADER()}")
    if name.lower() in _RESERVED_HEADERS:
        raise ValueError(f"sets the header {name}, which is not for users to set")
    if value:  # a header may be empty
        one_line(value)
    if not value.isprintable() or not value.isascii():
        raise ValueError(f"has a value of {name} that is not plain ASCII")
    return name, value
