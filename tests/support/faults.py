"""Every fault that a request may meet, as data: how it is made, and what must become of the rows.

Nothing here knows how the cases are run; `make pages` writes docs/faults.md.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from places import ROOT

#: What a poisoned row holds; the model of the cases fails it too.
POISON = -1
DOCUMENT = ROOT / "docs" / "faults.md"


@dataclass(frozen=True)
class Step:
    """What becomes of one inference call.

    Attributes:
        kind: pass, whole, status, edit, raw, reset, close, drip, ping, hang, away or drain: a method of the proxy.
        status: The HTTP status that is answered.
        body: The body that is answered.
        headers: Header lines of the answer.
        replace: What is replaced in the Triton's own answer.
        cut: Bytes: of an edited answer's end, fewer or more; of a broken one, how many do not arrive; negative.
        fits: Whether Content-Length follows the edited body.
        seconds: How long it takes, or how long the server is away.
        events: Of a stream, how many events arrive before the connection breaks.
    """

    kind: str
    status: int = 0
    body: bytes = b""
    headers: tuple[str, ...] = ()
    replace: tuple[tuple[bytes, bytes], ...] = ()
    cut: int = 0
    fits: bool = True
    seconds: float = 0.0
    events: int = 0


#: The call goes to the Triton and its answer back.
PASS = Step("pass")


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        fault: What goes wrong.
        made: How it is made.
        steps: What becomes of the first inference calls.
        always: What becomes of all others.
        poison: What becomes of every call that holds a poisoned row.
        batches: The rows, batch after batch; the answer to each row is itself.
        options: The model's options beside those of every case.
        endpoint: Where the rows go: `{proxy}`, `{other}` (a proxy that makes no fault), `{nobody}` (connections are
            refused), `{full_queue}` (connections are not answered), or a host.
        failed: How many rows fail by their policy.
        calls: Inference calls made; None where it depends on time.
        unlogged: How many of those never reached the proxy.
        retries: How many of the calls sent a request again; None where it depends on time.
        openings: How often the circuit breaker opens.
        job: Whether the job fails.
        message: Words in the message of the row or of the job.
        seconds: How long it takes at the least.
    """

    fault: str
    made: str
    steps: Sequence[Step] = ()
    always: Step = PASS
    poison: Step | None = None
    batches: Sequence[Sequence[int]] = ((1, 2, 3),)
    options: Mapping[str, str] = field(default_factory=dict)
    endpoint: str = "{proxy}"
    failed: int = 0
    calls: int | None = 1
    unlogged: int = 0
    retries: int | None = 0
    openings: int = 0
    job: bool = False
    message: str = ""
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        return sum(map(len, self.batches))


#: The options of every case: short waits, two retries.
OPTIONS = {
    "timeout": "2s",
    "total-timeout": "10s",
    "max-retries": "2",
    "retry-initial-backoff": "10 ms",
    "retry-max-backoff": "40 ms",
}


def triton_says(status: int, words: str, *headers: str) -> Step:
    return Step("status", status, f'{{"error":"{words}"}}'.encode(), headers)


def page(status: int, *headers: str) -> Step:
    return Step("status", status, b"<html><body>" + b"some words " * 100 + b"</body></html>", headers)


def _passing(name: str, step: Step, made: str, message: str) -> Iterator[Case]:
    """A fault that is retried: once, and for ever."""
    yield Case(f"{name}, once", made, [step], calls=2, retries=1)
    yield Case(f"{name}, always", made, always=step, failed=3, calls=3, retries=2, message=message)


