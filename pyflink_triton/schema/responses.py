"""Checks what a statement declares for a model that may give several responses to a row, or none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from pyflink_triton.errors import OptionError, SchemaError
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.options import Options
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column, pair
from pyflink_triton.schema.option_columns import find
from pyflink_triton.types.sql import INTEGERS, SqlType, array_of, simple

#: Options that have no effect on a stream of responses, or that the server refuses there.
_WITHOUT_STREAMS = ("priority", "sequence-", "compression")


def natural_output(tensor: TensorSpec, options: Options, *, decoupled: bool) -> SqlType:
    """The Flink type of an output column that is not declared.

    A response of a decoupled model has one element in an output of dims [-1], such as a text.
    """
    is_text = decoupled and all(dim in (1, -1) for dim in tensor.dims) and tensor.dims.count(-1) < 2
    one = simple(tensor.datatype.sql) if is_text else tensor.sql_type
    return array_of(one) if options.responses == "array" else one


def of_one_response(column: Column, options: Options | None) -> Column:
    """A declared output column as it is for one response: the element where the column is an array of responses.

    Raises:
        SchemaError: It has to be an ARRAY and is not.
    """
    if options is None or options.responses != "array":
        return column
    element = column.type.element
    if element is None:
        raise SchemaError(
            f"output column '{column.name}' is declared {column.type}, and with 'responses' = 'array' each output is "
            f"an ARRAY with an element for each response. {Remedy.DECLARE_AS(type=array_of(column.type))}"
        )
    return replace(column, type=element)


def find_tokens_column(options: Options, outputs: Sequence[Column]) -> int | None:
    """Find the OUTPUT column of the option `tokens-column` among those that have a tensor; None where it is not set.

    Raises:
        SchemaError: The column is not in OUTPUT, or is not of integers.
    """
    return _find("tokens-column", options.tokens_column, outputs, INTEGERS, Remedy.DECLARE_AS(type="INT"))


def find_finish_column(options: Options, outputs: Sequence[Column]) -> int | None:
    """Find the OUTPUT column of the option `finish-column` among those that have a tensor; None where it is not set.

    Raises:
        SchemaError: The column is not in OUTPUT, or is not a STRING.
    """
    return _find("finish-column", options.finish_column, outputs, {"STRING"}, Remedy.NAME_TEXT_OUTPUT())


def _find(key: str, name: str | None, outputs: Sequence[Column], types: Collection[str], remedy: str) -> int | None:
    """Find the OUTPUT column that an option names, which has to be of one of these types."""
    if name is None:
        return None
    place = find(name, outputs)
    if place is None:
        missing = Remedy.ADD_OUTPUT(name=name, type="STRING" if "STRING" in types else "INT")
        raise SchemaError(f"option '{key}' = '{name}' names no OUTPUT column. {missing}")
    if outputs[place].type.name not in types:
        raise SchemaError(f"option '{key}' = '{name}' is an OUTPUT column of type {outputs[place].type}. {remedy}")
    return place


def check_streams(
    signature: ModelSignature,
    inputs: Sequence[tuple[Column, TensorSpec]],
    outputs: Sequence[tuple[Column, TensorSpec]],
    options: Options | None,
) -> None:
    """Check that a decoupled model can be asked over HTTP for these columns.

    Args:
        signature: The model's signature.
        inputs: The input columns and their tensors.
        outputs: The output columns of one response and their tensors.
        options: The model's options.

    Raises:
        OptionError: An option is not for such a model.
        SchemaError: The server's JSON cannot hold a column.
    """
    model = f"the server's model '{signature.name}' is decoupled"
    for key in sorted(options.written) if options is not None else ():
        if key.startswith(_WITHOUT_STREAMS):
            raise OptionError(f"option '{key}' has no effect, because {model}. {Remedy.LEAVE_OUT()}")
    names = {tensor.name for tensor in signature.inputs}
    if "parameters" in names:
        raise SchemaError(
            f"{model}, and its server takes no request over HTTP for one with an input 'parameters'. "
            + Remedy.RENAME_INPUT()
        )
    for side, pairs in (("input", inputs), ("output", outputs)):
        for column, tensor in pairs:
            problem = _problem(column, tensor)
            if problem is not None:
                raise SchemaError(f"{pair(side, column, tensor)} {model}, and its requests are JSON: {problem}")
    for name, _ in options.parameters if options is not None else ():
        if name in names:
            raise OptionError(
                f"option 'parameters' sets '{name}', which is an input of the model. {Remedy.DECLARE_INPUT(name=name)}"
            )


def _problem(column: Column, tensor: TensorSpec) -> str | None:
    leaf = column.type.leaf
    if not tensor.datatype.in_generate:
        return f"they cannot hold {tensor.datatype.name}. {Remedy.CHANGE_DATATYPE()}"
    if leaf.name == "BYTES":
        return f"they cannot hold bytes. {Remedy.DECLARE_AS(type=array_of(simple('STRING'), column.type.depth))}"
    if column.type.depth > 1 or tensor.dims.count(-1) > 1:
        return f"they hold one flat array for each tensor. {Remedy.CHANGE_DIMS()}"
    return None


def response_warnings(signature: ModelSignature, options: Options) -> list[str]:
    """Warn of options for streams where a model always gives one response."""
    if signature.decoupled:
        return []
    model = f"The server's model '{signature.name}' is not decoupled"
    warnings = []
    if options.responses is not None:
        warnings.append(f"{model}: its answer counts as one response to the option 'responses'.")
    if options.finish_column is not None:
        warnings.append(f"{model}: its answer is whole, and the option 'finish-column' has no effect.")
    return warnings


def refuse_rows(options: Options) -> None:
    """Refuse several rows for one where a function has one result; raises OptionError."""
    if options.responses == "rows":
        raise OptionError(
            f"option 'responses' = 'rows' gives several rows, and a function gives one. {Remedy.USE_ARRAY()}"
        )


def responses_of(signature: ModelSignature, options: Options | None) -> str | None:
    """What the responses to a row become; None where a row has one and is what it is."""
    asked = None if options is None else options.responses
    if signature.decoupled:
        return asked or "one"
    return asked if asked in ("array", "rows") else None
