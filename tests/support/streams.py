"""What may become of the stream of responses to a row, as data, for each value of the option `responses`.

Nothing here knows how the cases are run; `make pages` writes docs/streams.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faults import PASS, Step
from places import ROOT

MODES = ("one", "last", "join", "array", "rows")
DOCUMENT = ROOT / "docs" / "streams.md"
#: Options of every case: retries are quick; a case about a time-out has a short one of its own.
OPTIONS = {"retry-initial-backoff": "5 ms", "retry-max-backoff": "20 ms", "max-retries": "2", "timeout": "60 s"}

_NONE = "gave no response"
_MANY = "Set the option 'responses'"


@dataclass(frozen=True)
class Stream:
    """One stream.

    Attributes:
        what: What happens.
        script: What the model does; see models/script.py.
        parts: The texts that a stream that does not fail gives; None where it fails in every mode.
        steps: What becomes of the first calls on their way to the server.
        options: The model's options beside those of every case.
        message: Words in the message of the row where it fails in every mode.
        requests: How many requests are sent.
        seconds: How long the row takes at the least.
    """

    what: str
    script: Sequence[Any]
    parts: Sequence[str] | None = None
    steps: Sequence[Step] = (PASS,)
    options: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    requests: int = 1
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The script as the model takes it."""
        return json.dumps(self.script)

    def outcome(self, mode: str) -> tuple[Any, str]:
        """What the row becomes, and words in its message where it fails.

        The lists of `rows` are those of its rows.
        """
        failed = [None] if mode == "rows" else None
        if self.parts is None:
            return failed, self.message
        parts = list(self.parts)
        if mode in ("array", "rows"):
            return parts, ""
        if not parts:
            return None, _NONE
        if mode == "one" and len(parts) > 1:
            return None, _MANY
        return "".join(parts) if mode == "join" else parts[-1], ""


def _good(what: str, *parts: str, **more: Any) -> Stream:
    return Stream(what, parts, parts, **more)


_STUB = "Stub process 'script_0' is not healthy."
STREAMS = (
    _good("no response"),
    _good("1 response", "a"),
    _good("3 responses", "a", "b", "c"),
    _good("1,000 responses", *map(str, range(1000))),
    _good("empty texts", "", "a", ""),
    _good("texts of more than ASCII", "é", "\n\n", '"data: x"', "\u2028", "😀"),
    Stream("an error first", [{"error": "bad row"}], message="answered an error: bad row"),
    Stream("an error between responses", ["a", {"error": "bad row"}, "b"], message="bad row"),
    Stream("an error last", ["a", "b", {"error": "bad row"}], message="bad row"),
    Stream("an error that passes, again and again", ["a", {"error": _STUB}], message="is not healthy", requests=3),
    Stream("the first response comes late", [{"sleep": 1.0}, "a", "b"], ("a", "b"), seconds=1.0),
    Stream("all responses come slowly", ["a", {"sleep": 0.8}, "b", {"sleep": 0.8}, "c"], ("a", "b", "c"), seconds=1.6),
    Stream(
        "no response within `timeout`",
        [{"sleep": 3.0}, "a"],
        message="before a first response",
        requests=2,
        options={"timeout": "500 ms"},
        seconds=1.0,
    ),
    Stream(
        "none within `timeout` after the first",
        ["a", {"sleep": 3.0}, "b"],
        message="Request timed out after 500ms",
        requests=3,
        options={"timeout": "500 ms"},
        seconds=1.5,
    ),
    Stream(
        "not done within `total-timeout`",
        ["a", *[{"sleep": 0.3}, "b"] * 8],
        message="'total-timeout' allows 1s",
        options={"timeout": "900 ms", "total-timeout": "1 s"},
        seconds=0.9,
    ),
    _good("the connection breaks before the stream", "a", "b", steps=(Step("reset"), PASS), requests=2),
    _good("the connection breaks inside the stream", "a", "b", "c", steps=(Step("reset", events=2), PASS), requests=2),
    Stream(
        "the connection breaks inside the stream, again and again",
        ["a", "b", "c"],
        steps=(Step("reset", events=2),) * 3,
        message="broke inside an answer",
        requests=3,
    ),
    _good(
        "the queue is full",
        "a",
        steps=(Step("status", 503, b'{"error":"Exceeds maximum queue size"}'), PASS),
        requests=2,
    ),
    Stream(
        "more bytes than `max-response-bytes`",
        ["x" * 600] * 4,
        message="more than 2048 bytes together",
        options={"max-response-bytes": "2 kb"},
    ),
    Stream("a text that is not UTF-8", [{"outputs": {"text": ["\xff"]}, "encoding": "latin-1"}], message="not UTF-8"),
    Stream("a response of two elements", [{"outputs": {"text": ["a", "b"]}}], message="has 2 elements"),
)