def _transport() -> Iterator[Case]:
    short = {"total-timeout": "400 ms", "timeout": "200 ms"}
    yield Case(
        "connection refused", "nobody listens", options=short, endpoint="{nobody}",
        failed=3, calls=1, unlogged=1, message="Connection refused", seconds=0.4,
    )  # fmt: skip
    yield Case(
        "the host has no address", "a host under .invalid", options=short, endpoint="http://triton.invalid:8000",
        failed=3, calls=1, unlogged=1, message="has no address", seconds=0.4,
    )  # fmt: skip
    yield Case(
        "nobody answers the connection", "a full queue of connections", options=short, endpoint="{full_queue}",
        failed=3, calls=1, unlogged=1, message="Request timed out after 200ms before there was a connection",
    )  # fmt: skip
    yield Case(
        "the server is away for a while", "all connections reset, refused for 0.5 s", [Step("away", seconds=0.5)],
        calls=2, retries=1, seconds=0.5,
    )  # fmt: skip
    yield Case(
        "the server shuts down and comes back", "for 0.5 s connections are taken and ended at once",
        [Step("drain", seconds=0.5)], calls=2, retries=1, seconds=0.5,
    )  # fmt: skip
    yield Case(
        "the server is away for longer than a row has", "refused for 2 s", [Step("away", seconds=2)],
        options={"total-timeout": "700 ms", "timeout": "500 ms"},
        failed=3, message="'total-timeout' allows 700ms", seconds=0.7,
    )  # fmt: skip
    yield from _passing("a reset before the answer", Step("reset"), "RST after the request", "broke before an answer")
    yield from _passing("an end before the answer", Step("close"), "FIN after the request", "broke before an answer")
    yield from _passing("a reset in the answer", Step("reset", cut=-8), "RST in the body", "broke inside an answer")
    yield from _passing("an answer cut off", Step("close", cut=-8), "FIN in the body", "broke inside an answer")
    yield Case(
        "a stale connection", "the second call on a kept-alive connection is reset", [PASS, Step("reset")],
        batches=((1, 2), (3,)), options={"max-retries": "0"}, calls=3, retries=1,
    )  # fmt: skip
    yield Case(
        "a stale connection, twice", "the same, and the new one is reset too",
        [PASS, Step("reset"), Step("reset")],
        batches=((1, 2), (3,)), options={"max-retries": "0"}, failed=1, calls=3, retries=1, message="broke before",
    )  # fmt: skip
    hung = {"timeout": "250 ms"}
    yield Case("no answer, once", "the call is held", [Step("hang")], options=hung, calls=2, retries=1, seconds=0.25)
    yield Case(
        "no answer, always", "all calls are held", always=Step("hang"), options=hung,
        failed=3, calls=3, retries=2, message="Request timed out after 250ms", seconds=0.75,
    )  # fmt: skip
    yield Case(
        "an answer that drips", "one byte each 50 ms", always=Step("drip", seconds=0.05), options=hung,
        failed=3, calls=3, retries=2, message="Request timed out after 250ms",
    )  # fmt: skip
    yield Case(
        "no answer within the rows' time", "all calls are held", always=Step("hang"),
        options={"timeout": "300 ms", "total-timeout": "500 ms", "max-retries": "20"},
        failed=3, calls=None, retries=None, message="Request timed out after", seconds=0.5,
    )  # fmt: skip
    yield Case("a slow answer in time", "0.3 s late", [Step("pass", seconds=0.3)], seconds=0.3)


