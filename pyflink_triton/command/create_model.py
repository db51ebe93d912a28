"""The CREATE MODEL of a model, with the columns from the server and with declared ones, and a call of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyflink_triton._units import format_duration
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import OPTIONS
from pyflink_triton.options.validation import parse_options
from pyflink_triton.schema.columns import Column
from pyflink_triton.schema.derived import derive_inputs, derive_outputs

#: The option of a stateful model where the user names none: a column beside the tensors.
_SEQUENCE = {"sequence-id": "${sequence_id}", "sequence-start": "true"}
#: The rows of a request of a server that says no limit, where a dim counts rows.
_ROWS = "32"
#: The input that language models read a prompt from, the one that asks for an answer in parts, and the parameter that
#: limits an answer where it is no input.
_PROMPT, _STREAM, _MAX_TOKENS = "text_input", "stream", "max_tokens"
_REFERENCE = re.compile(r"\$\{SECRET:[^}]*\}")


@dataclass(frozen=True)
class Statements:
    """What to paste for a model.

    Attributes:
        derived: CREATE MODEL with options alone, for a catalog of the type ``triton``.
        declared: CREATE MODEL with INPUT and OUTPUT, for any catalog.
        call: A query that calls what the first one makes: as a function, where that can give what the model gives.
        predict: A query that calls what either makes, in any catalog.
        options: The options of both.
        inputs: The declared INPUT.
        outputs: The declared OUTPUT.
    """

    derived: str
    declared: str
    call: str
    predict: str
    options: Mapping[str, str]
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]


def write_statements(name: str, signature: ModelSignature, written: Mapping[str, str]) -> Statements:
    """Write the statements of a model.

    Args:
        name: What the Flink model is called.
        signature: What the model takes and gives.
        written: The options that the user gives for it, ``endpoint`` and ``model-name`` among them.

    Raises:
        TritonError: The options do not fit the model.
    """
    options = {**written, **_needed(signature, written)}
    parsed = parse_options(options)
    inputs, outputs = derive_inputs(signature, parsed), derive_outputs(signature, parsed)
    if signature.decoupled:
        inputs = _asked_for(signature, inputs)
    with_ = _with(options)
    sides = f"INPUT ({_columns(inputs)})\nOUTPUT ({_columns(outputs)})\n"
    names = ", ".join(_quoted(column.name) for column in inputs)
    predict = f"SELECT * FROM ML_PREDICT(TABLE ..., MODEL {_quoted(name)}, DESCRIPTOR({names}));"
    call = predict if options.get("responses") == "rows" else f"SELECT {_quoted(name)}({names}) FROM ...;"
    create = f"CREATE MODEL {_quoted(name)}\n"
    return Statements(f"{create}{with_}", f"{create}{sides}{with_}", call, predict, options, inputs, outputs)


def guessed_rows(metadata: Mapping[str, object]) -> str:
    """The option ``max-batch-size`` of a model whose server says no limit: 0 where no first dim is free."""
    tensors = [tensor for side in ("inputs", "outputs") for tensor in _sequence(metadata.get(side))]
    shapes = [_sequence(tensor.get("shape")) for tensor in tensors if isinstance(tensor, Mapping)]
    return _ROWS if shapes and all(shape and str(shape[0]) == "-1" for shape in shapes) else "0"


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _needed(signature: ModelSignature, written: Mapping[str, str]) -> dict[str, str]:
    """The options that a model of this kind needs, or is better with, where the user has set none."""
    needed: dict[str, str] = {}
    if signature.stateful and "sequence-id" not in written:
        needed.update(_SEQUENCE)
    if signature.decoupled:
        streams = parse_options(written).for_streams()
        texts = [tensor for tensor in signature.outputs if not tensor.datatype.is_fixed_size]
        needed["responses"] = "join" if texts else "array"
        needed["timeout"] = format_duration(streams.timeout)
        needed["total-timeout"] = format_duration(streams.row_timeout)
        inputs = {tensor.name for tensor in signature.inputs}
        if _PROMPT in inputs and not {_MAX_TOKENS, "parameters"} & inputs:
            needed[f"parameters.{_MAX_TOKENS}"] = "200"
    return {key: value for key, value in needed.items() if key not in written}


def _asked_for(signature: ModelSignature, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns of tensors that have to be there, and of the one that asks for an answer in parts."""
    optional = {tensor.name for tensor in signature.inputs if tensor.optional and tensor.name != _STREAM}
    return tuple(column for column in columns if column.name not in optional) or columns


def _with(options: Mapping[str, str]) -> str:
    pairs = {"provider": "triton", **options}
    lines = ",\n".join(f"  {_text(key)} = {_text(_shown(key, value))}" for key, value in pairs.items())
    return f"WITH (\n{lines}\n);"


def _shown(key: str, value: str) -> str:
    """An option's value as it may be shown: a secret that is written out becomes a reference."""
    option = OPTIONS.get(key)
    is_secret = (option is not None and option.secret) or key.startswith("custom-headers")
    return "${SECRET:triton}" if is_secret and not _REFERENCE.search(value) else value


def _columns(columns: Sequence[Column]) -> str:
    return ", ".join(f"{_quoted(column.name)} {column.type}" for column in columns)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
