"""OUTPUT columns that this package fills, not the model: options name them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from pyflink_triton.errors import SchemaError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.options.options import FIELDS, Options
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column
from pyflink_triton.schema.option_columns import find
from pyflink_triton.types.sql import simple


class OwnColumn(Enum):
    """Such a column: the key of the option that names it, and its type.

    A derived OUTPUT ends with them, in this order.
    """

    RESPONSE_INDEX = "response-index", "INT"
    MODEL_VERSION = "model-version-column", "STRING"
    LATENCY = "latency-column", "DOUBLE"
    ERROR = "error-column", "STRING"
    ERROR_CODE = "error-code-column", "STRING"

    def __init__(self, key: str, type_: str) -> None:
        self.key = key
        self.type = type_

    def name_in(self, options: Options) -> str | None:
        """The name that the option gives; None where it is not set."""
        name: str | None = getattr(options, FIELDS[self.key])
        return name


#: Those that say why a row failed.
OF_ERRORS = (OwnColumn.ERROR, OwnColumn.ERROR_CODE)


def find_own_columns(options: Options, outputs: Sequence[Column]) -> dict[OwnColumn, int]:
    """Find the OUTPUT columns that options name for this package's own.

    Args:
        options: The model's options.
        outputs: The declared OUTPUT columns.

    Returns:
        The index of each among ``outputs``.

    Raises:
        SchemaError: One is not in OUTPUT, is of another type, or is named twice.
    """
    found: dict[OwnColumn, int] = {}
    for own in OwnColumn:
        name = own.name_in(options)
        if name is None:
            continue
        place = find(name, outputs)
        if place is None:
            missing = Remedy.ADD_ERROR_COLUMN(name=name) if own is OwnColumn.ERROR else None
            missing = missing or Remedy.ADD_OUTPUT(name=name, type=own.type)
            raise SchemaError(f"option '{own.key}' = '{name}' names no OUTPUT column. {missing}")
        type_ = outputs[place].type
        if type_.name != own.type or type_.length is not None:
            raise SchemaError(
                f"option '{own.key}' = '{name}' is an OUTPUT column of type {type_}. "
                + Remedy.DECLARE_AS(type=own.type)
            )
        twice = next((other.key for other, taken in found.items() if taken == place), None)
        if twice is not None:
            raise SchemaError(
                f"options '{twice}' and '{own.key}' name the same OUTPUT column '{name}'. {Remedy.LEAVE_ONE_OUT()}"
            )
        found[own] = place
    return found


def derived_own_columns(options: Options) -> dict[str, Column]:
    """The columns that a derived OUTPUT ends with, by the keys of the options that name them."""
    named = ((own, own.name_in(options)) for own in OwnColumn)
    return {own.key: Column(name, simple(own.type)) for own, name in named if name is not None}


def check_own_name(key: str, column: Column, tensors: Sequence[TensorSpec]) -> None:
    """Refuse an output column of our own with the name of an output tensor; raises SchemaError."""
    if any(tensor.name.lower() == column.name.lower() for tensor in tensors):
        raise SchemaError(f"option '{key}' = '{column.name}' names a tensor of the model. {Remedy.RENAME_OWN_COLUMN()}")