def _statuses() -> Iterator[Case]:
    for status in (408, 429, 503, 504, 507, 520):
        yield from _passing(f"HTTP {status}", page(status), "answered by a proxy", f"HTTP {status}")
    for coding, body in (("gzip", gzip.compress(b"<p>come back later</p>")), ("br", b"\x0b\x02\x80?\x03")):
        step = Step("status", 503, body, (f"Content-Encoding: {coding}",))
        words = "come back later" if coding == "gzip" else "HTTP 503"
        yield from _passing(f"HTTP 503, its page in {coding}", step, "answered by a gateway", words)
    busy = "Exceeds maximum queue size"
    yield from _passing("503, the queue is full", triton_says(503, busy), "Triton's own answer", busy)
    late = "Request timeout expired"
    yield from _passing("503, too long in the queue", triton_says(503, late), "Triton's own answer", late)
    dead = "Stub process 'x' is not healthy."
    for status in (400, 500):
        yield from _passing(f"{status}, a dead backend", triton_says(status, dead), "Triton's own answer", dead)
    for name, step in (
        ("502", page(502)),
        ("404, not loaded", triton_says(404, "Request for unknown model: 'm' has no available versions")),
        ("404, loading", triton_says(404, "Request for unknown model: 'm' version 1 is not at ready state")),
    ):
        yield Case(f"HTTP {name}, once", "the probe finds the model ready", [step], calls=2, retries=1)
        yield Case(
            f"HTTP {name}, always", "the probe finds the model ready, calls fail all the same", always=step,
            options={"total-timeout": "400 ms", "timeout": "200 ms"},
            failed=3, calls=None, retries=None, message="'total-timeout' allows 400ms", seconds=0.3,
        )  # fmt: skip
    for status in (401, 403, 405, 501):
        yield Case(
            f"HTTP {status}", "answered by a proxy", always=page(status), job=True, message=f"HTTP {status}",
        )  # fmt: skip
    yield Case(
        "404, there is no such model", "Triton's own answer",
        always=triton_says(404, "Request for unknown model: 'm' is not found"), job=True, message="is not found",
    )  # fmt: skip
    for status in (301, 302, 307):
        yield Case(
            f"HTTP {status}, a redirect", "to another server", always=page(status, "Location: http://127.0.0.1:1/"),
            job=True, message=f"HTTP {status}",
        )  # fmt: skip
    yield Case("HTTP 204", "no content", always=Step("status", 204), job=True, message="HTTP 204")
    for status in (409, 422):
        yield Case(
            f"HTTP {status}", "answered by a proxy", always=page(status), failed=3, message=f"HTTP {status}",
        )  # fmt: skip
    for name, header, seconds in (
        ("in seconds", "Retry-After: 1", 1.0),
        ("nonsense", "Retry-After: tomorrow", 0.0),
        ("negative", "Retry-After: -5", 0.0),
        ("a date long ago", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ):
        yield Case(
            f"Retry-After {name}", header, [page(503, header)], calls=2, retries=1, seconds=seconds,
        )  # fmt: skip
    yield Case(
        "Retry-After beyond the rows' time", "Retry-After: 3600", [page(429, "Retry-After: 3600")],
        options={"total-timeout": "1s", "timeout": "900 ms"}, calls=2, retries=1, seconds=0.45,
    )  # fmt: skip


def _poison() -> Iterator[Case]:
    batch = [*range(20), POISON, *range(21, 64)]
    for status in (400, 413):
        yield Case(
            f"{status} for one row of 64", "any call that holds the row", poison=page(status), batches=(batch,),
            failed=1, calls=13, message=f"HTTP {status}",
        )  # fmt: skip
    yield Case(
        "the model's own 500 for one row of 64", "the model itself fails", batches=(batch,),
        failed=1, calls=15, retries=2, message="x must not be negative",
    )  # fmt: skip
    for status in (404, 501):
        yield Case(
            f"{status} for one row of 64, the model is there", "the model itself answers with this code",
            batches=([*range(20), -status, *range(21, 64)],),
            failed=1, calls=13, message="x must not be negative",
        )  # fmt: skip
    yield Case(
        "500, the request cannot be parsed", "any call that holds the row",
        poison=triton_says(500, "Unable to parse 'data'"), batches=(batch,),
        failed=1, calls=13, message="Unable to parse",
    )  # fmt: skip
    yield Case(
        "one row alone, 400", "the call that holds it", poison=page(400), batches=((POISON,),), failed=1,
    )  # fmt: skip
    yield Case(
        "one row alone, the model's own 500", "the model itself fails", batches=((POISON,),),
        failed=1, calls=3, retries=2, message="x must not be negative",
    )  # fmt: skip
    yield Case(
        "two rows of 4", "any call that holds them", poison=page(400), batches=((POISON, 1, 2, POISON),),
        failed=2, calls=7,
    )  # fmt: skip
    yield Case(
        "all rows of 64", "the model fails everything: noticed after 8 rows", poison=page(400),
        batches=((POISON,) * 64,), failed=64, calls=24, message="HTTP 400",
    )  # fmt: skip
    yield Case(
        "all rows, batch after batch", "once noticed, a batch costs two calls", poison=page(400),
        batches=((POISON,) * 64, (POISON,) * 64, (1, 2)), failed=128, calls=27, message="HTTP 400",
    )  # fmt: skip
    yield Case(
        "rows fail, and then one is answered", "an answer lets batches be split again", poison=page(400),
        batches=((POISON,) * 64, (1,), (2, POISON)), failed=65, calls=28, message="HTTP 400",
    )  # fmt: skip


def _contract() -> Iterator[Case]:
    def broken(fault: str, step: Step, message: str, **more: object) -> Case:
        return Case(fault, "answered by a proxy", always=step, job=True, message=message, **more)  # type: ignore[arg-type]

    header = rb"(?i)(inference-header-content-length: )\d+"
    yield broken("200 with a web page", page(200), "has no outputs")
    yield broken("200 with nothing", Step("status", 200), "has no outputs")
    yield broken("200 with JSON of another kind", Step("status", 200, b'{"ok":true}'), "has no outputs")
    yield broken("200 with deep JSON", Step("status", 200, b"[" * 100_000), "has no outputs")
    yield broken("what answers is not HTTP", Step("raw", body=b"220 mail.example.com ESMTP\r\n\r\n"), "not speak HTTP")
    for value in (b"abc", b"-1", b"99999"):
        step = Step("edit", replace=((header, rb"\g<1>" + value),))
        yield broken(f"a header length of {value.decode()}", step, "bad Inference-Header-Content-Length")
    yield broken("a header length inside the JSON", Step("edit", replace=((header, rb"\g<1>9"),)), "has no outputs")
    yield broken("Content-Length too small", Step("edit", cut=-8), "ends inside the output 'y'")
    yield broken("8 bytes too many", Step("edit", cut=8), "8 bytes too many")
    yield broken(
        "another datatype", Step("edit", replace=((rb'"datatype":"INT64"', b'"datatype":"FP64" '),)),
        "is FP64, and the model promised INT64",
    )  # fmt: skip
    missing = Step("edit", replace=((rb'"name":"y"', b'"name":"z"'),))
    yield Case(
        "an output is missing", "answered by a proxy", always=missing,
        failed=3, calls=5, message="lacks the output 'y'",
    )  # fmt: skip
    yield Case(
        "an output is never there", "answered by a proxy; noticed after 8 rows", always=missing,
        batches=(tuple(range(1, 11)),), job=True, calls=None, message="8 rows in succession",
    )  # fmt: skip
    yield Case(
        "a part of an ensemble's outputs", "Triton's own answer, once", [triton_says(400, "unexpected deadlock, ...")],
        calls=2, retries=1,
    )  # fmt: skip
    yield broken("other rows' number", Step("edit", replace=((rb"\[3,1\]", b"[1,3]"),)), "for 3 rows")
    yield broken(
        "an answer that is too large", Step("status", 200, b"x" * 5000), "with more than 1024 bytes",
        options={"max-response-bytes": "1 kb"},
    )  # fmt: skip
    zipped = gzip.compress(b"0" * 3_000_000)
    asked = {"compression-response": "true"}
    yield broken(
        "compressed, and nobody asked for it", Step("status", 200, zipped, ("Content-Encoding: gzip",)),
        "not asked for",
    )  # fmt: skip
    yield broken(
        "a gzip bomb", Step("status", 200, zipped, ("Content-Encoding: gzip",)), "more than 1048576 bytes decompressed",
        options={**asked, "max-response-bytes": "1 mb"},
    )  # fmt: skip
    yield broken(
        "marked gzip, and not gzip", Step("status", 200, b"{}", ("Content-Encoding: gzip",)), "cannot be decompressed",
        options=asked,
    )  # fmt: skip
    yield broken(
        "gzip that is cut off", Step("status", 200, zipped[:-9], ("Content-Encoding: gzip",)), "does not end",
        options=asked,
    )  # fmt: skip
    yield broken(
        "an encoding that nobody knows", Step("status", 200, zipped, ("Content-Encoding: br",)), "not asked for",
        options=asked,
    )  # fmt: skip


def _breakers() -> Iterator[Case]:
    breaker = {
        "circuit-breaker-enabled": "true",
        "circuit-breaker-timeout": "300 ms",
        "max-retries": "30",
        "max-in-flight-requests": "1",
        "max-batch-size": "1",
    }
    yield Case(
        "an outage with the circuit breaker", "10 times 503; open for 0.3 s, then the rows go on", [page(503)] * 10,
        batches=(range(1, 6),), options=breaker, calls=15, retries=10, openings=1, seconds=0.3,
    )  # fmt: skip
    yield Case(
        "an outage that lasts into the half-open breaker", "11 times 503: it opens again, in the same outage",
        [page(503)] * 11, batches=(range(1, 6),), options=breaker, calls=16, retries=11, openings=1, seconds=0.6,
    )  # fmt: skip
    yield Case(
        "two outages", "10 times 503, 3 answers, 10 times 503",
        [*[page(503)] * 10, *[PASS] * 3, *[page(503)] * 10],
        batches=(range(1, 6),), options=breaker, calls=25, retries=20, openings=2, seconds=0.6,
    )  # fmt: skip
    yield Case(
        "the breaker is open, and there is a default-value", "10 times 503: the row that waits takes it at once",
        [page(503)] * 10, batches=((1,), (2,)), endpoint="{proxy}",
        options={**breaker, "circuit-breaker-timeout": "1 min", "default-value": "0"},
        failed=2, calls=10, retries=9, openings=1, message="circuit breaker is open",
    )  # fmt: skip
    yield Case(
        "rows refused, with the circuit breaker", "30 times 400: not the server's fault", poison=page(400),
        batches=((POISON,),) * 30, options=breaker, failed=30, calls=30, message="HTTP 400",
    )  # fmt: skip
    yield Case(
        "resets, with the circuit breaker", "10 times RST", [Step("reset")] * 10,
        batches=(range(1, 6),), options=breaker, calls=15, retries=10, openings=1, seconds=0.3,
    )  # fmt: skip


def _endpoints() -> Iterator[Case]:
    yield Case(
        "one endpoint of two is away", "the first refuses connections", endpoint="{nobody},{other}",
        batches=((1, 2), (3,), (4,)), calls=None, retries=None,
    )  # fmt: skip
    yield Case(
        "one endpoint of two is broken", "the first answers 503", always=page(503), endpoint="{proxy},{other}",
        batches=tuple((x,) for x in range(1, 9)), calls=None, retries=None,
    )  # fmt: skip
    yield Case("requests in gzip", "Triton takes them", options={"compression": "gzip", "compression-min-bytes": "0"})
    yield Case(
        "requests in deflate", "Triton takes them", options={"compression": "deflate", "compression-min-bytes": "0"}
    )
    yield Case("answers in gzip", "Triton makes them", options={"compression-response": "true"})


CASES: tuple[Case, ...] = (
    *_transport(),
    *_statuses(),
    *_poison(),
    *_contract(),
    *_breakers(),
    *_endpoints(),
)


def document() -> str:
    """The table, for the docs."""
    options = ", ".join(f"`{key}` = `{value}`" for key, value in OPTIONS.items())
    lines = [
        "# Faults, and what becomes of the rows",
        "",
        "Written by `make pages` from the data that the tests run, with a proxy that makes the faults in",
        f"front of a real Triton and {options}, unless the case says otherwise. A call is one HTTP",
        "request with rows; a retry is a call that sends a request again. A failed row becomes what its policy says.",
        "Each goes through the core, and through `ML_PREDICT` in a real job, with Flink's own metrics compared; those",
        "of `tests/faults/test_door_faults.py` go through every front door.",
        "",
        "| fault | how it is made | rows | what becomes of them | calls | retries | openings | message |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case in CASES:
        fate = "the job fails" if case.job else f"{case.rows - case.failed} answered, {case.failed} failed"
        calls, retries = ("as time allows" if number is None else number for number in (case.calls, case.retries))
        cells = (case.fault, case.made, case.rows, fate, calls, retries, case.openings, case.message or "-")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    DOCUMENT.write_text(document())
