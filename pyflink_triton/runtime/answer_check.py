"""Whether a response keeps the model's signature; where it does not, the fault is a row's or the model's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from pyflink_triton.errors import ContractError, RowError
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import TensorBinding
from pyflink_triton.tensors.decode import Output, check_bytes, check_shape

#: After this many lone rows with a fault in one output, and none without it, the model is at fault.
_NEVER = 8
_OF_FEWER = (
    ". Or another client asked for some of the outputs only, and the model's response_cache has no others for these "
    f"values. {Remedy.SWITCH_CACHE_OFF()}"
)


class AnswerCheck:
    """Checks responses, and remembers which outputs were ever as the signature says.

    Args:
        signature: The model's signature.
        outputs: The outputs that are wanted.
    """

    def __init__(self, signature: ModelSignature, outputs: Sequence[TensorBinding]) -> None:
        self._has_batch_axis = signature.has_batch_axis
        self._is_assumed = signature.is_assumed
        self._may_cache = signature.scheduling.may_cache
        self._outputs = outputs
        #: The shapes of most responses are those of one before.
        self._shape = lru_cache(maxsize=256)(self._check_shape)
        self._kept: set[str] = set()
        self._broken: Counter[str] = Counter()

    def read(self, response: InferenceResponse, rows: int) -> list[Output]:
        """Take a response apart.

        Args:
            response: The response.
            rows: How many rows it is for.

        Returns:
            Each output that is wanted; None for an optional one that the response to a lone row lacks.

        Raises:
            RowError: An output is missing, or may answer another request.
            ContractError: The response is wrong in another way, or an output never was as the signature says.
        """
        outputs: list[Output] = []
        for place, binding in enumerate(self._outputs):
            tensor = response.outputs.get(binding.tensor.name)
            if tensor is None and rows == 1 and binding.may_be_missing:
                outputs.append(None)
                continue
            try:
                if tensor is None:
                    raise _lacks(binding, self._may_cache)
                inner, size = self._shape(place, tensor.shape, rows)
                outputs.append((inner, check_bytes(binding, tensor, size)))
            except RowError as error:
                self._count(binding.tensor.name, rows, error)
                raise
            self._kept.add(binding.tensor.name)
        return outputs

    def _check_shape(self, place: int, shape: tuple[int, ...], rows: int) -> tuple[tuple[int, ...], int]:
        binding = self._outputs[place]
        if self._is_assumed and self._has_batch_axis and binding.tensor.is_scalar and len(shape) == 1:
            shape = (*shape, 1)  # a value for each row either way
        return check_shape(binding, shape, rows, self._has_batch_axis, self._may_cache)

    def _count(self, name: str, rows: int, error: RowError) -> None:
        if rows > 1 or name in self._kept:
            return
        self._broken[name] += 1
        if self._broken[name] >= _NEVER:
            raise ContractError(f"of {_NEVER} rows in succession each was answered so, and none before: {error}")


def _lacks(binding: TensorBinding, may_cache: bool) -> RowError:
    """The error of a missing output. In a batch one row may be the reason, so the batch is split."""
    message = (
        f"the server's answer lacks the output '{binding.tensor.name}' that the model promised. "
        f"{Remedy.SET_OPTIONAL_OUTPUT(column=binding.column.name)}, and it is NULL"
    )
    return RowError(message + _OF_FEWER if may_cache else message, splits=True)
