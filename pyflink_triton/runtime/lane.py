"""The way of one model's rows: what queues them, sends them, and checks their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.runtime.answer_cache import AnswerCache, RouteAnswers
from pyflink_triton.runtime.answer_check import AnswerCheck
from pyflink_triton.runtime.cached_queue import CachedQueue, Kind, RowCodec
from pyflink_triton.runtime.operator_limits import requests_before_waiting
from pyflink_triton.runtime.request_queue import Codec, Piece, RequestQueue
from pyflink_triton.schema.binding import TensorBinding


@dataclass(frozen=True)
class LaneCodec:
    """Makes requests of a lane's rows, and rows of its responses; see ``Codec`` and ``RowCodec``.

    Attributes:
        write: Makes a request of rows.
        read: Takes a response to so many rows apart.
        nothing: Makes the outputs of so many rows that failed.
        outputs: How many of the columns of a response are of the model's outputs; the first ones are.
        split: Takes the values of single rows from a response.
        join: Makes columns of rows that have such values.
    """

    write: Callable[[Lane, Sequence[Piece]], Request]
    read: Callable[[Lane, InferenceResponse, int], tuple[list[pa.Array], dict[int, str]]]
    nothing: Callable[[int], list[pa.Array]]
    outputs: Callable[[Sequence[pa.Array]], Sequence[pa.Array]]
    split: Callable[[Lane, InferenceResponse, Sequence[pa.Array], int], tuple[Kind, Sequence[Sequence[Any]]]]
    join: Callable[[Kind, Sequence[Sequence[Any]], str | None, int], list[pa.Array]]


class Lane:
    """The way of one model's rows.

    Args:
        delivery: Carries the requests.
        signature: The model's signature.
        outputs: The outputs that are wanted.
        options: The model's options.
        metrics: Where rows and calls are counted.
        codec: Makes requests of rows, and rows of responses.
        cache: Where answers are kept; None where none are.
        warn: Takes a message for the log.
        is_one_of_many: Whether other rows go to other models, so that a broken answer is a fault of these rows alone.

    Attributes:
        sender: Sends requests, and knows which outputs they ask for.
        limits: How many rows requests may have.
        answers: Checks responses.
        queue: Where the rows wait.
        add: Takes rows; see ``RequestQueue.add``.
    """

    def __init__(
        self,
        delivery: Delivers,
        signature: ModelSignature,
        outputs: Sequence[TensorBinding],
        options: Options,
        metrics: Metrics,
        codec: LaneCodec,
        cache: AnswerCache | RouteAnswers | None,
        warn: Callable[[str], object],
        *,
        is_one_of_many: bool = False,
    ) -> None:
        self._codec = codec
        self._metrics = metrics
        self._is_one_of_many = is_one_of_many
        self.limits = BatchLimits(signature.max_batch_size, options.every_endpoint, metrics, warn)
        self.sender = RequestedOutputs(delivery, metrics, signature.scheduling.wants_all_outputs)
        self.answers = AnswerCheck(signature, outputs)
        may_share = signature.has_batch_axis and not signature.decoupled
        self.queue = RequestQueue(
            BatchSplitter(self.sender, self.limits),
            delivery.limit,
            self.limits if may_share else None,
            options.max_request_bytes,
            requests_before_waiting(signature.max_batch_size, options),
            Codec(partial(codec.write, self), self._read, codec.nothing, None if cache is None else self._keep),
            options.bucket_wait if may_share else 0.0,
        )
        self._cached: CachedQueue | None = None
        if cache is not None:
            rows = RowCodec(partial(codec.split, self), codec.join)
            self._cached = CachedQueue(self.queue, cache, rows, metrics)
        self.add: Callable[[bytes, Piece], None] = self.queue.add if self._cached is None else self._cached.add

    def _read(self, response: InferenceResponse, rows: int) -> tuple[list[pa.Array], dict[int, str]]:
        try:
            return self._codec.read(self, response, rows)
        except ContractError as error:
            if self._is_one_of_many:
                raise RowError(str(error)) from None
            raise

    def _keep(
        self, pieces: Sequence[Piece], response: InferenceResponse, outputs: list[pa.Array], errors: dict[int, str]
    ) -> None:
        """Keep an answer for rows that come again."""
        assert self._cached is not None
        self._cached.keep(pieces, response, self._codec.outputs(outputs), errors)

    async def close(self) -> None:
        """End every request under way."""
        self._metrics.forget(self.limits)
        await self.queue.close()
