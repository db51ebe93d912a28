"""A decoupled model's servers over HTTP, by Triton's generate extension: one row a request, its responses as events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pyflink_triton.errors import ContractError, RowError
from pyflink_triton.http.response import MAX_TEXT_BYTES, HttpResponse
from pyflink_triton.http.transport import HttpTransport
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.dialect import TRITON
from pyflink_triton.protocol.failures import ErrorResponse, Fault, NoResponseError
from pyflink_triton.protocol.generate import StreamError, read_event, write_row
from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse, OutputTensor, PreparedRequest
from pyflink_triton.protocol.kserve_v2 import excerpt, read_error
from pyflink_triton.protocol.server_sent_events import EventSplitter
from pyflink_triton.remedies import Remedy

_HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream"}


@dataclass
class _Stream:
    """What has come of a stream.

    Attributes:
        responses: The outputs of each response.
        size: The bytes of all of them.
        has_begun: Whether the first response has come, or the end.
        version: The version of the model, as far as the last response says it.
    """

    responses: list[Mapping[str, OutputTensor]] = field(default_factory=list)
    size: int = 0
    has_begun: bool = False
    version: str | None = None


class StreamingTransport:
    """Sends the rows of a decoupled model; see ``Transport``.

    Args:
        http: Makes the calls; whoever made it closes it.
        options: The model's options.
        signature: The model's signature.
        finish: The output that the last response of a whole stream has; None: nothing says that.
        metrics: Where streams are counted.
        turn: Waits until a request may be sent; None where it always may.
    """

    def __init__(
        self,
        http: HttpTransport,
        options: Options,
        signature: ModelSignature,
        finish: str | None,
        metrics: Metrics,
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._http = http
        self._options = options
        self._has_batch_axis = signature.has_batch_axis
        self._has_error_output = any(tensor.name == "error" for tensor in signature.outputs)
        self._finish = finish
        self._metrics = metrics
        self._turn = turn
        self._held_bytes = 0
        #: Set while there is room for more.
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.ready = http.ready
        self.server = http.server

    async def prepare(self, request: InferenceRequest, request_id: str) -> PreparedRequest:
        """Write a row once. Its id is not sent, because the server hands it to the model as a parameter."""
        return PreparedRequest(request_id, (write_row(request.inputs, request.parameters),), _HEADERS, request.outputs)

    async def infer(
        self, prepared: PreparedRequest, base: str, timeout: float, total: float, started: Callable[[], None]
    ) -> InferenceResponse:
        """Send a row, and read the stream of its responses to the end; see ``Transport.infer``."""
        generation = self._http.credentials.generation
        await self._await_room()
        stream, is_whole, began = _Stream(), False, time.perf_counter()
        try:
            async with self._http.client.stream(
                "POST",
                self._http.url(base, "/generate_stream"),
                body=prepared.buffers,
                headers=prepared.headers,
                timeout=timeout,
                total=total,
            ) as (head, parts):
                if head.status != 200:
                    raise await self._refused(base, head, parts, generation)

                def begin() -> None:
                    stream.has_begun = True
                    self._metrics.first_response(time.perf_counter() - began)
                    started()

                await self._read(stream, prepared, head, parts, timeout, begin)
            is_whole = True
            if self._finish is not None and not _is_finished(stream.responses, self._finish):
                details = f"the output '{self._finish}'"
                raise NoResponseError(Fault.UNFINISHED, True, False, details, time.perf_counter() - began)
        except NoResponseError as error:
            if error.fault is Fault.TIMEOUT:
                is_over = time.perf_counter() - began >= total
                error.fault = Fault.OVERDUE if is_over else Fault.STOPPED
                if not stream.has_begun:
                    error.fault = Fault.NOT_STARTED
            raise
        finally:
            self._hold(-stream.size)
            if stream.has_begun:
                self._metrics.stream(len(stream.responses), cancelled=not is_whole)
        responses = stream.responses
        return InferenceResponse(responses[-1] if responses else {}, base, responses, stream.version)

    async def _await_room(self) -> None:
        """Wait until more bytes may be held; those that have waited then go at their pace, and not all at once."""
        while not self._has_room.is_set():
            await self._has_room.wait()
            if self._turn is not None:
                await self._turn()

    def _hold(self, size: int) -> None:
        """Count bytes while they are held: no stream begins while they are more than the options allow."""
        self._held_bytes += size
        if self._held_bytes > self._options.max_in_flight_bytes:
            self._has_room.clear()
        else:
            self._has_room.set()

    async def _read(
        self,
        stream: _Stream,
        prepared: PreparedRequest,
        head: HttpResponse,
        parts: AsyncIterator[bytes],
        timeout: float,
        begin: Callable[[], None],
    ) -> None:
        if "text/event-stream" not in head.headers.get("content-type", "").lower():
            await self._expect_nothing(parts)
        splitter, last = EventSplitter(), time.monotonic()
        async for part in parts:
            stream.size += len(part)
            self._hold(len(part))
            if stream.size > self._options.max_response_bytes:
                raise RowError(
                    f"the responses to a row have more than {self._options.max_response_bytes} bytes together (the "
                    f"option 'max-response-bytes'). {Remedy.ASK_FOR_LESS()}"
                )
            events, now = splitter.feed(part), time.monotonic()
            if events:
                last = now
                if not stream.has_begun:
                    begin()
            elif now - last > timeout:  # bytes come, and no response
                raise NoResponseError(Fault.TIMEOUT, True, False, "", timeout)
            try:
                for event in events:
                    response, stream.version = read_event(
                        event, prepared.outputs, self._has_batch_axis, self._has_error_output
                    )
                    stream.responses.append(response)
            except StreamError as error:
                raise self._failed(head, str(error)) from None
        if splitter.is_inside_event:
            raise NoResponseError(Fault.CUT, True, False, "", 0.0)
        if not stream.has_begun:
            begin()

    async def _expect_nothing(self, parts: AsyncIterator[bytes]) -> None:
        """Raise ContractError where something comes that is no stream of events."""
        body = await _beginning(parts)
        if body.strip():
            words = excerpt(self._http.credentials.redact(body))
            raise ContractError(f"the server's answer is not a stream of events: {words}")

    async def _refused(
        self, base: str, head: HttpResponse, parts: AsyncIterator[bytes], generation: int
    ) -> ErrorResponse:
        """The error that came instead of a stream: the server's, or the model's first response."""
        body = await _beginning(parts)
        events = EventSplitter().feed(body) if head.status == 400 else []
        if events:
            return self._failed(head, read_error(events[0])[0])
        return self._http.error(base, replace(head, body=body), generation)

    def _failed(self, head: HttpResponse, text: str) -> ErrorResponse:
        """The error that the model gave as a response, as what it means."""
        words = str(self._http.credentials.redact(text.encode()), "utf-8", "replace")
        return ErrorResponse(head.status, TRITON.event_cause(words), f"an error: {words}")


async def _beginning(parts: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > MAX_TEXT_BYTES:
            break
    return bytes(body)


def _is_finished(responses: Sequence[Mapping[str, OutputTensor]], finish: str) -> bool:
    """Whether the last response fills an output; vLLM writes `None` into it in all others."""
    last = responses[-1].get(finish) if responses else None
    return last is not None and bytes(last.data or b"")[4:] not in (b"", b"None", b"null")
