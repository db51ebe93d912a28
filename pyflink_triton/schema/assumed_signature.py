"""A signature that the declaration stands for, where nobody may ask the server for the model's own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyflink_triton.errors import SchemaError
from pyflink_triton.model.signature import ModelSignature, TensorSpec, with_scheduling
from pyflink_triton.options.options import Options
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import check_declared
from pyflink_triton.schema.columns import Column
from pyflink_triton.types.triton import DEFAULT_DATATYPES

#: How Triton says that a request does not fit the model, whatever is in its rows.
_MISFITS = (
    "unexpected inference input",
    "unexpected inference output",
    " inputs but got ",
    " data-type is ",
    "correlation id",
)
_SHAPES = re.compile(
    r"unexpected shape for input '(?P<input>.*?)' for .*?expected \[(?P<is>.*?)\], got \[(?P<got>.*?)\]"
)


def assume_signature(inputs: Sequence[Column], outputs: Sequence[Column], options: Options) -> ModelSignature:
    """Take each declared column for a tensor of its name, of the datatype that the documentation's table gives.

    A column that is no ARRAY has one element a row, and an ARRAY a dim of any size for each level.

    Args:
        inputs: The declared INPUT columns.
        outputs: The declared OUTPUT columns.
        options: The model's options; ``max-batch-size`` is set.

    Raises:
        PlanError: A column is of a type that the table does not hold, or an option does not fit the columns.
    """
    assert options.max_batch_size is not None
    declared = check_declared(inputs, outputs, options=options)
    referred = set(declared.references.values())
    flatten = options.flatten_batch_dim
    ins = [_tensor(column, flatten) for place, column in enumerate(inputs) if place not in referred]
    outs = [_tensor(column, False) for place, column in enumerate(outputs) if place != declared.error_column]
    signature = ModelSignature(options.model_name, tuple(ins), tuple(outs), options.max_batch_size)
    return with_scheduling(signature, None, options.sequence_id is not None)


def _tensor(column: Column, flatten: bool) -> TensorSpec:
    leaf, depth = column.type.leaf, column.type.depth
    if leaf.name not in DEFAULT_DATATYPES:
        raise SchemaError(
            f"column '{column.name}' is {column.type}, and the server does not let us ask what its tensor is. "
            + Remedy.DECLARE_ONE_OF(types=", ".join(DEFAULT_DATATYPES))
        )
    rank = depth - 1 if flatten and depth > 1 else depth
    return TensorSpec(column.name, DEFAULT_DATATYPES[leaf.name], (-1,) * rank if rank else (1,))


class DeclarationGuard:
    """Ends a job whose declaration does not fit the model, so that no default stands for all of its rows.

    Args:
        assumed: The signature that the declaration stands for.
    """

    def __init__(self, assumed: ModelSignature) -> None:
        self._assumed = assumed

    async def check(self, base: str, seconds: float, words: str) -> None:
        """See whether a refusal is about the declaration; see ``SignatureGuard.check``.

        Raises:
            SchemaError: It is.
        """
        if self._is_misfit(words.lower()):
            raise SchemaError(self.explain(words))

    def _is_misfit(self, words: str) -> bool:
        if f"model '{self._assumed.name.lower()}'" not in words:
            return False  # a step of an ensemble
        shapes = _SHAPES.search(words)
        if shapes is None:
            return any(misfit in words for misfit in _MISFITS)
        # Of an ARRAY's dims of any size only their number is declared; the rest is the row's.
        scalars = {tensor.name.lower() for tensor in self._assumed.inputs if tensor.is_scalar}
        return shapes["input"] in scalars or shapes["is"].count(",") != shapes["got"].count(",")

    def explain(self, words: str) -> str:
        """Say what was assumed, after what does not fit it."""
        return f"{words.rstrip('.')}. {assumption(self._assumed)}"


def assumption(assumed: ModelSignature) -> str:
    """What is assumed, and what to do where it is wrong, in two sentences."""
    return (
        f"The server does not let us ask what the model takes and gives, so the declaration stands for it: {assumed}. "
        f"Where that is wrong, {Remedy.DECLARE_TENSORS()}"
    )
