"""Which column goes to which tensor, and whether their types and shapes fit: all that planning can check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyflink_triton.errors import SchemaError
from pyflink_triton.signature import ModelSignature, TensorSpec
from pyflink_triton.sqltypes import FLOATS, INTEGERS, SqlType, parse_type

#: The datatype that the documentation's table gives for a Flink type, for messages.
_DOCUMENTED = {
    "BOOLEAN": "BOOL",
    "TINYINT": "INT32",
    "SMALLINT": "INT32",
    "INT": "INT32",
    "BIGINT": "INT64",
    "FLOAT": "FP32",
    "DOUBLE": "FP64",
    "STRING": "BYTES",
    "BYTES": "BYTES",
}


@dataclass(frozen=True)
class Column:
    """A declared column of a model: its name and its Flink type."""

    name: str
    type: SqlType

    @staticmethod
    def parse(name: str, type_: str) -> Column:
        """Read a column as Flink writes it; raises SchemaError for a type that no tensor can hold."""
        return Column(name, parse_type(type_, name))


@dataclass(frozen=True)
class Binding:
    """A column, the tensor that it stands for, and the type that its values come in.

    Attributes:
        column: The declared column.
        tensor: Its tensor.
        given: The type of the values that rows hold; cast to the declared type. Outputs: the declared type.
    """

    column: Column
    tensor: TensorSpec
    given: SqlType


@dataclass(frozen=True)
class Mapping:
    """Every column's tensor.

    Attributes:
        inputs: A binding for each input column, in the columns' order.
        outputs: A binding for each output column, in the columns' order.
    """

    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]


def check_arguments(columns: Sequence[Column], arguments: Sequence[SqlType]) -> None:
    """Check that the values of a call may be cast to the declared columns.

    Scalars follow Flink's implicit casts. An array's elements are only widened within their kind, for Flink
    lets others through and casts none of them.

    Raises:
        SchemaError: They may not; the message holds the CAST to write.
    """
    if len(columns) != len(arguments):
        raise SchemaError(f"the model takes {len(columns)} columns, and {len(arguments)} were given")
    for column, given in zip(columns, arguments, strict=True):
        if not _castable(given, column.type):
            raise SchemaError(
                f"input column '{column.name}' is declared {column.type}, and what is given is "
                f"{given}. Write CAST(... AS {column.type})"
            )


def _castable(given: SqlType, declared: SqlType) -> bool:
    if given.depth != declared.depth:
        return False
    source, target = given.leaf.name, declared.leaf.name
    if source == target:
        return source != "DECIMAL" or given.depth == 0 or given.arrow == declared.arrow
    if source in INTEGERS and target in INTEGERS:
        return INTEGERS.index(source) < INTEGERS.index(target)
    if source in FLOATS and target in FLOATS:
        return source == "FLOAT"
    is_number = source in (*INTEGERS, "DECIMAL")
    return given.depth == 0 and is_number and target in (*FLOATS, "DECIMAL")


def map_columns(
    signature: ModelSignature,
    inputs: Sequence[Column],
    outputs: Sequence[Column],
    arguments: Sequence[SqlType] | None = None,
) -> Mapping:
    """Find each column's tensor and check types and shapes.

    Args:
        signature: The server's model.
        inputs: The declared INPUT columns; every tensor that is not optional must be among them.
        outputs: The declared OUTPUT columns; some of the outputs are enough.
        arguments: The types of the values given, in the order of ``inputs``; by default the declared ones.

    Raises:
        SchemaError: Something does not fit; the message names the column, both types and the remedy.
    """
    if signature.decoupled:
        raise SchemaError(
            f"the server's model '{signature.name}' is decoupled, and the server's HTTP endpoint "
            "does not serve decoupled models. Use a model that gives one response for each request"
        )
    if signature.stateful:
        raise SchemaError(
            f"the server's model '{signature.name}' is stateful (it has sequence_batching), and this "
            "version sends no sequence ids. Use a stateless model"
        )
    if arguments is not None:
        check_arguments(inputs, arguments)
    given = arguments or [column.type for column in inputs]
    in_tensors = _match("input", inputs, signature.inputs)
    missing = [t for t in signature.inputs if t not in in_tensors and not t.optional]
    if missing:
        raise SchemaError(
            f"no input column stands for the tensor '{missing[0].name}'. "
            f"Add a column {missing[0].name} {missing[0].sql_type} to INPUT; the model's inputs are "
            f"{', '.join(map(str, signature.inputs))}."
        )
    for column, tensor in zip(inputs, in_tensors, strict=True):
        _check("input", column, tensor)
    out_tensors = _match("output", outputs, signature.outputs)
    for column, tensor in zip(outputs, out_tensors, strict=True):
        _check("output", column, tensor)
    return Mapping(
        tuple(map(Binding, inputs, in_tensors, given)),
        tuple(Binding(column, tensor, column.type) for column, tensor in zip(outputs, out_tensors, strict=True)),
    )


def _match(side: str, columns: Sequence[Column], tensors: Sequence[TensorSpec]) -> list[TensorSpec]:
    """Pair by exact name, then ignoring case, then by position where there is one of each."""
    if not columns:
        raise SchemaError(f"the model declares no {side} column")
    exact = {tensor.name: tensor for tensor in tensors}
    found: list[TensorSpec] = []
    for column in columns:
        tensor = exact.get(column.name)
        if tensor is None:
            alike = [tensor for tensor in tensors if tensor.name.lower() == column.name.lower()]
            if len(alike) > 1:
                names = ", ".join(map(str, alike))
                raise SchemaError(f"{side} column '{column.name}' may be any of {names}. Write the name exactly")
            tensor = alike[0] if alike else tensors[0] if len(columns) == len(tensors) == 1 else None
        if tensor is None:
            raise SchemaError(
                f"{side} column '{column.name}' is no tensor of the model. "
                f"Name it after one: {', '.join(map(str, tensors))}."
            )
        if tensor in found:
            raise SchemaError(f"two {side} columns stand for the tensor '{tensor.name}'. Leave one out")
        found.append(tensor)
    return found


def _check(side: str, column: Column, tensor: TensorSpec) -> None:
    leaf, datatype = column.type.leaf, tensor.datatype
    fits = datatype.takes(leaf) if side == "input" else datatype.gives(leaf)
    natural = tensor.sql_type
    where = f"{side} column '{column.name}' is {column.type}, and its tensor is {tensor}."
    if not fits:
        expected, got = natural.leaf, _DOCUMENTED.get(leaf.name, leaf.name)
        if side == "output":
            expected, got = leaf, datatype.name
        remedy = (
            f"Declare it {natural}, and write CAST(... AS {natural}) where a column of another type is given"
            if side == "input"
            else f"Declare it {natural}, and CAST the result where another type is needed."
        )
        raise SchemaError(f"{where} Type mismatch: expected {expected} but got {got}. {remedy}")
    rank, depth = len(tensor.dims), column.type.depth
    if depth == 0:
        is_good = all(dim in (1, -1) for dim in tensor.dims)
    elif depth == 1:
        is_good = rank >= 1 and tensor.dims != (1,) and (rank == 1 or tensor.dims.count(-1) < 2 or side == "output")
    else:
        is_good = depth == rank
    if not is_good:
        raise SchemaError(f"{where} The shapes differ: declare it {natural}")
