"""The way of one model's rows: what queues them, sends them, and checks their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pyflink_triton.delivery.batch_limits import BatchLimits
from pyflink_triton.delivery.batch_splitter import BatchSplitter
from pyflink_triton.delivery.request import Delivers, Request
from pyflink_triton.delivery.requested_outputs import RequestedOutputs
from pyflink_triton.errors import ContractError, RowError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse
from pyflink_triton.runtime.answer_cache import AnswerCache, RouteAnswers
from pyflink_triton.runtime.answer_check import AnswerCheck
from pyflink_triton.runtime.cached_queue import CachedQueue, RowCodec, Values
from pyflink_triton.runtime.exchange import Exchange
from pyflink_triton.runtime.operator_limits import requests_before_waiting
from pyflink_triton.runtime.request_queue import Codec, Piece, RequestQueue


class Lane:
    """The way of one model's rows.

    Args:
        delivery: Carries the requests.
        signature: The model's signature.
        exchange: Makes requests of rows, and rows of responses.
        options: The model's options.
        metrics: Where rows and calls are counted.
        cache: Where answers are kept; None where none are.
        warn: Takes a message for the log.
        is_one_of_many: Whether other rows go to other models, so that a broken answer is a fault of these rows alone.

    Attributes:
        sender: Sends requests.
        limits: How many rows requests may have.
        queue: Where the rows wait.
        add: Takes rows; see ``RequestQueue.add``.
    """

    def __init__(
        self,
        delivery: Delivers,
        signature: ModelSignature,
        exchange: Exchange,
        options: Options,
        metrics: Metrics,
        cache: AnswerCache | RouteAnswers | None,
        warn: Callable[[str], object],
        *,
        is_one_of_many: bool = False,
    ) -> None:
        self._exchange = exchange
        self._metrics = metrics
        self._is_one_of_many = is_one_of_many
        self.limits = BatchLimits(signature.max_batch_size, options.every_endpoint, metrics, warn)
        self.sender = RequestedOutputs(delivery, metrics, signature.scheduling.wants_all_outputs)
        self._answers = AnswerCheck(signature, exchange.outputs)
        may_share = signature.has_batch_axis and not signature.decoupled
        self.queue = RequestQueue(
            BatchSplitter(self.sender, self.limits),
            delivery.limit,
            self.limits if may_share else None,
            options.max_request_bytes,
            requests_before_waiting(signature.max_batch_size, options),
            Codec(self.write, self.read, exchange.nothing, None if cache is None else self._keep),
            options.bucket_wait if may_share else 0.0,
        )
        self._cached: CachedQueue | None = None
        if cache is not None:
            self._cached = CachedQueue(self.queue, cache, RowCodec(self._split, exchange.join), metrics)
        self.add: Callable[[bytes, Piece], None] = self.queue.add if self._cached is None else self._cached.add

    def write(self, pieces: Sequence[Piece], more: Mapping[str, Any] | None = None) -> Request:
        """Make the request of rows that are alike; see ``Exchange.write``."""
        return self._exchange.write(pieces, self.limits, more, asks_for_all=self.sender.asks_for_all)

    def make(self, more: Mapping[str, Any]) -> InferenceRequest:
        """Make a request without rows."""
        return self._exchange.make((), more, asks_for_all=self.sender.asks_for_all)

    def read(self, response: InferenceResponse, rows: int) -> tuple[list[pa.Array], dict[int, str]]:
        """Make columns of a response; see ``Exchange.read``."""
        try:
            return self._exchange.read(response, rows, self._answers)
        except ContractError as error:
            if self._is_one_of_many:
                raise RowError(str(error)) from None
            raise

    def _split(
        self, response: InferenceResponse, columns: Sequence[pa.Array], rows: int
    ) -> tuple[Values, Sequence[Sequence[Any]]]:
        return self._exchange.split(response, columns, rows, self._answers)

    def _keep(
        self, pieces: Sequence[Piece], response: InferenceResponse, outputs: list[pa.Array], errors: dict[int, str]
    ) -> None:
        """Keep an answer for rows that come again."""
        assert self._cached is not None
        failed = errors if self._exchange.is_as_long(pieces[0], response) else range(len(outputs[0]))
        self._cached.keep(pieces, response, self._exchange.without_facts(outputs), failed)

    async def close(self) -> None:
        """End every request under way."""
        self._metrics.forget(self.limits)
        await self.queue.close()
