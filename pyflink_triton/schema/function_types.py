"""The types of a function call m(x): what its arguments are cast to, and the type of its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyflink_triton.options.options import Options
from pyflink_triton.schema.columns import (
    Column,
    cast_needed,
    check_count,
    is_castable,
    is_text_given_as_bytes,
    loses_decimals,
)
from pyflink_triton.schema.option_columns import check_reference_argument, find_references
from pyflink_triton.schema.own_columns import find_own_columns
from pyflink_triton.types.conversions import is_bytes_for_text
from pyflink_triton.types.sql import SqlType, array_of, parse_type


def call_types(
    inputs: Sequence[Column], outputs: Sequence[Column], arguments: Sequence[str], options: Options
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Find the types that the arguments of a call are cast to, and the types of its result.

    ``bind_columns`` checks afterwards whether they fit the model's tensors.

    Args:
        inputs: The declared INPUT columns.
        outputs: The declared OUTPUT columns.
        arguments: The types of the arguments, as Flink writes them; ``NULL`` for a NULL without a type.
        options: The model's options.

    Returns:
        The columns to cast to and the columns of the result. They are the declared ones, with two exceptions: where an
        array is the argument for a scalar, each row is a batch of its own and the result is an array. Where an array
        is flat, nested or has a leading dimension of 1, it stays so.

    Raises:
        SchemaError: An argument is not cast implicitly. The message says what to write.
    """
    check_count(inputs, arguments)
    references = find_references(options, inputs)
    own = set(find_own_columns(options, outputs).values())
    cast, is_array_batch = [], False
    for place, (column, text) in enumerate(zip(inputs, arguments, strict=True)):
        argument = column.type if text.strip().upper() == "NULL" else parse_type(text, column.name)
        if place in references.values():
            check_reference_argument(column, argument)
            cast.append(replace(column, type=argument))
            continue
        depth = _depth(column, argument, options)
        is_array_batch |= (column.type.depth, depth) == (0, 1)
        # Bytes for a text alone stay declared as a text, because BYTES would say that they may be a tensor's content.
        is_kept = _stays(argument.leaf, column.type.leaf) and not is_text_given_as_bytes(argument, column.type)
        leaf = argument.leaf if is_kept else column.type.leaf
        cast.append(replace(column, type=array_of(leaf, depth)))
    if is_array_batch:
        outputs = [
            column if place in own else replace(column, type=array_of(column.type))
            for place, column in enumerate(outputs)
        ]
    return tuple(cast), tuple(outputs)


def _depth(column: Column, argument: SqlType, options: Options) -> int:
    """The number of nested ARRAYs of the argument after the cast; raises SchemaError."""
    source, target = argument.leaf, column.type.leaf
    if not (is_castable(source, target) or _stays(source, target)) or loses_decimals(source, target):
        raise cast_needed(column, argument)
    declared = column.type.depth
    may_differ = {
        argument.depth == declared,
        (declared, argument.depth) == (0, 1),
        declared > 1 and argument.depth == 1,
        declared == 1 and argument.depth > 1,
        options.flatten_batch_dim and declared > 0 and argument.depth == declared + 1,
    }
    if True not in may_differ:
        raise cast_needed(column, argument)
    return argument.depth


def _stays(argument: SqlType, declared: SqlType) -> bool:
    """Whether Flink must not cast it: it would turn a too long DECIMAL into NULL, and some BYTES into another text."""
    return argument.name == declared.name == "DECIMAL" or is_bytes_for_text(argument, declared)
