"""The types of a call m(x): what its arguments are cast to, and what the function gives for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyflink_triton.options.options import Options
from pyflink_triton.schema.columns import Column, cast_needed, check_count, is_castable, loses_decimals
from pyflink_triton.schema.option_columns import check_reference_argument, find_error_column, find_references
from pyflink_triton.types.conversions import is_bytes_for_text
from pyflink_triton.types.sql import SqlType, array_of, parse_type


def call_types(
    inputs: Sequence[Column], outputs: Sequence[Column], arguments: Sequence[str], options: Options
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Find what a call's arguments are cast to; whether that fits the model's tensors is for ``bind_columns``.

    Args:
        inputs: The declared INPUT columns.
        outputs: The declared OUTPUT columns.
        arguments: The types of the arguments, as Flink writes them; ``NULL`` for a NULL without a type.
        options: The model's options.

    Returns:
        The columns to cast to and the columns of the result. They are the declared ones, but for arrays given
        for scalars (each row is a batch then) and for values given flat, nested or with a leading dimension of 1.

    Raises:
        SchemaError: An argument is not cast implicitly; the message says what to write.
    """
    check_count(inputs, arguments)
    references = find_references(options, inputs)
    error_column = find_error_column(options, outputs)
    cast, is_array_batch = [], False
    for place, (column, text) in enumerate(zip(inputs, arguments, strict=True)):
        argument = column.type if text.strip().upper() == "NULL" else parse_type(text, column.name)
        if place in references.values():
            check_reference_argument(column, argument)
            cast.append(replace(column, type=argument))
            continue
        depth = _depth(column, argument, options)
        is_array_batch |= (column.type.depth, depth) == (0, 1)
        leaf = argument.leaf if _stays(argument.leaf, column.type.leaf) else column.type.leaf
        cast.append(replace(column, type=array_of(leaf, depth)))
    if is_array_batch:
        outputs = [
            column if place == error_column else replace(column, type=array_of(column.type))
            for place, column in enumerate(outputs)
        ]
    return tuple(cast), tuple(outputs)


def _depth(column: Column, argument: SqlType, options: Options) -> int:
    """How many ARRAYs the value has when it is cast; raises SchemaError."""
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
    """Whether it goes as it is: Flink's cast makes NULL of a DECIMAL too long, and another text of some BYTES."""
    return argument.name == declared.name == "DECIMAL" or is_bytes_for_text(argument, declared)
