"""The columns that are derived from a model's signature where INPUT or OUTPUT is not declared."""

from __future__ import annotations

from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.options import Options
from pyflink_triton.schema.columns import Column
from pyflink_triton.schema.option_columns import derived_inputs
from pyflink_triton.schema.own_columns import check_own_name, derived_own_columns
from pyflink_triton.schema.padding import find_masks
from pyflink_triton.schema.responses import natural_output


def derive_inputs(signature: ModelSignature, options: Options) -> tuple[Column, ...]:
    """A column for each tensor in the server's order, but for masks, then the columns that options refer to."""
    masks = find_masks(signature, options)
    tensors = tuple(_column(tensor) for tensor in signature.inputs if tensor not in masks)
    return (*tensors, *derived_inputs(options, tensors))


def derive_outputs(signature: ModelSignature, options: Options) -> tuple[Column, ...]:
    """A column for each tensor in the server's order, then those of this package's own.

    Raises:
        SchemaError: One of the latter has the name of a tensor.
    """
    tensors = tuple(
        Column(tensor.name, natural_output(tensor, options, decoupled=signature.decoupled))
        for tensor in signature.outputs
    )
    more = derived_own_columns(options)
    for key, column in more.items():
        check_own_name(key, column, signature.outputs)
    return (*tensors, *more.values())


def _column(tensor: TensorSpec) -> Column:
    return Column(tensor.name, tensor.sql_type)
