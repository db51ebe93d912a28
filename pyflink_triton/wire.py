"""Requests and responses of the KServe v2 protocol with Triton's binary tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyflink_triton.errors import ContractError
from pyflink_triton.signature import TensorSpec

#: Length of the JSON in front of the tensors, in requests and in responses.
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Tensor:
    """A tensor of a response: its shape and its bytes."""

    shape: tuple[int, ...]
    data: memoryview


class RequestWriter:
    """Writes the JSON of a model's requests, with all that does not change prepared."""

    def __init__(
        self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], parameters: Mapping[str, Any] | None = None
    ) -> None:
        self._parameters = _members(parameters or {})
        self._inputs = {
            tensor.name: f'{{"name":{json.dumps(tensor.name)},"datatype":"{tensor.datatype.name}","shape":['
            for tensor in inputs
        }
        wanted = [{"name": tensor.name, "parameters": {"binary_data": True}} for tensor in outputs]
        self._tail = f'],"outputs":{json.dumps(wanted, separators=(",", ":"))}}}'

    def write(
        self,
        tensors: Sequence[tuple[TensorSpec, Sequence[int], memoryview]],
        parameters: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Write a request's JSON.

        Args:
            tensors: Each input, its shape with the batch axis, and its bytes.
            parameters: Those of this request, beside those of all.
        """
        members = self._parameters + _members(parameters) if parameters else self._parameters
        head = f'"parameters":{{{members[:-1]}}},' if members else ""
        parts = [
            f'{self._inputs[tensor.name]}{",".join(map(str, shape))}],"parameters":{{"binary_data_size":{len(data)}}}}}'
            for tensor, shape, data in tensors
        ]
        return f'{{{head}"inputs":[{",".join(parts)}{self._tail}'.encode()


def _members(parameters: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in parameters.items())


def read_response(headers: Mapping[str, str], body: bytes, outputs: Mapping[str, str]) -> dict[str, Tensor]:
    """Take a response apart.

    Args:
        headers: The HTTP headers.
        body: The HTTP body.
        outputs: The datatype that the model promised for each output that was asked for.

    Returns:
        Every output that was asked for.

    Raises:
        ContractError: The answer breaks the protocol, or an output is missing or of another datatype.
    """
    size = _header_size(headers, body)
    try:
        answer = json.loads(body[:size])
        answered = {entry["name"]: entry for entry in answer["outputs"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        # Only words are without secrets: the transport leaves an answer of tensors as it is.
        words = "" if HEADER_LENGTH in headers else f": {excerpt(body)}"
        raise ContractError(f"the server's answer has no outputs{words}") from None
    view, position = memoryview(body), size
    tensors: dict[str, Tensor] = {}
    for name, entry in answered.items():
        length, shape = _tensor_size(name, entry), entry.get("shape")
        if position + length > len(body):
            raise ContractError(f"the server's answer ends inside the output '{name}'")
        if name in outputs:
            if entry.get("datatype") != outputs[name]:
                raise ContractError(
                    f"output '{name}' is {entry.get('datatype')}, and the model promised {outputs[name]}"
                )
            if not isinstance(shape, list) or not all(type(dim) is int for dim in shape):
                raise ContractError(f"output '{name}' has no shape")
            tensors[name] = Tensor(tuple(shape), view[position : position + length])
        position += length
    if position != len(body):
        raise ContractError(f"the server's answer has {len(body) - position} bytes too many")
    for name in outputs:
        if name not in tensors:
            raise ContractError(f"the server's answer lacks the output '{name}' that the model promised")
    return tensors


def _header_size(headers: Mapping[str, str], body: bytes) -> int:
    text = headers.get(HEADER_LENGTH)
    if text is None:
        return len(body)
    if not (text.isascii() and text.isdigit() and len(text) < 19) or int(text) > len(body):
        raise ContractError(f"the server's answer has a bad {HEADER_LENGTH}: {text[:40]!r}")
    return int(text)


def _tensor_size(name: str, entry: Mapping[str, Any]) -> int:
    parameters = entry.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if type(size) is not int or size < 0:
        raise ContractError(f"output '{name}' is not binary, though it was asked for as such")
    return size


def excerpt(body: bytes) -> str:
    """At most 200 bytes of a body, for messages about answers that are no answers."""
    return repr(body[:200].decode("utf-8", "replace"))
