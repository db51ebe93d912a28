"""Makes a delivery for each model that rows name: with connections, places and a pace that all of them share."""

from __future__ import annotations

from collections.abc import Callable

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.pace import Pace
from pyflink_triton.delivery.route_health import RouteHealth, Turns
from pyflink_triton.delivery.shared_places import SharedPlaces
from pyflink_triton.http.transport import HttpTransport
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.options.routes import Route


class RouteDeliveries:
    """Makes deliveries.

    Args:
        options: The options, with columns for the model's name or its version.
        transport: What makes the calls for all of them; the caller closes it.
        metrics: Where calls are counted.
        contract: The signature that is made of the declaration.
        pace: How fast requests may be sent, of all models together; None for as fast as they come.
    """

    def __init__(
        self,
        options: Options,
        transport: HttpTransport,
        metrics: Metrics,
        contract: ModelSignature,
        pace: Pace | None = None,
    ) -> None:
        self._options = options
        self._transport = transport
        self._metrics = metrics
        self._contract = contract
        self._turns = Turns()
        self._places = SharedPlaces(options.max_in_flight_requests, pace)

    def open(self, route: Route) -> Delivery:
        """Make the delivery of one model, which begins to look for it. Whoever asked closes it.

        Args:
            route: The model.
        """
        options = self._options.of_route(route)
        transport = HttpTransport(options, self._transport)
        health = RouteHealth(options, _subject(self._options), transport, self._contract, self._turns)
        return Delivery(options, transport, self._metrics, shared=self._places, health=health)

    def follow_replicas(self, delivery: Delivery, on_gone: Callable[[str], object]) -> None:
        """Let each address of a host be an endpoint of its own; see ``Delivery.follow_replicas``."""
        delivery.follow_replicas(self._transport.addresses, on_gone)

    @property
    def in_flight(self) -> int:
        """How many requests are in flight."""
        return self._places.taken

    async def close(self) -> None:
        """Let nobody wait for a place any more."""
        self._places.close()


def _subject(options: Options) -> str:
    """What messages call a model that no server was seen to have."""
    model, version = options.model_column, options.version_column
    if model is None:
        return f"the version of the model '{options.model_name}' that column '{version}' names"
    return f"the model that column '{model}' names" + ("" if version is None else f", in the version of '{version}',")
