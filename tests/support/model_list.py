"""A server in front of a Triton whose list of models fails, is slow, never comes, or is another one."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from triton import Triton

_LIST = "/v2/repository/index"
_SLOW = 0.5


class Front(ThreadingHTTPServer):
    """Serve what the Triton serves, but for the list.

    Attributes:
        kind: What becomes of a request for the list: a status, ``hung``, ``dripping``, ``slow``, or nothing else.
        names: The models to list; None for the Triton's own.
        listings: How often it was asked for the list.
    """

    daemon_threads = True

    def __init__(self, kind: str, triton: Triton) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.kind, self.address, self.listings, self.ended = kind, triton.address, 0, threading.Event()
        self.names: Sequence[str] | None = None

    @property
    def url(self) -> str:
        """What the option `endpoint` takes."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == _LIST:
            self.server.listings += 1
            if self.server.kind == "hung":
                self.server.ended.wait(60)
                return
            if self.server.kind == "dripping":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not self.server.ended.wait(0.2):
                    self.wfile.write(b"[")
                return
            if self.server.kind.isdigit():
                self._send(int(self.server.kind), b'{"error":"not for you"}')
                return
            if self.server.kind == "slow":
                time.sleep(_SLOW)
            if self.server.names is not None:
                listed = [{"name": name, "state": "READY"} for name in self.server.names]
                self._send(200, json.dumps(listed).encode())
                return
        upstream = http.client.HTTPConnection(self.server.address, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Content-Length")}
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.startswith("Inference")}
        self._send(answer.status, answer.read(), **kept)
        upstream.close()

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def front(kind: str, triton: Triton) -> Iterator[Front]:
    """Run one."""
    server = Front(kind, triton)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
