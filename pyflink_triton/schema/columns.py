"""A declared column: which arguments it takes, and whether it fits its tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyflink_triton.errors import SchemaError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.remedies import Remedy
from pyflink_triton.types.conversions import advice, conversion, is_bytes_for_text
from pyflink_triton.types.sql import FLOATS, INTEGERS, SqlType, parse_type
from pyflink_triton.types.triton import DEFAULT_DATATYPES


@dataclass(frozen=True)
class Column:
    """A declared column of a model: its name and its Flink type."""

    name: str
    type: SqlType

    @staticmethod
    def parse(name: str, type_: str) -> Column:
        """Read a column as Flink writes it; raises SchemaError for a type that no tensor can hold."""
        return Column(name, parse_type(type_, name))

    def __str__(self) -> str:
        """The column as it is declared."""
        return f"{self.name} {self.type}"


def is_castable(argument: SqlType, declared: SqlType) -> bool:
    """Whether Flink casts a scalar implicitly and keeps its meaning.

    Flink would also cast FLOAT and DOUBLE to DECIMAL, but a value that does not fit would become NULL.
    """
    source, target = argument.name, declared.name
    if source == target:
        return True
    if source in INTEGERS and target in INTEGERS:
        return INTEGERS.index(source) < INTEGERS.index(target)
    if source in FLOATS and target in FLOATS:
        return source == "FLOAT"
    return source in (*INTEGERS, "DECIMAL") and target in (*FLOATS, "DECIMAL")


def loses_decimals(argument: SqlType, declared: SqlType) -> bool:
    """Whether a cast from one DECIMAL to another, which is whole, drops decimals."""
    return argument.name == declared.name == "DECIMAL" and bool(argument.arrow.scale)


def check_count(columns: Sequence[Column], arguments: Sequence[object]) -> None:
    """Check that there is an argument for each column; raises SchemaError."""
    if len(columns) != len(arguments):
        listed = ", ".join(map(str, columns))
        raise SchemaError(f"the model takes {len(columns)} columns ({listed}), and {len(arguments)} were given")


def is_text_given_as_bytes(argument: SqlType, declared: SqlType) -> bool:
    """Whether a function sends bytes for a declared text, outside of ARRAYs; the tensor takes them as they are."""
    return not argument.depth and not declared.depth and is_bytes_for_text(argument, declared)


def check_argument(column: Column, argument: SqlType) -> None:
    """Check that this package may cast an argument to the declared type.

    Scalars follow Flink's implicit casts. The elements of an array are only widened within their kind, because Flink
    accepts other ones and casts none of them.

    Raises:
        SchemaError: It may not. The message says what to write.
    """
    source, target = argument.leaf, column.type.leaf
    is_good = argument.depth == column.type.depth and is_castable(source, target)
    if argument.depth and is_good:
        is_good = source.arrow == target.arrow or any({source.name, target.name} <= {*kind} for kind in _KINDS)
    if not is_good:
        raise cast_needed(column, argument)


_KINDS = (INTEGERS, FLOATS)


def cast_needed(column: Column, argument: SqlType, remedy: str | None = None) -> SchemaError:
    """Make the error for an argument that is not cast implicitly; its message says what to write."""
    return SchemaError(
        f"input column '{column.name}' is declared {column.type}, but the argument is {argument}. "
        f"{remedy or advice(argument, column.type)}"
    )


def refuse_not_null(column: Column, when: str) -> None:
    """Refuse an output column that is NOT NULL, because Flink would turn each NULL there into a value such as -1 or ''.

    Args:
        column: The output column. An ARRAY's elements may be NOT NULL, because no tensor holds a NULL.
        when: Which rows are NULL there, for the message.

    Raises:
        SchemaError: It is NOT NULL.
    """
    if not column.type.nullable:
        raise SchemaError(
            f"output column '{column.name}' is declared {column.type} NOT NULL, and rows {when} are NULL there. "
            + Remedy.DECLARE_AS(type=column.type)
        )


def check_type(side: str, column: Column, tensor: TensorSpec) -> None:
    """Check a column's leaf type against its tensor's datatype; raises SchemaError."""
    leaf, datatype = column.type.leaf, tensor.datatype
    if datatype.takes(leaf) if side == "input" else datatype.gives(leaf):
        return
    natural, default = tensor.sql_type, DEFAULT_DATATYPES.get(leaf.name)
    if not column.type.depth and all(dim in (1, -1) for dim in tensor.dims):  # one element, as it is declared
        natural = natural.leaf
    if side == "input":
        expected, got = str(natural.leaf), leaf.name if default is None else default.name
        expression, declare = conversion(column.type, natural), Remedy.DECLARE_AND_CONVERT_ARGUMENT
    else:
        expected, got = str(leaf), datatype.name
        expression, declare = conversion(natural, column.type), Remedy.DECLARE_AND_CONVERT_RESULT
    remedy = Remedy.DECLARE_AS(type=natural)
    if expression:
        remedy = declare(type=natural, expression=expression, other=column.type)
    if leaf.name == "BYTES" and datatype.is_fixed_size and tensor.dims.count(-1) < 2:
        remedy += f". {Remedy.DECLARE_RAW()}"
    raise SchemaError(f"{pair(side, column, tensor)} Type mismatch: expected {expected} but got {got}. {remedy}")


def check_shape(side: str, column: Column, tensor: TensorSpec, *, flatten: bool = False) -> bool:
    """Check the number of nested ARRAYs of a column against the dims of its tensor.

    Args:
        side: ``input`` or ``output``.
        column: The column.
        tensor: Its tensor.
        flatten: Whether the column may have a leading dimension of 1 that the tensor does not have.

    Returns:
        Whether the column has such a leading dimension.

    Raises:
        SchemaError: They do not fit.
    """
    rank, depth = len(tensor.dims), column.type.depth
    if depth == 0:
        is_good = all(dim in (1, -1) for dim in tensor.dims)
    elif depth == 1:
        is_good = not tensor.is_scalar and (rank == 1 or tensor.dims.count(-1) < 2 or side == "output")
    else:
        is_good = depth == rank
    if is_good:
        return False
    if depth > 1 and depth == rank + 1:
        if flatten:
            return True
        if side == "input" and not tensor.is_scalar:
            raise SchemaError(
                f"{pair(side, column, tensor)} The shapes differ: {Remedy.DECLARE_OR_FLATTEN(type=tensor.sql_type)}"
            )
    raise SchemaError(f"{pair(side, column, tensor)} The shapes differ: {Remedy.DECLARE(type=tensor.sql_type)}")


def pair(side: str, column: Column, tensor: TensorSpec) -> str:
    """Name a column and its tensor, as messages begin about what does not fit between them."""
    return f"{side} column '{column.name}' is {column.type}, and its tensor is {tensor}."
