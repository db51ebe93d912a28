"""Finds the tensor of each column: by its name, or by its position where there is one column and one tensor."""

from __future__ import annotations

from collections.abc import Sequence

from pyflink_triton.errors import SchemaError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column


def tensor_places(columns: Sequence[Column], tensors: Sequence[TensorSpec], referred: set[int]) -> list[int]:
    """The indexes of the columns that have a tensor.

    All have one, except those that an option refers to and whose name is not that of a tensor.
    """
    names = {tensor.name.lower() for tensor in tensors}
    places = [n for n, column in enumerate(columns) if n not in referred or column.name.lower() in names]
    return places or list(range(len(columns)))


def match(side: str, columns: Sequence[Column], tensors: Sequence[TensorSpec]) -> list[TensorSpec]:
    """Match by exact name, then ignoring case, then by position where there is one column and one tensor."""
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
                raise SchemaError(f"{side} column '{column.name}' may be any of {names}. {Remedy.NAME_EXACTLY()}")
            tensor = alike[0] if alike else tensors[0] if len(columns) == len(tensors) == 1 else None
        if tensor is None:
            raise SchemaError(
                f"{side} column '{column.name}' is not a tensor of the model. "
                + Remedy.NAME_TENSOR(tensors=", ".join(map(str, tensors)))
            )
        if tensor in found:
            raise SchemaError(f"two {side} columns stand for the tensor '{tensor.name}'. {Remedy.LEAVE_ONE_OUT()}")
        found.append(tensor)
    return found