#: One at a time over one connection: a row that fails before its stream has ended, and one whose response is its own.
ONE_AFTER_THE_OTHER = {"max-in-flight-requests": "1", "max-response-bytes": "2 kb"}
AFTER_A_FAILURE = (
    Stream("an error, and a response behind it", ["a", {"error": "bad row"}, "left"], message="bad row"),
    _good("the row after an error", "own 1"),
    Stream("too many bytes, and a response behind them", ["x" * 2000, "left"], message="more than 2048 bytes together"),
    _good("the row after too many bytes", "own 2"),
)


@dataclass(frozen=True)
class Death(Stream):
    """A stream in whose middle something dies.

    Attributes:
        dies: ``backend`` (the process that runs the model) or ``server``.
        endpoints: How many servers there are; one of them has the death.
        returns: Whether it is started again.
    """

    dies: str = "backend"
    endpoints: int = 1
    returns: bool = False


def _death(what: str, parts: Sequence[str] | None, **more: Any) -> Death:
    options = {"timeout": "2 s", "total-timeout": "30 s", **more.pop("options", {})}
    return Death(what, ["a", {"sleep": 1.5}, "b"], parts, options=options, **more)


DEATHS = (
    _death("the backend dies; there is another endpoint", ("a", "b"), endpoints=2, requests=2),
    # A dead backend takes a second to say so of each call, one after the other.
    _death(
        "the backend dies",
        None,
        options={"timeout": "6 s", "max-retries": "1"},
        message="is not healthy",
        requests=2,
    ),
    _death("the server dies; there is another endpoint", ("a", "b"), dies="server", endpoints=2, requests=2),
    _death("the server dies, and is started again", ("a", "b"), dies="server", returns=True, requests=2),
    _death(
        "the server dies, and is not started again",
        None,
        dies="server",
        options={"total-timeout": "3 s"},
        message="'total-timeout' allows 3s",
    ),
)


def document() -> str:
    """The table, for the docs."""
    options = ", ".join(f"`{key}` = `{value}`" for key, value in OPTIONS.items())
    lines = [
        "# Streams of responses, and what becomes of the row",
        "",
        "Written by `make pages` from the data that the tests run: a decoupled model that does what a row says, on a",
        f"real Triton, with {options}, unless the case says otherwise.",
        "A failed row becomes what its policy says; here it is NULL, and the message is in the `error-column`. Each",
        "passes the core (`tests/delivery/test_streams.py`), and in real jobs every front door that takes",
        "the value of `responses` (`tests/sql/test_stream_doors.py`): `rows` is for `ML_PREDICT` alone.",
        "",
        *_table("what the model does", STREAMS),
        "",
        "## What dies in the middle of a stream",
        "",
        "The model has sent its first response, and its backend (the process that runs it) or the whole server is",
        "killed. Each passes the core and the front doors (`tests/faults/test_stream_deaths.py`).",
        "",
        *_table("what dies", DEATHS),
    ]
    return "\n".join([*lines, ""])


def _table(what: str, cases: Sequence[Stream]) -> Iterator[str]:
    yield f"| {what} | requests | {' | '.join(f'`{mode}`' for mode in MODES)} |"
    yield f"| --- | --- |{' --- |' * len(MODES)}"
    for case in cases:
        more = "".join(f", `{key}` = `{value}`" for key, value in case.options.items())
        yield f"| {' | '.join([case.what + more, str(case.requests), *(_cell(case, mode) for mode in MODES)])} |"


def _cell(case: Stream, mode: str) -> str:
    value, message = case.outcome(mode)
    if message:
        return f"fails: {message}"
    if mode == "rows":
        return f"{len(value):,} row{'s' * (len(value) != 1)}"
    if mode == "array":
        return f"{len(value):,} element{'s' * (len(value) != 1)}"
    short = value if len(value) <= 12 else f"{value[:8]} ... ({len(value):,} characters)"
    return f"`{json.dumps(short, ensure_ascii=False)}`"


if __name__ == "__main__":
    DOCUMENT.write_text(document())
