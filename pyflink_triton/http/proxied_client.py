"""Calls through a proxy of the environment, by aiohttp; each of its errors as a fault of the protocol."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from pyflink_triton.errors import ContractError
from pyflink_triton.http.body import Body
from pyflink_triton.http.compat import NEW_CONNECTION, Connector
from pyflink_triton.http.credentials import Credentials
from pyflink_triton.http.http2 import speaks_http2
from pyflink_triton.http.response import MAX_TEXT_BYTES, HttpResponse, finish
from pyflink_triton.http.tls import speaks_tls, tls_context
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import Fault, NoResponseError

#: What each of aiohttp's errors means; the first match counts.
_FAULTS: tuple[tuple[type[BaseException], Fault], ...] = (
    (asyncio.TimeoutError, Fault.TIMEOUT),
    # By getattr, so that an aiohttp that lacks this class can be imported, and is refused with a sentence (compat).
    (getattr(aiohttp, "ClientConnectorDNSError", aiohttp.ClientConnectorError), Fault.DNS),
    (aiohttp.ClientConnectorCertificateError, Fault.TLS),
    (aiohttp.ClientSSLError, Fault.TLS),
    (ssl.SSLError, Fault.TLS),
    (aiohttp.ClientHttpProxyError, Fault.REFUSED),
    (aiohttp.ClientConnectorError, Fault.REFUSED),
    (aiohttp.ClientPayloadError, Fault.CUT),
    (aiohttp.ClientResponseError, Fault.NONSENSE),
    (aiohttp.ClientError, Fault.RESET),
    (OSError, Fault.RESET),
)


#: What a fault is where no byte of the request was sent.
_UNSENT: dict[Fault, Fault] = {Fault.TIMEOUT: Fault.CONNECT_TIMEOUT, Fault.RESET: Fault.REFUSED}


class ProxiedClient:
    """Kept-alive connections to a model's endpoints; see ``DirectClient``.

    Args:
        options: The model's options.
        proxies: The URL of the proxy of each endpoint's origin that has one.

    Raises:
        OptionError: A TLS file cannot be used.
        AccessError: A secret is missing.
    """

    def __init__(self, options: Options, proxies: Mapping[str, str]) -> None:
        self.credentials = Credentials(options)
        self._options = options
        self._expected = ("gzip", "deflate") if options.compression_response else ()
        self._proxies = {URL(origin, encoded=True): proxy for origin, proxy in proxies.items()}
        context = tls_context(options)
        self._connector = Connector(options.connection_max_age, limit=0, ssl=True if context is None else context)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=_time_limit(options.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            # Without it a server may compress as it likes.
            headers={"Accept-Encoding": "gzip, deflate" if self._expected else "identity"},
            skip_auto_headers=["User-Agent", "Accept"],
        )

    async def close(self) -> None:
        """End every call under way and close the connections."""
        await self._session.close()

    async def speaks_tls(self, url: str) -> bool:
        """Whether what answers an http URL speaks TLS; see ``DirectClient.speaks_tls``."""
        place = self._place(url)
        return place is not None and URL(url, encoded=True).scheme == "http" and await speaks_tls(*place)

    async def addresses(self, url: str) -> Sequence[str]:
        """None: which address a call goes to is the proxy's choice, and names may mean others there."""
        return ()

    async def speaks_http2(self, url: str, *, over_tls: bool) -> bool:
        """Whether what answers a URL's host and port speaks HTTP/2 alone; see ``DirectClient.speaks_http2``."""
        place = self._place(url)
        return place is not None and await speaks_http2(*place, over_tls=over_tls)

    def _place(self, url: str) -> tuple[str, int] | None:
        """The host and port of a URL that can be greeted from here; None behind a proxy."""
        parts = URL(url, encoded=True)
        if parts.origin() in self._proxies or parts.host is None or parts.port is None:
            return None
        return parts.host, parts.port

    async def probe(self, url: str, timeout: float) -> HttpResponse:
        """Send a GET by a connection of its own; see ``DirectClient.probe``."""
        token = NEW_CONNECTION.set(True)
        try:
            return await self.call("GET", url, timeout=timeout)
        finally:
            NEW_CONNECTION.reset(token)

    async def call(
        self,
        method: str,
        url: str,
        *,
        body: Sequence[bytes | memoryview] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        is_text: bool = False,
    ) -> HttpResponse:
        """Make a call; see ``DirectClient.call``."""
        target = URL(url, encoded=True)
        sent = None if body is None else Body(body)
        sent_headers = self.credentials.headers if headers is None else {**self.credentials.headers, **headers}
        more: dict[str, Any] = {}
        if timeout is not None:
            more["timeout"] = _time_limit(timeout)
        try:
            async with self._session.request(
                method,
                target,
                data=sent,
                headers=sent_headers,
                allow_redirects=False,
                proxy=self._proxies.get(target.origin()),
                **more,
            ) as response:
                is_inference = body is not None and not is_text
                is_large = response.status == 200 and is_inference
                limit = self._options.max_response_bytes if is_large else MAX_TEXT_BYTES
                content = await self._read(response, limit)
                came = HttpResponse(response.status, response.headers, content, target.raw_path)
                return await finish(came, self.credentials, self._expected, limit, is_inference=is_inference)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise self._failed(error, sent, self._options.timeout if timeout is None else timeout) from None

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        body: Sequence[bytes | memoryview] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float,
        total: float,
    ) -> AsyncIterator[tuple[HttpResponse, AsyncIterator[bytes]]]:
        """Make a call whose response's body is read as it comes; see ``DirectClient.stream``."""
        target = URL(url, encoded=True)
        sent = None if body is None else Body(body)
        try:
            async with self._session.request(
                method,
                target,
                data=sent,
                headers={**self.credentials.headers, **(headers or {})},
                allow_redirects=False,
                proxy=self._proxies.get(target.origin()),
                timeout=aiohttp.ClientTimeout(total=total, sock_read=timeout),
            ) as response:
                yield HttpResponse(response.status, response.headers, b"", target.raw_path), response.content.iter_any()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise self._failed(error, sent, timeout) from None

    def _failed(
        self, error: aiohttp.ClientError | asyncio.TimeoutError | OSError, sent: Body | None, seconds: float
    ) -> NoResponseError:
        """Say why there was no response; connections that the server has closed are made anew."""
        failed = _no_response(error, sent, seconds)
        if failed.stale:
            self._connector.renew()
        return failed

    async def _read(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        if response.content_length is not None and response.content_length <= limit:
            return await response.read()
        chunks, size = [], 0
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise ContractError(
                    f"the server answered HTTP {response.status} with more than {limit} bytes "
                    "(the option 'max-response-bytes')",
                    status=response.status,
                )
        return b"".join(chunks)


def _time_limit(seconds: float) -> aiohttp.ClientTimeout:
    """The time of a call as aiohttp has it; aiohttp rounds times above 5 s up to a second."""
    return aiohttp.ClientTimeout(total=seconds)


def _no_response(error: BaseException, body: Body | None, seconds: float) -> NoResponseError:
    """Name the fault. A call without a body keeps ``TIMEOUT``, because nothing tells whether it was connected."""
    fault = next(fault for kind, fault in _FAULTS if isinstance(error, kind))
    if body is None:
        return NoResponseError(fault, False, False, _words(error), seconds)
    stale = fault is Fault.RESET and not body.fresh
    if not body.began and not stale:
        fault = _UNSENT.get(fault, fault)
    return NoResponseError(fault, body.began, stale, _words(error), seconds)


def _words(error: BaseException) -> str:
    """Why, without a header and without an address that the option does not hold."""
    reason = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(reason, ConnectionRefusedError):
        return "Connection refused"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return reason.verify_message
    if isinstance(reason, ssl.SSLError):
        return (reason.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    if isinstance(reason, ConnectionResetError):
        return "Connection reset by peer"
    return type(error).__name__
