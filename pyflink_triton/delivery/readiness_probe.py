"""Whether a model is ready at an endpoint, asked by a connection made for it."""

from __future__ import annotations

from pyflink_triton.delivery.endpoints import Endpoint
from pyflink_triton.delivery.failure_policy import FAULTS, Then
from pyflink_triton.errors import TritonError
from pyflink_triton.http.transport import CallError, Transport
from pyflink_triton.options.options import Options

#: A probe that takes longer says no.
_SECONDS = 5.0
#: What a probe is told where the model, or all behind a gateway, is away; anything else lets the requests find out.
_NOT_READY = frozenset({400, 404, 502, 503, 504})


class Probe:
    """Asks for the model.

    Args:
        options: The model's options.
        transport: What makes the calls.
        hides_readiness: Whether 404 says nothing about readiness, because something in front of the server hides it.
    """

    def __init__(self, options: Options, transport: Transport, hides_readiness: bool) -> None:
        self._transport = transport
        self._seconds = min(options.timeout, _SECONDS)
        self._not_ready = _NOT_READY - {404} if hides_readiness else _NOT_READY

    async def ask(self, endpoint: Endpoint) -> bool:
        """Ask whether the model is ready at an endpoint."""
        try:
            reply = await self._transport.probe(endpoint.ready, self._seconds)
        except CallError as error:
            return FAULTS[error.fault].then is Then.JOB
        except TritonError:
            return True
        return reply.status not in self._not_ready
