"""The JSON of the KServe v2 protocol with Triton's binary tensors: requests are written, and responses read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple

from pyflink_triton.errors import ContractError, RowError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.protocol.dialect import TRITON, Dialect
from pyflink_triton.protocol.inference import InferenceRequest, OutputTensor
from pyflink_triton.protocol.json_tensors import encode_elements
from pyflink_triton.remedies import Remedy
from pyflink_triton.types.sql import FLOATS

#: The HTTP header with the length of the JSON in front of the tensors, in requests and in responses.
HEADER_LENGTH = "Inference-Header-Content-Length"
#: The same, as responses have it.
HEADER_KEY = HEADER_LENGTH.lower()
#: The parameter of a request that asks for all outputs in binary form.
_BINARY_OUTPUTS = "binary_data_output"
#: ``json.dumps`` would make an encoder for each request.
_encode = json.JSONEncoder(separators=(",", ":")).encode
#: The JSON of responses is kept up to so many bytes.
_KEPT_JSON = 2048
#: Characters of a server's text that a message repeats at the most.
_MAX_TEXT = 2000


def write_request(request: InferenceRequest, request_id: str, dialect: Dialect = TRITON) -> bytes:
    """Write a request's JSON; the inputs' bytes follow it in the same order.

    Args:
        request: The request.
        request_id: Its id, in ASCII without quotes.
        dialect: What the servers speak.
    """
    parameters, outputs = request.parameters, ""
    if request.asks_for_all or dialect.answers_in_json:
        parameters = {**parameters, _BINARY_OUTPUTS: True}
    if not request.asks_for_all:
        outputs = _outputs(tuple(spec.name for spec in request.outputs))
    written = f'"parameters":{_encode(parameters)},' if parameters else ""
    inputs = ",".join(
        [
            f"{_input(spec.name, spec.datatype.name, shape)}{sum(map(len, data))}}}}}"
            for spec, shape, data in request.inputs
        ]
    )
    return f'{{"id":"{request_id}",{written}"inputs":[{inputs}]{outputs}}}'.encode()


@lru_cache
def _input(name: str, datatype: str, shape: tuple[int, ...]) -> str:
    """What the JSON says of an input, up to the number of its bytes."""
    entry = _encode({"name": name, "datatype": datatype, "shape": shape})
    return f'{entry[:-1]},"parameters":{{"binary_data_size":'


@lru_cache
def _outputs(names: tuple[str, ...]) -> str:
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in names]
    return f',"outputs":{_encode(wanted)}'


class _Output(NamedTuple):
    """What the JSON says of one output; ``size`` is None where its values are in the JSON, as ``values``."""

    name: str
    datatype: object
    shape: tuple[int, ...] | None
    size: int | None
    values: object


class _Answer(NamedTuple):
    """What the JSON of a response says: the version of the model, and the outputs."""

    version: str | None
    outputs: tuple[_Output, ...]


def read_response(
    headers: Mapping[str, str],
    body: bytes | bytearray,
    wanted: Sequence[TensorSpec],
    request_id: str = "",
    dialect: Dialect = TRITON,
) -> tuple[dict[str, OutputTensor], str | None]:
    """Read a response.

    Args:
        headers: The HTTP headers.
        body: The HTTP body.
        wanted: The outputs that are wanted, with the datatypes that the model promised.
        request_id: The request's id, which the response repeats or leaves out.
        dialect: What the server speaks.

    Returns:
        Those of the wanted outputs that the response has, by name; others are passed over, whatever they look like.
        And the version of the model that answered, as far as the response says it.

    Raises:
        ContractError: The response breaks the protocol or is to another request, or an output has another datatype.
        RowError: JSON cannot hold a value of an output.
    """
    outputs = {spec.name: spec for spec in wanted}
    size = _header_size(headers, body)
    view, position = memoryview(body), size
    try:
        version, answered = (
            _read_outputs(bytes(view[:size])) if dialect.answers_in_json else _read_own(view[:size], request_id)
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # Secrets are taken out of text only, and a response with this header is tensors.
        words = "" if HEADER_KEY in headers else f": {excerpt(body)}"
        raise ContractError(f"the server's answer has no outputs{words}") from None
    tensors: dict[str, OutputTensor] = {}
    for name, datatype, shape, length, values in answered:
        start, position = position, position + (length or 0)
        if position > len(body):
            raise ContractError(f"the server's answer ends inside the output '{name}'")
        spec = outputs.get(name)
        if spec is None:
            continue
        if name in tensors:
            raise ContractError(f"the server's answer has the output '{name}' twice")
        promised = spec.datatype.name
        if datatype != promised:
            raise ContractError(f"output '{name}' is {datatype}, and the model promised {promised}")
        if shape is None:
            raise ContractError(f"output '{name}' has no shape")
        data = None if length is None else view[start:position]
        if data is None and dialect.answers_in_json:
            data = _read_values(spec, values)
        tensors[name] = OutputTensor(shape, data)
    if position != len(body):
        raise ContractError(f"the server's answer has {len(body) - position} bytes too many")
    return tensors, version


def _read_values(spec: TensorSpec, values: object) -> memoryview:
    """Encode an output's values that came in JSON, flat or nested; their number is checked with the shape."""
    if not isinstance(values, list):
        raise ContractError(f"output '{spec.name}' has no values")
    try:
        while values and type(values[0]) is list:
            values = list(chain.from_iterable(values))
    except TypeError:
        raise ContractError(f"output '{spec.name}' has values of different depths") from None
    if None in values and spec.datatype.sql in FLOATS:
        raise RowError(
            f"output '{spec.name}' holds null, which is how JSON has NaN and infinities. {Remedy.ANSWER_BINARY()}",
            splits=True,
        )
    return encode_elements(spec, values)


