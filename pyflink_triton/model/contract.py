"""Whether a model keeps to what a statement declares of all the models that its rows may name."""

from __future__ import annotations

from collections.abc import Sequence

from pyflink_triton.model.signature import ModelSignature, TensorSpec


def breach(contract: ModelSignature, found: ModelSignature) -> str | None:
    """Say how a model breaks the contract; None where it keeps to it.

    Args:
        contract: The signature that was made of the declaration.
        found: The model's own, with ``max_batch_size`` cut to the contract's.
    """
    for side, declared, own in (
        ("input", contract.inputs, found.inputs),
        ("output", contract.outputs, found.outputs),
    ):
        difference = _difference(side, declared, own)
        if difference is not None:
            return difference
    named = {tensor.name for tensor in contract.inputs}
    more = next((tensor for tensor in found.inputs if tensor.name not in named and not tensor.optional), None)
    if more is not None:
        return f"it takes the input {more}, for which there is no column"
    if found.stateful or found.decoupled:
        return f"it is {'stateful' if found.stateful else 'decoupled'}, and rows cannot name such models"
    if found.max_batch_size < contract.max_batch_size:
        return f"it takes {found.max_batch_size} rows in a request, and 'max-batch-size' is {contract.max_batch_size}"
    if found.has_batch_axis != contract.has_batch_axis:
        return "it has a batch axis, and 'max-batch-size' is 0"
    return None


def _difference(side: str, declared: Sequence[TensorSpec], own: Sequence[TensorSpec]) -> str | None:
    tensors = {tensor.name: tensor for tensor in own}
    for column in declared:
        tensor = tensors.get(column.name)
        if tensor is None:
            return f"it has no {side} '{column.name}'"
        if tensor.datatype is not column.datatype or not _fit(column.dims, tensor.dims):
            return f"its {side} is {tensor}, and the declared column stands for {column}"
    return None


def _fit(declared: tuple[int, ...], own: tuple[int, ...]) -> bool:
    """Whether dims are as declared. A dim of any size, in either, is one of each size but that of a single value."""
    if len(declared) != len(own):
        return False
    is_scalar = declared == (1,)
    return own in ((1,), (-1,)) if is_scalar else own != (1,)
