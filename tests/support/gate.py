"""A gate in front of a server: it speaks http or https, demands headers, and writes down what passed."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, web

#: Headers of one hop, and those that the next writes itself.
_OF_ONE_HOP = {"host", "connection", "transfer-encoding", "content-length"}


@dataclass
class Gate:
    """What a gate asks for and saw.

    Attributes:
        target: The server behind it.
        demanded: Headers without which it answers 401.
        hidden: The status that it answers to all that is no inference; None: all is let through.
        ends: How the paths end that are hidden.
        passed: The path and headers of each request that it let through.
        refused: The path of each call that it did not, for what it hides.
        url: Where it listens.
    """

    target: str
    demanded: Mapping[str, str] = field(default_factory=dict)
    hidden: int | None = None
    ends: tuple[str, ...] = ("",)
    refused: list[str] = field(default_factory=list)
    passed: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    url: str = ""

    def inferences(self) -> list[Mapping[str, str]]:
        """The headers of each inference."""
        return [headers for path, headers in self.passed if path.endswith("/infer")]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if any(request.headers.get(name) != value for name, value in self.demanded.items()):
            return web.Response(status=401, text="who are you?")
        if self.hidden is not None and not request.path.endswith("/infer") and request.path.endswith(self.ends):
            self.refused.append(request.path)
            return web.Response(status=self.hidden, text="there is nothing here")
        self.passed.append((request.path, request.headers))
        body = await request.read()
        async with (
            ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as client,
            client.request(
                request.method, self.target + request.path, data=body, headers=_ends(request.headers)
            ) as got,
        ):
            return web.Response(status=got.status, body=await got.read(), headers=_ends(got.headers))


def _ends(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_HOP}


@contextmanager
def gate(
    target: str,
    demanded: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    hidden: int | None = None,
    ends: tuple[str, ...] = ("",),
) -> Iterator[Gate]:
    """Open a gate in front of a server.

    Args:
        target: The server's URL.
        demanded: Headers that a request must have.
        tls: With it the gate speaks https.
        hidden: The status that it answers to all that is no inference.
        ends: How the paths end that are hidden.
    """
    opened = Gate(target, demanded or {}, hidden, ends)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gate", daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_listen(opened, tls), loop).result(30)
    try:
        yield opened
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _listen(opened: Gate, context: ssl.SSLContext | None) -> web.AppRunner:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", opened.answer)
    # A compressed body passes as it is.
    runner = web.AppRunner(app, auto_decompress=False, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    opened.url = f"{'http' if context is None else 'https'}://127.0.0.1:{port}"
    return runner
