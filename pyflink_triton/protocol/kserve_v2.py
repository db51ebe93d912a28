"""Requests and responses of the KServe v2 protocol with Triton's binary tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyflink_triton.errors import ContractError
from pyflink_triton.model.signature import TensorSpec

#: A parameter of a request whose outputs are all to be binary, and the JSON's end where it names none: all are meant.
_BINARY_OUTPUTS = "binary_data_output"
_ALL_OUTPUTS = "]}"
#: Length of the JSON in front of the tensors, in requests and in responses.
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Tensor:
    """A tensor of a response: its shape and its bytes; None where they are not binary."""

    shape: tuple[int, ...]
    data: memoryview | None


class RequestWriter:
    """Writes the JSON of a model's requests, with all that does not change prepared.

    Args:
        inputs: The tensors that requests may hold.
        outputs: The outputs that they ask for.
        parameters: Those of all requests.
    """

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

    def ask_for_all(self) -> None:
        """From now on requests ask for all outputs."""
        if self._tail != _ALL_OUTPUTS:
            self._tail = _ALL_OUTPUTS
            self._parameters += _members({_BINARY_OUTPUTS: True})

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


def asks_for_all(header: bytes) -> bool:
    """Whether a request asks for all outputs, by its JSON."""
    return "outputs" not in json.loads(header)


def for_all_outputs(header: bytes) -> bytes:
    """The same request's JSON, asking for all outputs."""
    request = json.loads(header)
    del request["outputs"]
    request["parameters"] = {**request.get("parameters", {}), _BINARY_OUTPUTS: True}
    return json.dumps(request, separators=(",", ":")).encode()


def read_response(headers: Mapping[str, str], body: bytes, outputs: Mapping[str, str]) -> dict[str, Tensor]:
    """Take a response apart.

    Args:
        headers: The HTTP headers.
        body: The HTTP body.
        outputs: The datatype that the model promised for each output that is wanted.

    Returns:
        Those of the wanted outputs that the answer has; others are passed over, in whatever form.

    Raises:
        ContractError: The answer breaks the protocol, or an output is of another datatype.
    """
    size = _header_size(headers, body)
    try:
        answer = json.loads(body[:size])
        answered = [(entry["name"], entry) for entry in answer["outputs"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        # Only words are without secrets: the transport leaves an answer of tensors as it is.
        words = "" if HEADER_LENGTH in headers else f": {excerpt(body)}"
        raise ContractError(f"the server's answer has no outputs{words}") from None
    view, position = memoryview(body), size
    tensors: dict[str, Tensor] = {}
    for name, entry in answered:
        length = _binary_size(name, entry)
        start, position = position, position + (length or 0)
        if position > len(body):
            raise ContractError(f"the server's answer ends inside the output '{name}'")
        if not isinstance(name, str) or name not in outputs:
            continue
        if name in tensors:
            raise ContractError(f"the server's answer has the output '{name}' twice")
        if entry.get("datatype") != outputs[name]:
            raise ContractError(f"output '{name}' is {entry.get('datatype')}, and the model promised {outputs[name]}")
        shape = entry.get("shape")
        if not isinstance(shape, list) or not all(type(dim) is int for dim in shape):
            raise ContractError(f"output '{name}' has no shape")
        tensors[name] = Tensor(tuple(shape), None if length is None else view[start:position])
    if position != len(body):
        raise ContractError(f"the server's answer has {len(body) - position} bytes too many")
    return tensors


def _header_size(headers: Mapping[str, str], body: bytes) -> int:
    text = headers.get(HEADER_LENGTH)
    if text is None:
        return len(body)
    if not (text.isascii() and text.isdigit() and len(text) < 19) or int(text) > len(body):
        raise ContractError(f"the server's answer has a bad {HEADER_LENGTH}: {text[:40]!r}")
    return int(text)


def _binary_size(name: str, entry: Mapping[str, Any]) -> int | None:
    """How many bytes an output has behind the JSON; None where its values are in the JSON."""
    parameters = entry.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None and (type(size) is not int or size < 0):
        raise ContractError(f"output '{name}' has a bad binary_data_size")
    return size


def excerpt(body: bytes) -> str:
    """At most 200 bytes of a body, for messages about answers that are no answers."""
    return repr(body[:200].decode("utf-8", "replace"))
