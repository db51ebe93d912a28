"""The JSON of Triton's generate extension: a row goes out, and each event that comes back is a response or an error."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyflink_triton.errors import ContractError, RowError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.protocol.inference import InputTensor, OutputTensor
from pyflink_triton.protocol.json_tensors import encode_elements
from pyflink_triton.protocol.kserve_v2 import excerpt
from pyflink_triton.types.wire import LengthPrefixed, Wire

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class StreamError(Exception):
    """An event says that the model failed; the message is the server's."""


def write_row(inputs: Sequence[InputTensor], parameters: Mapping[str, Any]) -> bytes:
    """Write the request of one row.

    Args:
        inputs: Its inputs. One element is written as a value, and more of them as a flat list: nothing else is read.
        parameters: Its parameters: texts, numbers and booleans.
    """
    values = {tensor.spec.name: _written(tensor) for tensor in inputs}
    return _encode({**values, **({"parameters": parameters} if parameters else {})}).encode()


def _written(tensor: InputTensor) -> Any:
    elements = _elements(tensor.spec.datatype.wire, b"".join(tensor.data))
    return elements[0] if tensor.spec.is_scalar else elements


def _elements(wire: Wire, data: bytes) -> list[Any]:
    if isinstance(wire, LengthPrefixed):
        return _texts(data)
    # A float is written exactly; NaN and Infinity as the server reads them.
    values: list[Any] = wire.from_wire(np.frombuffer(data, wire.dtype)).tolist()
    return values


def _texts(data: bytes) -> list[str]:
    texts, position = [], 0
    while position < len(data):
        start = position + 4
        position = start + int.from_bytes(data[position:start], "little")
        texts.append(data[start:position].decode())
    return texts


def read_event(
    data: bytes, wanted: Sequence[TensorSpec], has_batch_axis: bool, has_error_output: bool = False
) -> tuple[dict[str, OutputTensor], str | None]:
    """Read one event.

    Args:
        data: The event's data.
        wanted: The outputs that are wanted.
        has_batch_axis: Whether the tensors' first axis is that of the rows.
        has_error_output: Whether the model has an output called ``error``. A response names its model, too, and an
            error of Triton does not.

    Returns:
        Those of the wanted outputs that the response has, by name, as if one row had come in binary form; and the
        version of the model, as far as the response says it.

    Raises:
        StreamError: The event is an error.
        RowError: A text is not UTF-8.
        ContractError: The event breaks the protocol, or an output is not what the model promised.
    """
    try:
        event = json.loads(data.decode())
    except UnicodeDecodeError:
        raise RowError(
            "the model answered with bytes that are not UTF-8, which a stream of answers cannot hold"
        ) from None
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise ContractError(f"an event of the server's answer is not a JSON object: {excerpt(data)}")
    if "error" in event and not (has_error_output and "model_name" in event):
        raise StreamError(str(event["error"]))
    version = event.get("model_version")
    outputs = {spec.name: _tensor(spec, event[spec.name], has_batch_axis) for spec in wanted if spec.name in event}
    return outputs, version if isinstance(version, str) else None


def _tensor(spec: TensorSpec, value: Any, has_batch_axis: bool) -> OutputTensor:
    elements = value if isinstance(value, list) else [value]
    encoded = encode_elements(spec, elements)
    return OutputTensor((*((1,) if has_batch_axis else ()), *_shape(spec, len(elements))), encoded)


def _shape(spec: TensorSpec, count: int) -> tuple[int, ...]:
    """The shape, which the server leaves out: at most one of the dims is free."""
    known = math.prod(dim for dim in spec.dims if dim != -1)
    free = count // known if known else 0
    shape = tuple(free if dim == -1 else dim for dim in spec.dims)
    if math.prod(shape) != count:
        raise ContractError(f"output '{spec.name}' has {count} elements, and the model promised {list(spec.dims)}")
    return shape
