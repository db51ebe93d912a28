"""A proxy on 127.0.0.1 in front of a Triton that lets only those through who show the right header."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class CheckingProxy:
    """What it asks for, and what came.

    The first part of a path says what becomes of a call: each key of `required` wants its header, `forbidden` answers
    403 to inferences, `echo` answers them with what it was sent, as 500, `html` with the same as 200, `pretended` as
    200 with the header of tensors; `hang` before any of these holds inferences back until `release`.

    Attributes:
        upstream: The Triton, as `host:port`.
        required: For each first part of a path the header that it wants, and its value.
        passed: How many calls each first part of a path let through.
        refused: How many it answered with 401.
        url: Where it listens.
    """

    upstream: str
    required: dict[str, tuple[str, str]]
    passed: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    url: str = ""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._released = threading.Event()
        self.held = 0

    def release(self) -> None:
        """Let go of what `hang` holds back, now and later."""
        self._released.set()

    def answer(self, call: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        """What a call is answered: status, headers, body."""
        body = call.rfile.read(int(call.headers.get("Content-Length") or 0))
        name, _, path = urlsplit(call.path).path[1:].partition("/")  # a proxy is told the whole URL
        if name == "held":
            return 200, {}, str(self.held).encode()
        if name == "release":
            self.release()
            return 200, {}, b""
        is_inference = path.endswith("/infer")
        if name == "hang":
            name, _, path = path.partition("/")
            if is_inference:
                with self._lock:
                    self.held += 1
                self._released.wait(60)
        if is_inference and name in ("echo", "html", "pretended", "forbidden"):
            words = f"<p>no: {dict(call.headers)}</p>".encode()
            headers = {"Inference-Header-Content-Length": str(len(words))} if name == "pretended" else {}
            return {"echo": 500, "forbidden": 403}.get(name, 200), headers, words
        header, value = self.required.get(name, ("Host", call.headers["Host"]))
        is_right = call.headers.get(header) == value
        with self._lock:
            counts = self.passed if is_right else self.refused
            counts[name] = counts.get(name, 0) + 1
        return self._forward(call, path, body) if is_right else (401, {}, b'{"error": "who are you?"}')

    def _forward(self, call: BaseHTTPRequestHandler, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            headers = _taken(call.headers)
            connection.request(call.command, f"/{path}", body, headers)
            response = connection.getresponse()
            answered = response.read()
            return response.status, _taken(response.headers), answered
        finally:
            connection.close()


def _taken(headers: Message) -> dict[str, str]:
    """The headers that go on."""
    wanted = ("Content-Type", "Inference-Header-Content-Length")
    return {name: headers[name] for name in wanted if name in headers}


@contextmanager
def checking_proxy(upstream_url: str, required: dict[str, tuple[str, str]]) -> Iterator[CheckingProxy]:
    """Run one.

    Args:
        upstream_url: The Triton.
        required: For each first part of a path the header that it wants, and its value.
    """
    proxy = CheckingProxy(urlsplit(upstream_url).netloc, required)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            status, headers, body = proxy.answer(self)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # who asked may be gone
                self.end_headers()
                self.wfile.write(body)

        do_GET = do_POST = _handle  # the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.release()
        server.shutdown()
        server.server_close()
        thread.join()
