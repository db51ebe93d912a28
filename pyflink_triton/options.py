"""The options of a model: each is declared once here, with its key, type, default and description."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pyflink_triton.errors import OptionError
from pyflink_triton.units import format_duration, format_size, parse_duration, parse_size

#: What Flink puts among a model's options for itself.
FLINK_KEYS = frozenset({"provider", "property-version", "task"})

_REQUIRED: Any = object()


@dataclass(frozen=True)
class Option:
    """What one option is: its key, its type's name, how it is read and written, and what it does."""

    key: str
    type: str
    parse: Callable[[str], Any]
    description: str
    default: Any = _REQUIRED
    write: Callable[[Any], str] = str

    @property
    def required(self) -> bool:
        """Whether the user must write it."""
        return self.default is _REQUIRED

    @property
    def default_text(self) -> str:
        """The default as a user would write it, ``-`` for none."""
        return "-" if self.required or self.default is None else self.write(self.default)


def _option(key: str, type_: str, parse: Callable[[str], Any], default: Any, description: str) -> Any:
    write = {"Duration": format_duration, "Size": format_size}.get(type_, str)
    option = Option(key, type_, parse, description, default, write)
    if default is _REQUIRED:
        return dataclasses.field(metadata={"option": option})
    return dataclasses.field(default=default, metadata={"option": option})


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value.strip()


def _endpoint(value: str) -> str:
    """Read an endpoint as its base URL, without ``/v2/models`` and trailing slashes."""
    example = "write it as 'http://host:8000' or 'http://host:8000/v2/models'"
    if "," in value:
        raise ValueError(f"names several servers, and this version takes one: {example}")
    try:
        parts = urlsplit(value.strip())
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(f"is not a URL: {example}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise ValueError(f"is not an http or https URL: {example}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"holds more than a server and a path: {example}")
    path = parts.path.rstrip("/").removesuffix("/v2/models").removesuffix("/v2").rstrip("/")
    return SplitResult(parts.scheme, parts.netloc, path, "", "").geturl()


def _model_name(value: str) -> str:
    name = _text(value)
    if any(ord(character) < 32 for character in name) or name in (".", ".."):
        raise ValueError("is not a model's name")
    return name


def _version(value: str) -> str | None:
    """Read a version: digits, or ``latest``, which is None: no version is sent."""
    if value == "latest":
        return None
    if not (value.isascii() and value.isdigit()):
        raise ValueError("is not a version: write digits, as in '3', or 'latest'")
    return value


def _boolean(value: str) -> bool:
    answers = {"true": True, "false": False}
    if value.strip().lower() not in answers:
        raise ValueError("is neither 'true' nor 'false'")
    return answers[value.strip().lower()]


