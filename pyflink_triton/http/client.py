"""One HTTP call: bytes out, bytes in, and each of aiohttp's errors as a fault of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from yarl import URL

from pyflink_triton.errors import ContractError
from pyflink_triton.http.body import Body
from pyflink_triton.http.compat import NEW_CONNECTION, Connector
from pyflink_triton.http.compression import decompress
from pyflink_triton.http.credentials import Credentials
from pyflink_triton.http.tls import speaks_tls, tls_context
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import Fault, NoResponseError
from pyflink_triton.protocol.kserve_v2 import HEADER_LENGTH

#: Bytes of a response without tensors at the most: enough for a message and for a model's configuration.
_MAX_TEXT_BYTES = 16 << 20
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


@dataclass(frozen=True)
class HttpResponse:
    """A response, whatever its status.

    Attributes:
        status: The HTTP status.
        headers: The HTTP headers.
        body: The HTTP body.
        path: The path of the request.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    path: str


class HttpClient:
    """Kept-alive connections to a model's endpoints.

    Args:
        options: The model's options.

    Raises:
        OptionError: A TLS file cannot be used.
        AccessError: A secret is missing.
    """

    def __init__(self, options: Options) -> None:
        self.credentials = Credentials(options)
        self._options = options
        self._expected = ("gzip", "deflate") if options.compression_response else ()
        self._proxies = _proxies(options)
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

    async def speaks_tls(self, url: URL) -> bool:
        """Whether what answers an http URL speaks TLS, as far as can be seen from here."""
        host, port = url.host, url.port
        if url.scheme != "http" or url.origin() in self._proxies or host is None or port is None:
            return False
        return await speaks_tls(host, port)

    async def probe(self, url: URL, timeout: float) -> HttpResponse:
        """Send a GET by a connection of its own; see ``call``.

        Args:
            url: Where to.
            timeout: Seconds for all of it.
        """
        token = NEW_CONNECTION.set(True)
        try:
            return await self.call("GET", url, timeout=timeout)
        finally:
            NEW_CONNECTION.reset(token)

    async def call(
        self,
        method: str,
        url: URL,
        *,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> HttpResponse:
        """Make a call.

        Args:
            method: The HTTP method.
            url: Where to.
            body: The request's body.
            headers: Headers beside those of every call.
            timeout: Seconds for all of it; None for the option ``timeout``.

        Raises:
            NoResponseError: There was no answer.
            ContractError: The response is larger than allowed, or has a compression that was not asked for.
        """
        sent_headers = self.credentials.headers if headers is None else {**self.credentials.headers, **headers}
        more: dict[str, Any] = {}
        if timeout is not None:
            more["timeout"] = _time_limit(timeout)
        if self._proxies:
            more["proxy"] = self._proxies.get(url.origin())
        try:
            async with self._session.request(
                method, url, data=body, headers=sent_headers, allow_redirects=False, **more
            ) as response:
                content = await self._read(response, is_inference=body is not None)
                # Tensors are left as they are. Text may go into a message.
                if response.status != 200 or (body is not None and HEADER_LENGTH not in response.headers):
                    content = self.credentials.redact(content)
                return HttpResponse(response.status, response.headers, content, url.raw_path)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            failed = _no_response(error, body, self._options.timeout if timeout is None else timeout)
            if failed.stale:
                self._connector.renew()
            raise failed from None

    async def _read(self, response: aiohttp.ClientResponse, *, is_inference: bool) -> bytes:
        limit = self._options.max_response_bytes if response.status == 200 and is_inference else _MAX_TEXT_BYTES
        if response.content_length is not None and response.content_length <= limit:
            content = await response.read()
        else:
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
            content = b"".join(chunks)
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding == "identity":
            return content
        if response.status != 200:
            # The status says most of it; the text is left out where it cannot be read.
            with contextlib.suppress(ContractError):
                return await decompress(content, encoding, limit)
            return b""
        if encoding not in self._expected:
            raise ContractError(
                f"the server answered with a {encoding[:40]!r} body that was not asked for", status=response.status
            )
        return await decompress(content, encoding, limit)


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


def _proxies(options: Options) -> dict[URL, str]:
    """The proxy of each endpoint's origin, where proxies of the environment are used."""
    if not options.proxy_from_environment:
        return {}
    known = getproxies_environment()
    found = {}
    for endpoint in options.endpoints:
        parts = urlsplit(endpoint)
        proxy = known.get(parts.scheme)
        if proxy and parts.hostname and not proxy_bypass(parts.netloc, known):
            found[URL(endpoint, encoded=True).origin()] = proxy if "://" in proxy else f"http://{proxy}"
    return found
