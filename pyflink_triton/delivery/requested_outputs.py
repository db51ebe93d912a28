"""Which outputs requests ask for: the wanted ones, or all where the server fails requests for some of them."""

from __future__ import annotations

from dataclasses import replace

from pyflink_triton.delivery.request import Request, Sender
from pyflink_triton.errors import DeadlockError
from pyflink_triton.metrics import Metrics
from pyflink_triton.protocol.inference import InferenceResponse


class RequestedOutputs:
    """Sender requests, and learns whether they must ask for all outputs.

    Args:
        delivery: What sends them.
        metrics: Where calls are counted.
        asks_for_all: Whether requests ask for all outputs from the start.

    Attributes:
        asks_for_all: Whether they do now.
    """

    def __init__(self, delivery: Sender, metrics: Metrics, asks_for_all: bool) -> None:
        self._delivery = delivery
        self._metrics = metrics
        self.asks_for_all = asks_for_all

    async def send(self, request: Request) -> InferenceResponse:
        """Send one request; see ``Sender.send``."""
        try:
            return await self._delivery.send(request)
        except DeadlockError:
            if request.inference.asks_for_all:
                raise
        self.asks_for_all = True
        request.inference = replace(request.inference, asks_for_all=True)
        self._metrics.retry()
        return await self._delivery.send(request)
