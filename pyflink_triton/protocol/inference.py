"""An inference request and its response, whatever protocol carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyflink_triton.model.signature import TensorSpec


class InputTensor(NamedTuple):
    """An input as it is sent: its shape with the batch axis, and its bytes in row-major order, in parts."""

    spec: TensorSpec
    shape: tuple[int, ...]
    data: Sequence[memoryview]


class OutputTensor(NamedTuple):
    """An output as it came: its shape with the batch axis, and its bytes; None where they are not binary."""

    shape: tuple[int, ...]
    data: memoryview | None


@dataclass(slots=True)
class InferenceRequest:
    """What is asked of a model.

    Attributes:
        inputs: The inputs.
        outputs: The outputs that are wanted.
        parameters: The request's parameters.
        asks_for_all: Whether the server is to make all of the model's outputs, not only those that are wanted.
    """

    inputs: Sequence[InputTensor]
    outputs: Sequence[TensorSpec]
    parameters: Mapping[str, Any]
    asks_for_all: bool = False


@dataclass(slots=True)
class PreparedRequest:
    """A request as its bytes go out, written once however often it is sent.

    Attributes:
        request_id: Its id.
        buffers: The body, in parts.
        headers: What goes in front of it, beside what goes in front of every call.
        outputs: The outputs that are wanted.
    """

    request_id: str
    buffers: Sequence[bytes | memoryview]
    headers: Mapping[str, str]
    outputs: Sequence[TensorSpec]


@dataclass(slots=True)
class InferenceResponse:
    """What a model answered.

    Attributes:
        outputs: Those of the wanted outputs that the response has, by name; of a stream, those of its last response.
        endpoint: The base URL of the server that answered.
        stream: The outputs of each response in a stream of them; None where the answer is no stream.
        version: The version of the model that answered; None where the server does not say it.
        seconds: How long the call took.
    """

    outputs: Mapping[str, OutputTensor]
    endpoint: str
    stream: Sequence[Mapping[str, OutputTensor]] | None = None
    version: str | None = None
    seconds: float = 0.0
