"""HTTP to one Triton server: the model's metadata and its inferences, with errors as this package's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from pyflink_triton.errors import (
    AccessError,
    ContractError,
    JobError,
    RowError,
    TritonError,
    UnavailableError,
)
from pyflink_triton.options import Options
from pyflink_triton.signature import ModelSignature, read_signature
from pyflink_triton.units import format_duration
from pyflink_triton.wire import HEADER_LENGTH, excerpt

#: What a status means for the row; every other one of 400 and above is the row's own failure.
_STATUS_ERRORS: dict[int, type[TritonError]] = {
    401: AccessError,
    403: AccessError,
    404: JobError,
    405: JobError,
    501: JobError,
}
#: What a proxy answers that forbids the model's configuration.
_HIDDEN = frozenset({401, 403, 404, 405, 501})
#: Bytes of an answer at the most: of one with tensors what an Arrow array can hold, of others enough for a message.
_MAX_ANSWER = (1 << 31) - 1
_MAX_WORDS = 1 << 20
#: Below this a request's buffers are joined: one write costs less than several.
_JOIN_BYTES = 1 << 16


class _Buffers(aiohttp.payload.Payload):
    """A request body made of several buffers, written one after the other without joining them."""

    def __init__(self, buffers: Sequence[bytes | memoryview]) -> None:
        super().__init__(buffers, content_type="application/octet-stream")
        self._buffers = buffers
        self._size = sum(len(buffer) for buffer in buffers)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("tensors are not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        for buffer in self._buffers:
            await writer.write(buffer)


class Client:
    """One model on one server, over kept-alive connections.

    Args:
        options: The model's options.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        version = "" if options.model_version is None else f"/versions/{options.model_version}"
        self._model_url = f"{options.endpoints[0]}/v2/models/{quote(options.model_name, safe='')}{version}"
        self._infer_url = URL(f"{self._model_url}/infer", encoded=True)
        self._index_url = URL(f"{options.endpoints[0]}/v2/repository/index", encoded=True)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=options.max_in_flight_requests),
            timeout=aiohttp.ClientTimeout(total=options.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=["User-Agent", "Accept", "Accept-Encoding"],
        )

    async def __aenter__(self) -> Client:
        """Use as a context manager."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """End every call under way and close the connections."""
        await self._session.close()

    async def infer(self, header: bytes, tensors: Sequence[memoryview]) -> tuple[Mapping[str, str], bytes]:
        """Send one inference request.

        Args:
            header: The request's JSON.
            tensors: The inputs' bytes, in the JSON's order.

        Returns:
            The answer's HTTP headers and body.

        Raises:
            UnavailableError: The server could not be reached, or did not answer in time.
            RowError: The server answered with an error that is these rows' own.
            JobError: The server answered with an error that no row's policy covers.
        """
        size = len(header) + sum(map(len, tensors))
        data = b"".join((header, *tensors)) if size <= _JOIN_BYTES else _Buffers((header, *tensors))
        headers = {HEADER_LENGTH: str(len(header)), "Content-Type": "application/octet-stream"}
        status, answered, body = await self._call("POST", self._infer_url, data=data, headers=headers)
        if status != 200:
            raise self._failure(status, body)
        return answered, body

    async def signature(self) -> ModelSignature:
        """Read what the model takes and gives.

        Raises:
            UnavailableError: The server could not be reached, or the model is not ready.
            JobError: There is no such model, or the server refuses us.
            SchemaError: The model's metadata is of a kind that this version does not know.
        """
        status, body = await self._get("/ready")
        if status != 200:
            status, body = await self._explain(status, body)
            raise self._not_ready(status, body)
        status, body = await self._get("")
        if status != 200:
            raise self._failure(status, body)
        metadata = self._json(body)
        status, body = await self._get("/config")
        if status != 200 and status not in _HIDDEN:
            raise UnavailableError(f"{self._where()} answered {self._words(status, body)} for its configuration")
        config = self._json(body) if status == 200 else None
        return read_signature(metadata, config, self._options.max_batch_size)

    async def models(self) -> list[str]:
        """List the names of the models that are ready, sorted.

        Raises:
            UnavailableError: The server could not be reached.
            JobError: The server does not tell.
        """
        status, _, body = await self._call("POST", self._index_url, json={})
        where = f"Triton at {self._options.endpoint}"
        if status != 200:
            kind = AccessError if status in (401, 403) else UnavailableError
            raise kind(f"{where} answered {self._words(status, body)} when asked for its models")
        try:
            return sorted({str(entry["name"]) for entry in json.loads(body) if entry.get("state") == "READY"})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ContractError(f"{where} answered with no list of models: {excerpt(body)}") from None

    async def _explain(self, status: int, body: bytes) -> tuple[int, bytes]:
        """A readiness probe answers without words; the metadata's answer has some."""
        explained, words = await self._get("")
        return (explained, words) if explained != 200 else (status, body)

    def _not_ready(self, status: int, body: bytes) -> TritonError:
        if status in (401, 403):
            return self._failure(status, body)
        return UnavailableError(f"{self._where()} is not ready: {self._words(status, body)}")

    async def _get(self, path: str) -> tuple[int, bytes]:
        status, _, body = await self._call("GET", URL(self._model_url + path, encoded=True))
        return status, body

    async def _call(self, method: str, url: URL, **request: Any) -> tuple[int, Mapping[str, str], bytes]:
        """Make a call; every fault of the transport becomes an UnavailableError that says where."""
        where = self._options.endpoint
        try:
            async with self._session.request(method, url, allow_redirects=False, **request) as response:
                body = await self._read(response)
                return response.status, response.headers, body
        except asyncio.TimeoutError:
            limit = format_duration(self._options.timeout)
            raise UnavailableError(
                f"Request timed out after {limit} at {where}. Raise the option 'timeout', or see why the model is slow"
            ) from None
        except aiohttp.ClientConnectorDNSError:
            raise UnavailableError(
                f"Failed to connect to Triton server: the host of {where} has no address. Check the option 'endpoint'"
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise UnavailableError(
                f"Failed to connect to Triton server at {where}: {_reason(error)}. "
                "Check that the server runs and that the option 'endpoint' is right"
            ) from None
        except aiohttp.ClientError as error:
            raise UnavailableError(f"the connection to {where} broke: {type(error).__name__}: {error}") from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Read an answer whole, unless it is compressed, which nobody asked for, or too large."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ContractError(f"{self._where()} answered with a compressed body that was not asked for")
        limit = _MAX_ANSWER if response.status == 200 else _MAX_WORDS
        if response.content_length is not None and response.content_length <= limit:
            return await response.read()
        chunks, size = [], 0
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise ContractError(f"{self._where()} answered HTTP {response.status} with more than {limit} bytes")
        return b"".join(chunks)

    def _failure(self, status: int, body: bytes) -> TritonError:
        kind = _STATUS_ERRORS.get(status, RowError if status >= 400 else ContractError)
        return kind(f"{self._where()} answered {self._words(status, body)}")

    def _where(self) -> str:
        version = self._options.model_version
        named = f"'{self._options.model_name}'" + (f" version {version}" if version else "")
        return f"Triton's model {named} at {self._options.endpoint}"

    def _words(self, status: int, body: bytes) -> str:
        try:
            words = str(json.loads(body)["error"])[:2000]
        except (ValueError, TypeError, KeyError):
            words = excerpt(body)
        return f"HTTP {status}: {words}"

    def _json(self, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ContractError(f"{self._where()} answered with no JSON object: {excerpt(body)}")
        return answer


def _reason(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error.os_error, ConnectionRefusedError):
        return "Connection refused"
    return error.os_error.strerror or str(error.os_error)
