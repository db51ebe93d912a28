"""Calls over connections of our own: bytes out, bytes in, and each error as a fault of the protocol."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from pyflink_triton.addresses import split_address
from pyflink_triton.errors import ContractError
from pyflink_triton.http.connection import Connection, CutOff, TooLarge
from pyflink_triton.http.connection_pool import ConnectionPool, Origin
from pyflink_triton.http.credentials import Credentials
from pyflink_triton.http.http2 import speaks_http2
from pyflink_triton.http.response import MAX_TEXT_BYTES, HttpResponse, finish, is_finished
from pyflink_triton.http.response_head import BadResponse
from pyflink_triton.http.tls import speaks_tls, tls_context
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import Fault, NoResponseError

_PORTS = {"http": 80, "https": 443}
#: What may come instead of a response.
_ERRORS = (OSError, asyncio.TimeoutError, BadResponse, TooLarge)
#: Of so many URLs the parts are kept, and the first lines of calls to them.
_KEPT_URLS = 4096
_NO_HEADERS: Mapping[str, str] = {}


class _Target(NamedTuple):
    """A URL in the parts that a call needs: ``path`` is what the request line has, ``host`` the header."""

    origin: Origin
    path: str
    host: str


class DirectClient:
    """Kept-alive connections to a model's endpoints.

    Args:
        options: The model's options.

    Attributes:
        credentials: The headers of every call.

    Raises:
        OptionError: A TLS file cannot be used.
        AccessError: A secret is missing.
    """

    def __init__(self, options: Options) -> None:
        self.credentials = Credentials(options)
        self._options = options
        self._expected = ("gzip", "deflate") if options.compression_response else ()
        self._encodings = ", ".join(self._expected) or "identity"
        self._pool = ConnectionPool(options.connection_max_age, tls_context(options))
        self._targets: dict[str, _Target] = {}
        #: The first lines of a call by its method, its URL and its encodings, as long as the credentials stay.
        self._heads: dict[tuple[str, str, str], bytes] = {}
        self._generation = 0

    async def close(self) -> None:
        """End every call under way and close the connections."""
        self._pool.close()

    async def speaks_tls(self, url: str) -> bool:
        """Whether what answers an http URL speaks TLS, as far as can be seen from here."""
        scheme, host, port, address = self._target(url).origin
        return scheme == "http" and await speaks_tls(address or host, port)

    async def addresses(self, url: str) -> Sequence[str]:
        """Look up the addresses of a URL's host; see ``ConnectionPool.addresses``."""
        return await self._pool.addresses(self._target(url).origin)

    async def speaks_http2(self, url: str, *, over_tls: bool) -> bool:
        """Whether what answers a URL's host and port speaks HTTP/2 alone, as gRPC does."""
        _, host, port, address = self._target(url).origin
        return await speaks_http2(address or host, port, over_tls=over_tls)

    async def probe(self, url: str, timeout: float) -> HttpResponse:
        """Send a GET by a connection of its own; see ``call``.

        Args:
            url: Where to.
            timeout: Seconds for all of it.
        """
        return await self._once("GET", url, None, _NO_HEADERS, timeout, own=True)

    async def call(
        self,
        method: str,
        url: str,
        *,
        body: Sequence[bytes | memoryview] | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout: float | None = None,
        is_text: bool = False,
    ) -> HttpResponse:
        """Make a call. A GET that met a connection which the server had closed is sent once more.

        Args:
            method: The HTTP method.
            url: Where to.
            body: The request's body, in parts.
            headers: Headers beside those of every call.
            timeout: Seconds for all of it; None for the option ``timeout``.
            is_text: Whether text comes back whatever is sent; without it, tensors where there is a body.

        Raises:
            NoResponseError: There was no answer.
            ContractError: The response is larger than allowed, or has a compression that was not asked for.
        """
        seconds = self._options.timeout if timeout is None else timeout
        began = time.monotonic()
        try:
            return await self._once(method, url, body, headers, seconds, is_text=is_text)
        except NoResponseError as error:
            if method != "GET" or not error.stale:
                raise
        left = max(began + seconds - time.monotonic(), 0.0)
        return await self._once(method, url, body, headers, left, own=True)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        body: Sequence[bytes | memoryview] | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout: float,
        total: float,
    ) -> AsyncIterator[tuple[HttpResponse, AsyncIterator[bytes]]]:
        """Make a call whose response's body is read as it comes; see ``call``.

        What comes faster than it is read waits in the server. Where the body is not read to its end, the connection
        is closed.

        Args:
            method: The HTTP method.
            url: Where to.
            body: The request's body, in parts.
            headers: Headers beside those of every call.
            timeout: Seconds for the head of the response, and for each part of its body.
            total: Seconds for all of it.

        Returns:
            The response without its body, and the parts of the body.
        """
        target = self._target(url)
        connection: Connection | None = None
        seconds, end = min(timeout, total), time.monotonic() + total
        try:
            deadline = time.monotonic() + seconds
            connection = self._pool.take(target.origin) or await self._pool.connect(target.origin, seconds)
            parts = (self._head(method, url, headers, body, "identity"), *(body or ()))
            response = await connection.stream(parts, deadline)
        except _ERRORS as error:
            raise self._failed(error, connection, seconds) from None
        came = HttpResponse(response.status, response.headers, b"", target.path)
        try:
            yield came, self._parts(connection, timeout, end)
        finally:
            self._pool.give(target.origin, connection)

    async def _parts(self, connection: Connection, seconds: float, end: float) -> AsyncIterator[bytes]:
        while True:
            try:
                part = await connection.part(min(time.monotonic() + seconds, end))
            except _ERRORS as error:
                raise self._failed(error, connection, seconds) from None
            if part is None:
                return
            yield part

    async def _once(
        self,
        method: str,
        url: str,
        body: Sequence[bytes | memoryview] | None,
        headers: Mapping[str, str],
        seconds: float,
        *,
        own: bool = False,
        is_text: bool = False,
    ) -> HttpResponse:
        target = self._target(url)
        text_limit, is_text = MAX_TEXT_BYTES, is_text or body is None
        limits = (text_limit if is_text else self._options.max_response_bytes, text_limit)
        connection: Connection | None = None
        try:
            deadline = time.monotonic() + seconds
            if not own:
                connection = self._pool.take(target.origin)
            if connection is None:
                connection = await self._pool.connect(target.origin, seconds)
            head = self._head(method, url, headers, body, self._encodings)
            response = await connection.request((head, *(body or ())), deadline, limits)
        except _ERRORS as error:
            raise self._failed(error, connection, seconds) from None
        if own:
            connection.close()
        else:
            self._pool.give(target.origin, connection)
        came = HttpResponse(response.status, response.headers, response.body, target.path)
        if is_finished(came, is_inference=not is_text):
            return came
        limit = limits[response.status != 200]
        return await finish(came, self.credentials, self._expected, limit, is_inference=not is_text)

    def _target(self, url: str) -> _Target:
        found = self._targets.get(url)
        if found is None:
            if len(self._targets) >= _KEPT_URLS:
                self._targets.clear()
                self._heads.clear()
            at, address = split_address(url)
            parts = urlsplit(at)
            host = parts.hostname or ""
            named = f"[{host}]" if ":" in host else host.rstrip(".")
            port = parts.port or _PORTS[parts.scheme]
            if port != _PORTS[parts.scheme]:
                named += f":{port}"
            origin = Origin(parts.scheme, host, port, address)
            found = self._targets[url] = _Target(origin, parts.path or "/", named)
        return found

    def _head(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Sequence[bytes | memoryview] | None,
        encodings: str,
    ) -> bytes:
        if self._generation != self.credentials.generation:
            self._heads.clear()
            self._generation = self.credentials.generation
        found = self._heads.get((method, url, encodings))
        if found is None:
            target = self._target(url)
            sent = {"Host": target.host, "Accept-Encoding": encodings, **self.credentials.headers}
            lines = [f"{method} {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
            found = self._heads[method, url, encodings] = "\r\n".join(lines).encode()
        more = "".join([f"\r\n{name}: {value}" for name, value in headers.items()])
        if body is not None:
            more += f"\r\nContent-Length: {sum(map(len, body))}"
        elif method == "POST":
            more += "\r\nContent-Length: 0"
        return b"%b%b\r\n\r\n" % (found, more.encode())

    def _failed(self, error: Exception, connection: Connection | None, seconds: float) -> Exception:
        """Name the fault."""
        if isinstance(error, TooLarge):
            return ContractError(
                f"the server answered HTTP {error.status} with more than {error.limit} bytes "
                "(the option 'max-response-bytes')",
                status=error.status,
            )
        if connection is None:
            return NoResponseError(_connect_fault(error), False, False, _words(error), seconds)
        if _is_late(error):
            return NoResponseError(Fault.TIMEOUT, connection.began, False, "", seconds)
        if isinstance(error, BadResponse):
            return NoResponseError(Fault.NONSENSE, connection.began, False, str(error), seconds)
        if isinstance(error, CutOff):
            return NoResponseError(Fault.CUT, connection.began, False, "", seconds)
        is_stale = connection.is_reused
        if is_stale:
            self._pool.renew()
        fault = Fault.RESET if connection.began or is_stale else Fault.REFUSED
        return NoResponseError(fault, connection.began, is_stale, _words(error), seconds)


def _is_late(error: Exception) -> bool:
    """Whether the call's own time is over; the system's ETIMEDOUT says that a connection broke."""
    return isinstance(error, asyncio.TimeoutError) and getattr(error, "errno", None) is None


def _connect_fault(error: Exception) -> Fault:
    if _is_late(error):
        return Fault.CONNECT_TIMEOUT
    if isinstance(error, socket.gaierror):
        return Fault.DNS
    return Fault.TLS if isinstance(error, ssl.SSLError) else Fault.REFUSED


def _words(error: Exception) -> str:
    """Why, without a header and without an address that the option does not hold."""
    if isinstance(error, ConnectionRefusedError):
        return "Connection refused"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(error, ConnectionResetError):
        return "Connection reset by peer"
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return type(error).__name__