def _integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        text = value.strip()
        if not (text.isascii() and text.isdigit()) or not minimum <= int(text) <= maximum:
            raise ValueError(f"is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def _duration(minimum: float, maximum: float = 86400) -> Callable[[str], float]:
    def parse(value: str) -> float:
        seconds = parse_duration(value)
        if not minimum <= seconds <= maximum:
            raise ValueError(f"is not between {format_duration(minimum)} and {format_duration(maximum)}")
        return seconds

    return parse


def _size(minimum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        size = parse_size(value)
        if not minimum <= size <= 1 << 31:
            raise ValueError(f"is not between {format_size(minimum)} and 2 gb")
        return size

    return parse


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is not one of {', '.join(repr(choice) for choice in choices)}")
        return value

    return parse


@dataclass(frozen=True)
class Options:
    """A model's options, read and checked; durations are in seconds, sizes in bytes."""

    endpoint: str = _option(
        "endpoint", "String", _endpoint, _REQUIRED,
        "URL of the Triton server, with or without `/v2/models`, with or without a path in front of it.",
    )  # fmt: skip
    model_name: str = _option(
        "model-name", "String", _model_name, _REQUIRED,
        "Name of the model on the server.",
    )  # fmt: skip
    model_version: str | None = _option(
        "model-version", "String", _version, None,
        "Version of the model: digits, or `latest` (the default) for the newest that is ready.",
    )  # fmt: skip
    timeout: float = _option(
        "timeout", "Duration", _duration(0.001), 30.0,
        "Time for one HTTP call: connect, write and read.",
    )  # fmt: skip
    plan_check: str = _option(
        "plan-check", "String", _choice("required", "best-effort", "off"), "required",
        "Whether planning a statement asks the server for the model's signature: `required` (an unreachable "
        "server is an error), `best-effort` (it is a warning, and the check moves to the job's start), `off`.",
    )  # fmt: skip
    plan_check_timeout: float = _option(
        "plan-check-timeout", "Duration", _duration(0.001, 50.0), 5.0,
        "How long planning a statement waits for the server.",
    )  # fmt: skip
    warmup_timeout: float = _option(
        "warmup-timeout", "Duration", _duration(0.0), 60.0,
        "How long the job's start waits for the model to be ready.",
    )  # fmt: skip
    max_batch_size: int | None = _option(
        "max-batch-size", "Integer", _integer(0, 1 << 20), None,
        "Rows in one request at the most. By default the model's own `max_batch_size`; stands in for it where "
        "the server hides the configuration (0: the model has no batch axis).",
    )  # fmt: skip
    max_request_bytes: int = _option(
        "max-request-bytes", "Size", _size(1), 32 << 20,
        "Bytes of tensors in one request at the most; a larger row goes alone.",
    )  # fmt: skip
    max_in_flight_requests: int = _option(
        "max-in-flight-requests", "Integer", _integer(1, 10_000), 64,
        "HTTP requests of one subtask under way at once.",
    )  # fmt: skip
    max_in_flight_bytes: int = _option(
        "max-in-flight-bytes", "Size", _size(1 << 20), 256 << 20,
        "Bytes of rows that one subtask holds outside Flink's memory; past it the operator is back-pressured.",
    )  # fmt: skip


#: Every option by its key, in the order of the documentation.
OPTIONS: dict[str, Option] = {
    field.metadata["option"].key: field.metadata["option"] for field in dataclasses.fields(Options)
}
_FIELDS: dict[str, str] = {field.metadata["option"].key: field.name for field in dataclasses.fields(Options)}

#: ML_PREDICT's MAP has Flink's own `timeout`, so the model's is written otherwise there.
_RUNTIME_NAMES = {"request-timeout": "timeout"}


def parse_options(options: Mapping[str, str], runtime_options: Mapping[str, str] | None = None) -> Options:
    """Read a model's options and check them.

    Args:
        options: What the user wrote in WITH.
        runtime_options: What the user wrote in ML_PREDICT's MAP; wins over ``options``.

    Raises:
        OptionError: An option is unknown, missing or has a bad value; the message says what to write.
    """
    written = {key: value for key, value in options.items() if key not in FLINK_KEYS}
    for key, value in (runtime_options or {}).items():
        written[_RUNTIME_NAMES.get(key, key)] = value
    values: dict[str, Any] = {}
    for key, value in written.items():
        if key not in OPTIONS:
            raise OptionError(_unknown(key))
        try:
            values[_FIELDS[key]] = OPTIONS[key].parse(value)
        except ValueError as error:
            shown = "" if "@" in value else f" = '{value}'"  # what precedes an @ may be a password
            raise OptionError(f"option '{key}'{shown} {error}.") from None
    for key, option in OPTIONS.items():
        if option.required and key not in written:
            raise OptionError(f"option '{key}' is missing. {option.description}")
    return Options(**values)


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key.lower().replace("_", "-"), [*OPTIONS, *_RUNTIME_NAMES], 1, 0.6)
    remedy = f"Did you mean '{near[0]}'?" if near else f"The options are: {', '.join(OPTIONS)}."
    return f"there is no option '{key}'. {remedy}"
