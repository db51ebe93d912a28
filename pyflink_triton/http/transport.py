"""A model's servers over HTTP, in the KServe v2 protocol as each of them speaks it."""

from __future__ import annotations

import asyncio
import email.utils
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyflink_triton.addresses import below, model_url, split_address
from pyflink_triton.errors import ContractError, Listener, WrongPortError
from pyflink_triton.http.compression import compress
from pyflink_triton.http.direct_client import DirectClient
from pyflink_triton.http.environment_proxies import environment_proxies
from pyflink_triton.http.response import HttpResponse
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.dialect import TRITON, Dialect, dialect_of
from pyflink_triton.protocol.failures import Cause, ErrorResponse, Fault, NoResponseError
from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse, OutputTensor, PreparedRequest
from pyflink_triton.protocol.kserve_v2 import HEADER_LENGTH, excerpt, read_error, read_response, write_request
from pyflink_triton.remedies import Remedy

if TYPE_CHECKING:
    from pyflink_triton.http.proxied_client import ProxiedClient

_JSON = {"Content-Type": "application/json"}
#: Seconds until a server that did not say what it is is asked again.
_ASK_AGAIN = 10.0
#: How Triton's own metrics begin, each on a line of its own.
_METRIC = b"nv_inference_"


@dataclass
class _Servers:
    """What is known of the endpoints.

    Attributes:
        dialects: What those speak that are known.
        ask_at: When the others may be asked again.
        asking: Held while one is asked.
    """

    dialects: dict[str, Dialect] = field(default_factory=dict)
    ask_at: dict[str, float] = field(default_factory=dict)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class HttpTransport:
    """Calls the endpoints of a model, and finds out what kind of server each is; see ``Transport``.

    Args:
        options: The model's options.
        beside: Another model of the same servers, whose connections are used; whoever made it closes them.

    Attributes:
        credentials: The headers of every call.
        client: Makes the calls.
        servers: What is known of the endpoints.

    Raises:
        OptionError: A TLS file cannot be used.
        AccessError: A secret is missing.
    """

    def __init__(self, options: Options, beside: HttpTransport | None = None) -> None:
        self._options = options
        self.servers: _Servers = _Servers() if beside is None else beside.servers
        self.client: DirectClient | ProxiedClient = _client(options) if beside is None else beside.client
        self.credentials = self.client.credentials
        self._infer = {base: self.url(base, "/infer") for base in options.every_endpoint}

    def url(self, base: str, action: str = "") -> str:
        """Where an endpoint has the model.

        Args:
            base: The endpoint's base URL.
            action: The end of the path, such as ``/infer``.
        """
        return below(model_url(base, self._options.model_name, self._options.model_version), action)

    async def close(self) -> None:
        """End every call under way and close the connections."""
        await self.client.close()

    def dialect(self, base: str) -> Dialect:
        """What an endpoint speaks; Triton's dialect where that is not known yet."""
        return self.servers.dialects.get(base, TRITON)

    def server(self, base: str) -> str:
        """Name the kind of server; see ``Transport.server``."""
        return self.dialect(base).server

    async def addresses(self, base: str) -> Sequence[str]:
        """Look up the addresses of an endpoint's host; see ``Transport.addresses``."""
        try:
            return await self.client.addresses(base)
        except OSError:
            return ()

    async def _identify(self, base: str) -> Dialect:
        """Find out what an endpoint speaks, once, when it has answered something."""
        async with self.servers.asking:
            if base in self.servers.dialects or time.monotonic() < self.servers.ask_at.get(base, 0.0):
                return self.dialect(base)
            self.servers.ask_at[base] = time.monotonic() + _ASK_AGAIN
            try:
                response = await self.client.call("GET", below(base, "/v2"))
                found = self._object(base, response) if response.status == 200 else {}
            except ContractError:
                found = {}
            except NoResponseError:
                return TRITON
            if found or response.status in TRITON.hiding:  # else it may answer another time
                self.servers.dialects[base] = dialect_of(found)
            return dialect_of(found)

    async def prepare(self, request: InferenceRequest, request_id: str) -> PreparedRequest:
        """Write a request once, compressed where the options ask for it; see ``Transport.prepare``."""
        # A request may go to any endpoint, and what one server needs does no harm to another.
        dialect = next((each for each in self.servers.dialects.values() if each.answers_in_json), TRITON)
        header = write_request(request, request_id, dialect)
        buffers: Sequence[bytes | memoryview] = (header, *(part for tensor in request.inputs for part in tensor.data))
        headers = {HEADER_LENGTH: str(len(header)), "Content-Type": "application/octet-stream"}
        encoding = self._options.compression
        if encoding is not None and sum(map(len, buffers)) >= self._options.compression_min_bytes:
            buffers = (await compress(buffers, encoding),)
            headers["Content-Encoding"] = encoding
        return PreparedRequest(request_id, buffers, headers, request.outputs)

    async def infer(
        self, prepared: PreparedRequest, base: str, timeout: float, total: float, started: Callable[[], None]
    ) -> InferenceResponse:
        """Send a request, and wait for its response; see ``Transport.infer``."""
        generation = self.credentials.generation
        url = self._infer.get(base)
        if url is None:
            url = self._infer[base] = self.url(base, "/infer")
        response = await self.client.call(
            "POST",
            url,
            body=prepared.buffers,
            headers=prepared.headers,
            timeout=max(min(timeout, total), 0.001),
        )
        if response.status != 200:
            await self._identify(base)
            raise self.error(base, response, generation)
        outputs, version = await self._read(base, response, prepared)
        started()
        return InferenceResponse(outputs, base, version=version)

    async def _read(
        self, base: str, response: HttpResponse, prepared: PreparedRequest
    ) -> tuple[dict[str, OutputTensor], str | None]:
        """Read a response; one that is not as Triton's shows what an endpoint speaks that was away before."""

        def read(dialect: Dialect) -> tuple[dict[str, OutputTensor], str | None]:
            return read_response(response.headers, response.body, prepared.outputs, prepared.request_id, dialect)

        if base in self.servers.dialects:
            return read(self.servers.dialects[base])
        try:
            outputs, version = read(TRITON)
            if all(tensor.data is not None for tensor in outputs.values()):
                return outputs, version
        except ContractError:
            pass
        return read(await self._identify(base))

    async def ready(self, base: str, timeout: float | None = None) -> None:
        """Return if the model is ready; see ``Transport.ready``."""
        url = self.url(base, "/ready")
        if timeout is None:
            await self._ask("GET", base, url)
            return
        response = await self.client.probe(url, timeout)
        if response.status != 200:
            raise self.error(base, response)

    async def metadata(self, base: str) -> Mapping[str, Any]:
        """Read the model's metadata; see ``Transport.metadata``."""
        return await self._described(base, await self._ask("GET", base, self.url(base)))

    async def config(self, base: str, model: str | None = None, version: str | None = None) -> Mapping[str, Any]:
        """Read a model's configuration; see ``Transport.config``."""
        url = self.url(base) if model is None else model_url(base, model, version)
        response = await self._ask("GET", base, below(url, "/config"))
        self.servers.dialects[base] = TRITON  # no other server has it
        return await self._described(base, response)

    async def server_version(self, base: str) -> str:
        """Read the server's version; see ``Transport.server_version``."""
        found = await self._described(base, await self._ask("GET", base, below(base, "/v2")))
        self.servers.dialects.setdefault(base, dialect_of(found))
        return str(found.get("version", ""))

    async def index(self, base: str) -> Sequence[str]:
        """List the names of the models that are ready; see ``Transport.index``."""
        entries = await self.entries(base)
        return sorted({str(entry["name"]) for entry in entries if entry.get("state", "READY") == "READY"})

    async def entries(self, base: str) -> Sequence[Mapping[str, Any]]:
        """List the versions of all models with their state, as Triton does; another server's have a name alone."""
        try:
            response = await self._ask("POST", base, below(base, "/v2/repository/index"), body=(b"{}",))
        except ErrorResponse:
            if self.dialect(base).has_extensions:
                raise
            response = await self._ask("GET", base, below(base, "/v2/models"))
        try:
            found = json.loads(response.body)
            if isinstance(found, dict):  # the names of all, ready or not
                return [{"name": str(name)} for name in found["models"]]
            return [{"state": "", **entry, "name": str(entry["name"])} for entry in found]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._not_triton(base, response, "no list of models") from None

    async def _ask(self, method: str, base: str, url: str, body: Sequence[bytes] | None = None) -> HttpResponse:
        """Make a call other than an inference, and read secrets again where the server refuses them."""
        generation = self.credentials.generation
        headers = {} if body is None else _JSON
        try:
            response = await self.client.call(method, url, body=body, headers=headers, is_text=True)
            if response.status in (401, 403) and self.credentials.renew(generation):
                response = await self.client.call(method, url, body=body, headers=headers, is_text=True)
        except NoResponseError as error:
            await self._refuse_other_protocols(base, error)
            raise
        if response.status != 200:
            dialect = await self._identify(base)
            if method == "POST" and response.status == 405 and dialect is TRITON:
                await self._refuse_metrics(base)
            raise self.error(base, response)
        return response

    async def _refuse_other_protocols(self, base: str, error: NoResponseError) -> None:
        """Raise WrongPortError where a call failed because what answers speaks something else."""
        is_cut = error.fault in (Fault.RESET, Fault.NONSENSE)
        if is_cut and await self.client.speaks_tls(base):
            raise WrongPortError(f"what answers at {base} speaks TLS. {Remedy.WRITE_HTTPS()}", Listener.TLS)
        # A TLS handshake that is cut off counts as a connection that was refused.
        is_https = base.startswith("https:")
        is_cut |= is_https and error.fault is Fault.REFUSED
        # After TLS that one side does not trust, only a port without TLS is another one.
        is_grpc = (is_cut or error.fault is Fault.TLS) and await self.client.speaks_http2(base, over_tls=False)
        if is_grpc or (is_cut and is_https and await self.client.speaks_http2(base, over_tls=True)):
            raise WrongPortError(
                f"what answers at {base} is a gRPC port: it does not speak HTTP/1.1. {Remedy.WRITE_HTTP_PORT()}",
                Listener.GRPC,
            )

    async def _refuse_metrics(self, base: str) -> None:
        """Raise WrongPortError where Triton's metrics port answers: any GET with 200 and no body, a POST with 405."""
        try:
            described = await self.client.call("GET", below(base, "/v2"), is_text=True)
            is_named = split_address(base)[0].endswith("/metrics")
            metrics = await self.client.call("GET", base if is_named else below(base, "/metrics"), is_text=True)
        except (NoResponseError, ContractError):
            return
        if not described.body and metrics.status == 200 and _METRIC in metrics.body:
            raise WrongPortError(
                f"what answers at {base} is Triton's metrics port. {Remedy.WRITE_HTTP_PORT()}", Listener.METRICS
            )

    def error(self, base: str, response: HttpResponse, generation: int | None = None) -> ErrorResponse:
        """Say what an error means.

        Args:
            base: The endpoint's base URL.
            response: The error.
            generation: The credentials' ``generation`` when the call began; None where they were renewed already.
        """
        dialect, status = self.dialect(base), response.status
        text, is_protocols = read_error(response.body)
        cause = dialect.cause(status, text, is_protocols)
        is_models = cause is Cause.MODEL_REFUSED
        path = f" for {response.path}" if status in dialect.hiding and not is_models else ""
        return ErrorResponse(
            status,
            cause,
            f"HTTP {status}{path}: {text}",
            hides=not is_models and dialect.hides(status, text),
            is_away=status in dialect.away,
            retry_after=_retry_after(response.headers),
            renewed=generation is not None and cause is Cause.ACCESS_DENIED and self.credentials.renew(generation),
        )

    async def _described(self, base: str, response: HttpResponse) -> dict[str, Any]:
        """Read what a server says of itself or of a model, or name what answers in its place."""
        try:
            return self._object(base, response)
        except ContractError:
            await self._refuse_metrics(base)
            raise

    def _object(self, base: str, response: HttpResponse) -> dict[str, Any]:
        try:
            found = json.loads(response.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._not_triton(base, response, "no JSON object")
        return found

    def _not_triton(self, base: str, response: HttpResponse, found: str) -> ContractError:
        text = excerpt(self.credentials.redact(response.body))
        return WrongPortError(
            f"what answers at {base} is not Triton's HTTP port: it answered {response.path} with {found}: {text}. "
            f"{Remedy.CHECK_ENDPOINT()}",
            Listener.OTHER,
        )


def _client(options: Options) -> DirectClient | ProxiedClient:
    proxies = environment_proxies(options)
    if not proxies:
        return DirectClient(options)
    from pyflink_triton.http.proxied_client import ProxiedClient  # aiohttp costs each worker 0.1 s and 14 MB

    return ProxiedClient(options, proxies)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait; 0 where it does not say so, or says something else."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
