"""The columns that are derived from a model's signature where INPUT or OUTPUT is not declared."""

from __future__ import annotations

from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.options import Options
from pyflink_triton.schema.columns import Column
from pyflink_triton.schema.option_columns import check_error_column_name, derived_inputs, derived_outputs


def derive_inputs(signature: ModelSignature, options: Options) -> tuple[Column, ...]:
    """A column for each tensor in the server's order, then the columns that options refer to."""
    tensors = tuple(map(_column, signature.inputs))
    return (*tensors, *derived_inputs(options, tensors))


def derive_outputs(signature: ModelSignature, options: Options) -> tuple[Column, ...]:
    """A column for each tensor in the server's order, then the error column.

    Raises:
        SchemaError: The error column has the name of a tensor.
    """
    tensors = tuple(map(_column, signature.outputs))
    more = derived_outputs(options)
    for column in more:
        check_error_column_name(column, signature.outputs)
    return (*tensors, *more)


def _column(tensor: TensorSpec) -> Column:
    return Column(tensor.name, tensor.sql_type)