def _read_own(view: memoryview, request_id: str) -> _Answer:
    """Read the JSON of a response that has to repeat the request's id."""
    # Without the id the JSON of most responses is that of one before.
    text = bytes(view).replace(request_id.encode(), b"", 1)
    return _read_again(text) if len(text) < _KEPT_JSON else _read_outputs(text, has_id=False)


def _read_outputs(text: bytes, has_id: bool = True) -> _Answer:
    """Read the JSON of a response; without ``has_id``, from which the request's own id was taken out."""
    answer = json.loads(str(text, "utf-8"))  # of bytes it would look for the encoding
    if answer.get("id") and not has_id:
        raise ContractError("the server's answer has the id of another request")
    outputs = []
    for entry in answer["outputs"]:
        name, shape = entry["name"], entry.get("shape")
        is_shape = isinstance(shape, list) and all(type(dim) is int for dim in shape)
        size = _binary_size(name, entry)
        outputs.append(
            _Output(
                name if isinstance(name, str) else "",
                entry.get("datatype"),
                tuple(shape) if is_shape else None,
                size,
                entry.get("data"),
            )
        )
    version = answer.get("model_version")
    return _Answer(version if isinstance(version, str) else None, tuple(outputs))


_read_again = lru_cache(maxsize=128)(partial(_read_outputs, has_id=False))


def _header_size(headers: Mapping[str, str], body: bytes | bytearray) -> int:
    text = headers.get(HEADER_KEY)
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


def read_error(body: bytes | bytearray) -> tuple[str, bool]:
    """Read what an error says.

    Args:
        body: The HTTP body.

    Returns:
        The server's own text, or an excerpt of what something else sent; and whether the body is an error of the
        protocol and nothing else.
    """
    try:
        error = json.loads(body)
        return str(error["error"])[:_MAX_TEXT], len(error) == 1
    except (ValueError, TypeError, KeyError, RecursionError):
        return excerpt(body), False


def excerpt(body: bytes | bytearray) -> str:
    """At most 200 bytes of a body that is not what the protocol has there, for messages."""
    return repr(body[:200].decode("utf-8", "replace"))
