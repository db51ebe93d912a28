"""Columns that options name: those that say a row's sequence, and the one that takes a failed row's message."""

from __future__ import annotations

from collections.abc import Sequence

from pyflink_triton.errors import SchemaError
from pyflink_triton.options.options import Options
from pyflink_triton.options.parsers import columns_of
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column, cast_needed, refuse_not_null
from pyflink_triton.types.conversions import is_bytes_for_text
from pyflink_triton.types.sql import INTEGERS, SqlType, simple


def template_columns(options: Options) -> tuple[str, ...]:
    """The columns that the template of `sequence-id` refers to, each once, in order."""
    return columns_of(options.sequence_id) if options.sequence_id is not None else ()


def flag_columns(options: Options) -> tuple[tuple[str, str], ...]:
    """The options that a BOOLEAN column answers for each row, and that column."""
    named = (("sequence-start", options.sequence_start), ("sequence-end", options.sequence_end))
    return tuple((key, column) for key, column in named if isinstance(column, str))


def is_template_type(type_: SqlType) -> bool:
    """Whether a template may hold values of this type: integers and characters."""
    return type_.name in (*INTEGERS, "STRING")


def find(name: str, columns: Sequence[Column]) -> int | None:
    """Where a column is: of exactly this name, else ignoring case."""
    names = [column.name for column in columns]
    if name not in names:
        name, names = name.lower(), [each.lower() for each in names]
    return names.index(name) if name in names else None


def find_references(options: Options, inputs: Sequence[Column]) -> dict[str, int]:
    """Find the INPUT columns that options refer to.

    Args:
        options: The model's options.
        inputs: The declared INPUT columns.

    Returns:
        Where each is among ``inputs``, by the name that the option has for it.

    Raises:
        SchemaError: One is not there, or is of a type that does not do.
    """
    wanted = [("sequence-id", name, is_template_type, "STRING") for name in template_columns(options)]
    wanted += [(key, name, _is_boolean, "BOOLEAN") for key, name in flag_columns(options)]
    found: dict[str, int] = {}
    for key, name, is_good, type_ in wanted:
        index = find(name, inputs)
        if index is None:
            raise SchemaError(
                f"option '{key}' refers to the column '{name}', which is not in INPUT. "
                + Remedy.ADD_REFERENCE(name=name, type=type_)
            )
        if not is_good(inputs[index].type):
            expected = "an integer or character type" if type_ == "STRING" else type_
            raise SchemaError(
                f"option '{key}' refers to the column '{inputs[index].name}', which is {inputs[index].type} and has to "
                f"be {expected}. {Remedy.DECLARE_AS(type=type_)}"
            )
        found[name] = index
    return found


def _is_boolean(type_: SqlType) -> bool:
    return type_.name == "BOOLEAN"


def check_reference_argument(column: Column, argument: SqlType) -> None:
    """Check a value given for a column that an option refers to; such a value is not cast.

    Raises:
        SchemaError: It is neither of the declared type nor, as the declared type is, an integer or characters.
    """
    if argument.name != column.type.name and not (is_template_type(argument) and is_template_type(column.type)):
        if is_bytes_for_text(argument, column.type):
            # Each byte becomes a letter of its own, so that no two ids become one.
            raise SchemaError(
                f"input column '{column.name}' is declared {column.type}, and what is given is {argument}. "
                + Remedy.DECODE()
            )
        raise cast_needed(column, argument)


def find_error_column(options: Options, outputs: Sequence[Column]) -> int | None:
    """Find the OUTPUT column of the option `error-column`; None where it is not set.

    Raises:
        SchemaError: It is not there, or is no STRING.
    """
    name = options.error_column
    if name is None:
        return None
    index = find(name, outputs)
    if index is None:
        raise SchemaError(f"option 'error-column' = '{name}' is no OUTPUT column. {Remedy.ADD_ERROR_COLUMN(name=name)}")
    if outputs[index].type.name != "STRING" or outputs[index].type.length is not None:
        raise SchemaError(
            f"option 'error-column' = '{name}' is an OUTPUT column of type {outputs[index].type}. "
            + Remedy.DECLARE_AS(type="STRING")
        )
    return index


def find_optional_outputs(options: Options, outputs: Sequence[Column], error_column: int | None) -> frozenset[int]:
    """Find the OUTPUT columns of the option `optional-outputs`.

    Raises:
        SchemaError: One is not there, or is the error column.
    """
    found = {name: find(name, outputs) for name in options.optional_outputs}
    for name, place in found.items():
        if place is None or place == error_column:
            known = ", ".join(column.name for n, column in enumerate(outputs) if n != error_column)
            raise SchemaError(
                f"option 'optional-outputs' names '{name}', which is no OUTPUT column that stands for an output of the "
                f"model. {Remedy.NAME_OUTPUTS(names=known)}"
            )
    return frozenset(place for place in found.values() if place is not None)


def check_nullable(outputs: Sequence[Column], error_column: int | None) -> None:
    """Refuse output columns that are NOT NULL; raises SchemaError."""
    for place, column in enumerate(outputs):
        refuse_not_null(column, "that did not fail" if place == error_column else "with a NULL input or a failure")


def derived_inputs(options: Options, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns that an INPUT taken from the server has besides ``columns``, for options refer to them."""
    more: list[Column] = []
    for name, type_ in (
        *((name, "STRING") for name in template_columns(options)),
        *((name, "BOOLEAN") for _, name in flag_columns(options)),
    ):
        if find(name, (*columns, *more)) is None:
            more.append(Column(name, simple(type_)))
    return tuple(more)


def derived_outputs(options: Options) -> tuple[Column, ...]:
    """The column that an OUTPUT taken from the server ends with, for `error-column` names it."""
    return () if options.error_column is None else (Column(options.error_column, simple("STRING")),)
