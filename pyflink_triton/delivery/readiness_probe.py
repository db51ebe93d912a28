"""Checks whether a model is ready at an endpoint, by a connection of its own."""

from __future__ import annotations

from pyflink_triton.delivery.endpoints import Endpoint
from pyflink_triton.delivery.failure_policy import BEHAVIOURS, Action
from pyflink_triton.errors import TritonError
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import ErrorResponse, NoResponseError
from pyflink_triton.protocol.transport import InferenceTransport

#: A probe that takes longer finds the model not ready.
_SECONDS = 5.0


class Probe:
    """Checks readiness.

    Args:
        options: The model's options.
        transport: Makes the calls.
        hides_readiness: Whether something in front of the server answers readiness checks with 404.
    """

    def __init__(self, options: Options, transport: InferenceTransport, hides_readiness: bool) -> None:
        self._transport = transport
        self._seconds = min(options.timeout, _SECONDS)
        self._hides_readiness = hides_readiness

    async def ask(self, endpoint: Endpoint) -> bool:
        """Return whether the model is ready at an endpoint."""
        try:
            await self._transport.ready(endpoint.base, self._seconds)
        except NoResponseError as error:
            return BEHAVIOURS[error.fault].action is Action.FAIL_JOB
        except ErrorResponse as error:
            # Any other error lets the requests find out.
            return not error.is_away or (error.status == 404 and self._hides_readiness)
        except TritonError:
            return True
        return True
