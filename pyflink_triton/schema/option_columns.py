"""Columns that options name: for the model of a row, its sequence, parameters of its request, for optional outputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyflink_triton.errors import SchemaError
from pyflink_triton.options.options import Options
from pyflink_triton.options.parsers import columns_of
from pyflink_triton.options.request_parameters import Template
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column, cast_needed, refuse_not_null
from pyflink_triton.types.conversions import is_bytes_for_text
from pyflink_triton.types.sql import FLOATS, INTEGERS, SqlType, simple


def template_columns(options: Options) -> tuple[str, ...]:
    """The names of the columns that the template of `sequence-id` refers to, each once, in their order."""
    return columns_of(options.sequence_id) if options.sequence_id is not None else ()


def flag_columns(options: Options) -> tuple[tuple[str, str], ...]:
    """The options whose value for each row is in a BOOLEAN column, with the name of that column."""
    named = (("sequence-start", options.sequence_start), ("sequence-end", options.sequence_end))
    return tuple((key, column) for key, column in named if isinstance(column, str))


def route_columns(options: Options) -> tuple[tuple[str, str], ...]:
    """The options whose value for each row is in a column that names its model, with the name of that column."""
    named = (("model-name", options.model_column), ("model-version", options.version_column))
    return tuple((key, column) for key, column in named if column is not None)


def is_template_type(type_: SqlType) -> bool:
    """Whether a template may refer to a column of this type, which is an integer or character type."""
    return type_.name in (*INTEGERS, "STRING")


def find(name: str, columns: Sequence[Column]) -> int | None:
    """The index of the column with exactly this name, or with this name ignoring case."""
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
        The index of each among ``inputs``, by the name in the option.

    Raises:
        SchemaError: A column is not in INPUT, or has the wrong type.
    """
    wanted = [(key, name, is_template_type, "STRING") for key, name in route_columns(options)]
    wanted += [("sequence-id", name, is_template_type, "STRING") for name in template_columns(options)]
    wanted += [(key, name, _is_boolean, "BOOLEAN") for key, name in flag_columns(options)]
    for key, value in options.parameters:
        if isinstance(value, Template):
            is_good = _is_parameter if value.is_column else is_template_type
            wanted += [(f"parameters.{key}", name, is_good, "STRING") for name in value.columns]
    found: dict[str, int] = {}
    for key, name, is_good, type_ in wanted:
        index = find(name, inputs)
        if index is None:
            raise SchemaError(
                f"option '{key}' refers to the column '{name}', which is not in INPUT. "
                + Remedy.ADD_REFERENCE(name=name, type=type_)
            )
        if not is_good(inputs[index].type):
            expected = _EXPECTED.get(is_good, type_)
            raise SchemaError(
                f"option '{key}' refers to the column '{inputs[index].name}', which is {inputs[index].type} but has to "
                f"be {expected}. {Remedy.DECLARE_AS(type=type_)}"
            )
        found[name] = index
    return found


def _is_boolean(type_: SqlType) -> bool:
    return type_.name == "BOOLEAN"


def _is_parameter(type_: SqlType) -> bool:
    """Whether a request's parameter can have a value of this type."""
    return is_template_type(type_) or type_.name in ("BOOLEAN", *FLOATS)


#: What each check of a type expects, for messages.
_EXPECTED = {
    is_template_type: "an integer or character type",
    _is_parameter: "BOOLEAN, an integer or character type, FLOAT or DOUBLE",
}


def parameter_columns(options: Options) -> tuple[str, ...]:
    """The names of the columns that parameters of requests refer to, each once, in their order."""
    templates = [value for _, value in options.parameters if isinstance(value, Template)]
    return tuple(dict.fromkeys(name for value in templates for name in value.columns))


def needed_columns(options: Options) -> tuple[str, ...]:
    """The names of the columns that options refer to and that a row needs to be sent: all but those of parameters."""
    named = (*route_columns(options), *flag_columns(options))
    return (*template_columns(options), *(name for _, name in named))


def check_reference_argument(column: Column, argument: SqlType) -> None:
    """Check the argument for a column that an option refers to; such an argument is not cast.

    Raises:
        SchemaError: It is not of the declared type. Integer and character types may stand for each other.
    """
    if argument.name != column.type.name and not (is_template_type(argument) and is_template_type(column.type)):
        if is_bytes_for_text(argument, column.type):
            # With DECODE each byte becomes one character, so different ids stay different.
            raise cast_needed(column, argument, Remedy.DECODE())
        raise cast_needed(column, argument)


def find_optional_outputs(options: Options, outputs: Sequence[Column], others: Collection[int]) -> frozenset[int]:
    """Find the OUTPUT columns of the option `optional-outputs`.

    Args:
        options: The model's options.
        outputs: The declared OUTPUT columns.
        others: The indexes of those that have no tensor.

    Raises:
        SchemaError: A column is not in OUTPUT, or has no tensor.
    """
    found = {name: find(name, outputs) for name in options.optional_outputs}
    for name, place in found.items():
        if place is None or place in others:
            known = ", ".join(column.name for n, column in enumerate(outputs) if n not in others)
            raise SchemaError(
                f"option 'optional-outputs' names '{name}', which is not an OUTPUT column for an output of the model. "
                f"{Remedy.NAME_OUTPUTS(names=known)}"
            )
    return frozenset(place for place in found.values() if place is not None)


def check_nullable(outputs: Sequence[Column], of_errors: Collection[int]) -> None:
    """Refuse output columns that are NOT NULL.

    Args:
        outputs: The declared OUTPUT columns.
        of_errors: The indexes of those that say why a row failed.

    Raises:
        SchemaError: One is.
    """
    for place, column in enumerate(outputs):
        refuse_not_null(column, "that did not fail" if place in of_errors else "with a NULL input or a failure")


def derived_inputs(options: Options, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns that a derived INPUT has after ``columns``, because options refer to them."""
    more: list[Column] = []
    for name, type_ in (
        *((name, "STRING") for name in template_columns(options)),
        *((name, "BOOLEAN") for _, name in flag_columns(options)),
        *((name, "STRING") for name in parameter_columns(options)),
    ):
        if find(name, (*columns, *more)) is None:
            more.append(Column(name, simple(type_)))
    return tuple(more)
