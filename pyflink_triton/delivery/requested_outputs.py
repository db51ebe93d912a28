"""Which outputs requests ask for: the declared ones, and all where the server fails those that ask for some."""

from __future__ import annotations

from pyflink_triton.delivery.request import Answer, Delivers, Request
from pyflink_triton.errors import DeadlockError
from pyflink_triton.metrics import Metrics
from pyflink_triton.protocol.kserve_v2 import RequestWriter, asks_for_all, for_all_outputs


class Asking:
    """Delivers requests, and learns whether they must ask for all outputs.

    Args:
        delivery: What sends them.
        writer: What writes them.
        metrics: Where calls are counted.
    """

    def __init__(self, delivery: Delivers, writer: RequestWriter, metrics: Metrics) -> None:
        self._delivery = delivery
        self._writer = writer
        self._metrics = metrics

    async def send(self, request: Request) -> Answer:
        """Send one request; see ``Delivers.send``."""
        try:
            return await self._delivery.send(request)
        except DeadlockError:
            if asks_for_all(request.header):
                raise
        self._writer.ask_for_all()
        request.header = for_all_outputs(request.header)
        self._metrics.retry()
        return await self._delivery.send(request)
