"""The signature that is assumed from the declaration, where the server hides the model's own or rows name models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pyflink_triton.errors import SchemaError
from pyflink_triton.model.signature import ModelSignature, TensorSpec, with_scheduling
from pyflink_triton.options.options import Options
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.binding import check_declared
from pyflink_triton.schema.columns import Column
from pyflink_triton.schema.responses import of_one_response
from pyflink_triton.types.triton import DEFAULT_DATATYPES

#: Parts of Triton's messages about a request that does not fit the model, whatever its rows hold.
_MISFITS = (
    "unexpected inference input",
    "unexpected inference output",
    " inputs but got ",
    " data-type is ",
    "correlation id",
)
#: Why only types may be declared for which there is a default datatype.
_HIDDEN = "the server does not let this package read its tensor's datatype"
_OF_ROUTES = "rows name their models, so that the type of a column alone says its tensor's datatype"
_SHAPES = re.compile(
    r"unexpected shape for input '(?P<input>.*?)' for .*?expected \[(?P<is>.*?)\], got \[(?P<got>.*?)\]"
)


def assume_signature(inputs: Sequence[Column], outputs: Sequence[Column], options: Options) -> ModelSignature:
    """Assume a tensor of the same name for each declared column, with the default datatype of its type.

    A column that is not an ARRAY has one element for each row. An ARRAY has a dim of any size for each level.

    Args:
        inputs: The declared INPUT columns.
        outputs: The declared OUTPUT columns.
        options: The model's options; ``max-batch-size`` is set.

    Raises:
        PlanError: No datatype is the default for a column's type, or an option does not fit the columns.
    """
    assert options.max_batch_size is not None
    declared = check_declared(inputs, outputs, options=options)
    referred = set(declared.references.values())
    flatten = options.flatten_batch_dim
    why = _OF_ROUTES if options.has_routes else _HIDDEN
    ins = [_tensor(column, flatten, why) for place, column in enumerate(inputs) if place not in referred]
    own = set(declared.own.values())
    answers = [of_one_response(column, options) for place, column in enumerate(outputs) if place not in own]
    outs = [_tensor(column, False, why) for column in answers]
    if options.has_routes:
        ins += _masks(ins, options)
    signature = ModelSignature(options.model_name, tuple(ins), tuple(outs), options.max_batch_size, is_assumed=True)
    return with_scheduling(
        signature,
        None,
        names_sequences=options.sequence_id is not None,
        names_responses=options.responses is not None,
    )


def _masks(inputs: Sequence[TensorSpec], options: Options) -> list[TensorSpec]:
    """The masks that this package fills: each is taken for a tensor as the one that is padded."""
    of = {tensor.name: tensor for tensor in inputs}
    named = {pad.mask: of[name] for name, pad in options.pad if pad.mask is not None and name in of}
    return [replace(tensor, name=name) for name, tensor in named.items() if name not in of]


def _tensor(column: Column, flatten: bool, why: str) -> TensorSpec:
    leaf, depth = column.type.leaf, column.type.depth
    if leaf.name not in DEFAULT_DATATYPES:
        raise SchemaError(
            f"column '{column.name}' is {column.type}, but {why}. "
            + Remedy.DECLARE_ONE_OF(types=", ".join(DEFAULT_DATATYPES))
        )
    rank = depth - 1 if flatten and depth > 1 else depth
    return TensorSpec(column.name, DEFAULT_DATATYPES[leaf.name], (-1,) * rank if rank else (1,))


class DeclarationGuard:
    """Fails a job whose declaration does not fit the model, so that its rows do not all become defaults.

    Args:
        assumed: The signature that was assumed from the declaration.
    """

    def __init__(self, assumed: ModelSignature) -> None:
        self._assumed = assumed

    async def check(self, base: str, seconds: float, message: str) -> bool:
        """Find out whether the server refused a request because of the declaration.

        The arguments are those of ``SignatureGuard.check``.

        Returns:
            False: nothing shows that the model is there.

        Raises:
            SchemaError: It did.
        """
        if self._is_misfit(message.lower()):
            raise SchemaError(self.explain(message))
        return False

    def _is_misfit(self, message: str) -> bool:
        if f"model '{self._assumed.name.lower()}'" not in message:
            return False  # a step of an ensemble
        shapes = _SHAPES.search(message)
        if shapes is None:
            return any(misfit in message for misfit in _MISFITS)
        # The declaration of an ARRAY says only how many dims it has. Their sizes are those of the row.
        scalars = {tensor.name.lower() for tensor in self._assumed.inputs if tensor.is_scalar}
        return shapes["input"] in scalars or shapes["is"].count(",") != shapes["got"].count(",")

    def explain(self, message: str) -> str:
        """Add what was assumed to the message about what does not fit it."""
        return f"{message.rstrip('.')}. {assumption(self._assumed)}"


def assumption(assumed: ModelSignature) -> str:
    """Say in two sentences what is assumed, and what to do if it is wrong."""
    return (
        "The server does not let this package read the model's signature, so the declaration stands for it: "
        f"{assumed}. "
        f"If that is wrong, {Remedy.DECLARE_TENSORS()}"
    )
