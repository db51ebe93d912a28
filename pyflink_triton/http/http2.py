"""Whether a port speaks HTTP/2 alone, as gRPC does: it answers HTTP/1.1 with frames, or hangs up."""

from __future__ import annotations

import asyncio
import ssl

from pyflink_triton.http.tls import greeting_context

#: How a client begins in HTTP/2: its preface, and settings that say nothing.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
#: The kind and the stream of a server's first frame, its settings, which follow the length of 3 bytes.
_HEAD_BYTES = 9
_SETTINGS = b"\x04"
_ANSWER_SECONDS = 1.0


async def speaks_http2(host: str, port: int, *, over_tls: bool = False) -> bool:
    """Whether a server greets as HTTP/2 does, where nothing was agreed on before; it is sent a greeting and no more.

    Args:
        host: The server's host.
        port: The server's port.
        over_tls: Whether it is greeted over TLS.
    """
    try:
        return await asyncio.wait_for(_greet(host, port, _context() if over_tls else None), _ANSWER_SECONDS)
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):  # an SSLError is an OSError
        return False


async def _greet(host: str, port: int, context: ssl.SSLContext | None) -> bool:
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(_GREETING)
        head = await reader.readexactly(_HEAD_BYTES)
        return head[3:4] == _SETTINGS and not any(head[5:])
    finally:
        writer.transport.abort()  # a goodbye of TLS would keep the server waiting


def _context() -> ssl.SSLContext:
    context = greeting_context()
    context.set_alpn_protocols(["h2"])
    return context
