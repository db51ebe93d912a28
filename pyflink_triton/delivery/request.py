"""What a delivery takes, and what it promises about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pyflink_triton.delivery.batch_limits import BatchLimits
from pyflink_triton.delivery.concurrency_limit import ConcurrencyLimit
from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse


@dataclass(slots=True)
class Request:
    """One inference request, and how it is to be delivered.

    Attributes:
        inference: What is asked of the model.
        rows: How many rows it carries.
        endpoint: The endpoint that it must go to, as ``InferenceResponse.endpoint`` gave it; None for any.
        sticky: Whether it stays on the endpoint that its first byte went to; ``endpoint`` is set then.
        resend: Whether it may run twice. If not, it is sent again only when no byte of it was sent, or when a
            response proves that nothing ran; else ``LostError`` is raised.
        has_steps: Whether several models run for it, as in an ensemble: then no response proves that nothing ran.
        urgent: Whether it does not count to the concurrency limit, because others that do may be waiting for it: the
            server begins a sequence when another has ended. Whoever sends such requests bounds them.
        deadline: When its rows' time is over, in the event loop's clock; None until it is first sent or held back.
            Requests made of the same rows carry it on.
        since: When the first of its rows came, in the event loop's clock; None once one of its rows was sent, and for
            a request of no rows.
        limits: How many rows each endpoint takes; None where that does not matter.
        holds_place: Whether a place under the concurrency limit was taken for it already.
    """

    inference: InferenceRequest
    rows: int = 1
    endpoint: str | None = None
    sticky: bool = False
    resend: bool = True
    has_steps: bool = False
    urgent: bool = False
    deadline: float | None = None
    since: float | None = None
    limits: BatchLimits | None = None
    holds_place: bool = False


class Sender(Protocol):
    """What carries a request to the model and its response back."""

    async def send(self, request: Request) -> InferenceResponse:
        """Send one request.

        Args:
            request: The request.

        Raises:
            RowError: Its rows fail by their policy; where ``splits`` is set, a batch is to be split first.
            ExhaustedError: A transient failure did not pass within ``max-retries`` or ``total-timeout``.
            TooManyRowsError: The endpoint that is free takes fewer rows.
            DeadlockError: It may have asked for too few outputs.
            LostError: It may have run, and must not be sent again.
            NoSequenceError: It would continue a sequence that the server does not have.
            JobError: A fault that no row's policy covers.
        """
        ...


class Delivers(Sender, Protocol):
    """Carries requests to the model, a limited number at once.

    Attributes:
        limit: How many may be in flight.
    """

    limit: ConcurrencyLimit
