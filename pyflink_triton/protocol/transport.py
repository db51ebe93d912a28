"""What carries requests to servers: the seam between the delivery and a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse, PreparedRequest


class InferenceTransport(Protocol):
    """Sends the requests of one model to its endpoints.

    Every call raises ``NoResponseError`` where no response came, ``ErrorResponse`` where the server answered with an
    error, and ``ContractError`` where what came breaks the protocol. A call that is cancelled ends at once.
    """

    async def prepare(self, request: InferenceRequest, request_id: str) -> PreparedRequest:
        """Write a request once, however often it will be sent.

        Args:
            request: The request.
            request_id: Its id, which the server repeats.
        """
        ...

    async def infer(
        self, prepared: PreparedRequest, base: str, timeout: float, total: float, started: Callable[[], None]
    ) -> InferenceResponse:
        """Send a request, and wait for its response, or for the end of a stream of responses.

        Args:
            prepared: What ``prepare`` returned.
            base: The endpoint's base URL.
            timeout: Seconds until the response; in a stream until the first response and between two.
            total: Seconds until the end of a stream.
            started: Called when the response begins to come.
        """
        ...

    async def ready(self, base: str, timeout: float | None = None) -> None:
        """Return if the model is ready.

        Args:
            base: The endpoint's base URL.
            timeout: Seconds for a check by a connection of its own: a server that shuts down may still answer on
                those that are kept. None for any connection and the option ``timeout``.
        """
        ...

    def server(self, base: str) -> str:
        """Name the kind of server that an endpoint is, for messages, as far as it is known.

        Args:
            base: The endpoint's base URL.
        """
        ...


class Transport(InferenceTransport, Protocol):
    """Connections to the endpoints of one model; see ``InferenceTransport``."""

    async def metadata(self, base: str) -> Mapping[str, Any]:
        """Read the model's metadata: its name, its versions, its inputs and outputs."""
        ...

    async def config(self, base: str, model: str | None = None, version: str | None = None) -> Mapping[str, Any]:
        """Read the configuration of the model, or of another one."""
        ...

    async def server_version(self, base: str) -> str:
        """Read the server's version; empty where it has none."""
        ...

    async def index(self, base: str) -> Sequence[str]:
        """List the names of the models that are ready, sorted."""
        ...

    async def addresses(self, base: str) -> Sequence[str]:
        """Look up the addresses that an endpoint's host has now.

        Args:
            base: The endpoint's base URL.

        Returns:
            Those that each may be an endpoint of its own, by ``with_address``; none where that is not known now.
        """
        ...

    async def close(self) -> None:
        """End every call under way and close the connections."""
        ...
