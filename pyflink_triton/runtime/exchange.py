"""Makes requests of rows, and rows of the responses to them, for the columns of a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import take
from pyflink_triton.delivery.batch_limits import BatchLimits
from pyflink_triton.delivery.request import Request
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse, InputTensor
from pyflink_triton.runtime.answer_check import AnswerCheck
from pyflink_triton.runtime.cached_queue import Values
from pyflink_triton.runtime.request_queue import Piece
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.tensors.answer_facts import AnswerFacts
from pyflink_triton.tensors.kept_rows import join_outputs, split_outputs
from pyflink_triton.tensors.padding import Padding
from pyflink_triton.tensors.parts import decode_outputs
from pyflink_triton.tensors.response_streams import ResponseStreams, count_tokens
from pyflink_triton.tensors.row_parameters import constants


class Exchange:
    """Makes requests of rows, and columns of responses: those of the outputs, then the facts about the answer.

    Args:
        signature: The model's signature.
        columns: The columns and their tensors.
        options: The model's options.
        metrics: Where tokens and streams are counted.

    Attributes:
        facts: The facts about an answer.
        outputs: The outputs that are wanted.
        padding: Pads rows, and trims their answers; None where none are padded.
    """

    def __init__(self, signature: ModelSignature, columns: ColumnBindings, options: Options, metrics: Metrics) -> None:
        self.facts = AnswerFacts(list(columns.own))
        self.outputs = columns.outputs
        self.padding = Padding(columns) if columns.padding else None
        self._tokens = columns.tokens
        self._metrics = metrics
        self._has_batch_axis = signature.has_batch_axis
        self._wanted = tuple(binding.tensor for binding in columns.outputs)
        self._parameters = {**constants(options.parameters), **signature.scheduling.parameters(options.priority)}
        self._streams = None if columns.responses is None else ResponseStreams(columns, metrics)

    def write(
        self,
        pieces: Sequence[Piece],
        limits: BatchLimits,
        more: Mapping[str, Any] | None = None,
        *,
        asks_for_all: bool,
    ) -> Request:
        """Make the request of rows that are alike.

        Args:
            pieces: The rows.
            limits: How many rows each endpoint takes.
            more: Parameters of this request, beside those of its rows.
            asks_for_all: Whether it asks for all outputs.
        """
        rows = sum([len(piece.rows) for piece in pieces])
        lead = (rows,) if self._has_batch_axis else ()
        first = int(pieces[0].rows[0])
        inputs = [
            InputTensor(
                column.tensor,
                (*lead, *column.shape(first)),
                [piece.source.columns[place].gather(piece.rows) for piece in pieces],
            )
            for place, column in enumerate(pieces[0].source.columns)
            if column.present is None or column.present[first]
        ]
        parameters = pieces[0].source.parameters
        if parameters is not None:
            more = {**parameters.kinds[parameters.of_row[first]], **(more or {})}
        request = self.make(inputs, more, asks_for_all=asks_for_all)
        return Request(request, rows, limits=limits, since=pieces[0].source.since)

    def make(
        self, inputs: Sequence[InputTensor], more: Mapping[str, Any] | None, *, asks_for_all: bool
    ) -> InferenceRequest:
        """Make a request with the parameters of all requests, and its own."""
        parameters = {**self._parameters, **more} if more else self._parameters
        return InferenceRequest(inputs, self._wanted, parameters, asks_for_all)

    def read(
        self, response: InferenceResponse, rows: int, answers: AnswerCheck
    ) -> tuple[list[pa.Array], dict[int, str]]:
        """Make columns of a response.

        Args:
            response: The response.
            rows: How many rows it is for.
            answers: Checks it.

        Returns:
            The columns, and the message of each row that failed.

        Raises:
            RowError: It does not answer them.
            ContractError: It breaks the signature.
        """
        facts = self.facts.of(response, rows)
        if self._streams is not None and response.stream is not None:
            return [*self._streams.read(response.stream), *facts], {}
        outputs, errors = decode_outputs(self.outputs, answers.read(response, rows), rows)
        count_tokens(self._metrics, outputs, self._tokens)
        return [*(outputs if self._streams is None else self._streams.of_one(outputs, rows)), *facts], errors

    def nothing(self, rows: int) -> list[pa.Array]:
        """The columns of rows without an answer."""
        facts = self.facts.nothing(rows)
        if self._streams is not None:
            return [*self._streams.nothing(rows), *facts]
        return [*(pa.nulls(rows, binding.column.type.arrow) for binding in self.outputs), *facts]

    def is_as_long(self, piece: Piece, response: InferenceResponse) -> bool:
        """Whether the response to padded rows can be trimmed to their own lengths."""
        return self.padding is None or self.padding.fits(piece.source.columns, int(piece.rows[0]), response)

    def without_facts(self, columns: Sequence[pa.Array]) -> Sequence[pa.Array]:
        """The columns of a response that are those of the outputs."""
        return columns[: len(columns) - len(self.facts.columns)]

    def split(
        self, response: InferenceResponse, columns: Sequence[pa.Array], rows: int, answers: AnswerCheck
    ) -> tuple[Values, Sequence[Sequence[Any]]]:
        """Take the values of single rows from a response: bytes of tensors, and of a stream what was made of it."""
        if response.stream is not None:
            return None, [[take(column, np.zeros(1, np.int64))] for column in columns]
        return split_outputs(self.outputs, answers.read(response, rows), rows)

    def join(self, what: Values, values: Sequence[Sequence[Any]], version: str | None, rows: int) -> list[pa.Array]:
        """Make the columns of rows that have such values."""
        facts = self.facts.of_kept(version, rows)
        if what is None:
            return [*map(pa.concat_arrays, values), *facts]
        outputs = join_outputs(self.outputs, what, values, rows)
        return [*(outputs if self._streams is None else self._streams.of_one(outputs, rows)), *facts]
