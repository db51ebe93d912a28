"""`trace-context`: a traceparent for each call, and a real Triton's OpenTelemetry traces that have its ids."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from deliveries import Model, header, proxied, through
from deliveries import model as opened_model
from fault_proxy import FaultProxy
from faults import page
from model_repository import MODELS, write_repository
from scripted import script_model
from triton import ARGUMENTS, Triton
from waiting import wait_for

from pyflink_triton.server import TritonServer

#: The header by W3C: a version, the ids of the trace and of the span, and that it is to be sampled.
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")


def contexts(log: FaultProxy) -> list[tuple[str, str]]:
    """The trace and the span of each inference."""
    found = [TRACEPARENT.fullmatch(header(call, "traceparent") or "") for call in log.inferences]
    assert None not in found
    return [(match[1], match[2]) for match in found if match]


def test_a_request_is_one_trace_and_each_call_a_span(triton: Triton) -> None:
    async def work(one: Model) -> None:
        assert await one.answers(1) == [1]
        assert await one.answers(2) == [2]

    first, again, other = contexts(through(triton, proxied(triton, page(503)), work, trace_context="true"))
    assert first[0] == again[0] != other[0]
    assert len({first[1], again[1], other[1]}) == 3


def test_without_the_option_there_is_no_header(triton: Triton) -> None:
    async def work(one: Model) -> None:
        assert await one.answers(1) == [1]

    (call,) = through(triton, proxied(triton), work).inferences
    assert header(call, "traceparent") is None


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP, as JSON."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Takes)
        self.spans: list[dict[str, Any]] = []

    def of(self, trace: str) -> list[dict[str, Any]]:
        return [span for span in self.spans if span["traceId"] == trace]


class Takes(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        scopes = [scope for resource in body["resourceSpans"] for scope in resource["scopeSpans"]]
        self.server.spans += [span for scope in scopes for span in scope["spans"]]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, daemon=True)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def test_tritons_own_traces_have_the_ids_that_are_logged_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pyflink_triton.calls")
    repository = write_repository(tmp_path / "models", [each for each in MODELS if each.name in ("fails", "script")])
    with collecting() as collector:
        url = f"http://127.0.0.1:{collector.server_port}/v1/traces"
        settings = ("mode=opentelemetry", f"opentelemetry,url={url}", "opentelemetry,bsp_schedule_delay=100")
        tracing = [f"--trace-config={setting}" for setting in (*settings, "rate=1", "level=TIMESTAMPS")]
        with TritonServer(repository, arguments=[*ARGUMENTS, *tracing]) as server:
            asyncio.run(predicted(server.http_url))
            calls = re.findall(r"request (\S+), trace ([0-9a-f]{32}) of 1 rows is sent", caplog.text)
            assert len(calls) == 2
            wait_for(lambda: all(collector.of(trace) for _, trace in calls), 20, f"spans of {calls}")
            (request, plain), (_, streamed) = calls
            wait_for(lambda: request in json.dumps(collector.of(plain)), 20, f"the id {request} in {plain}")
    for trace in (plain, streamed):
        spans = collector.of(trace)
        ids = {span["spanId"] for span in spans}
        assert len([span for span in spans if span.get("parentSpanId") not in ids]) == 1, "all below our span"


async def predicted(url: str) -> None:
    """A row of a model, and one of a decoupled model."""
    async with opened_model(url, url, trace_context="true") as one:
        assert await one.answers(5) == [5]
    async with script_model(url, trace_context="true") as stream:
        outcome = await stream.predict(['["a"]'])
        assert outcome.errors == {}
