"""What servers other than Triton cannot do, said when a statement is planned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyflink_triton.errors import JobError, OptionError, SchemaError
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import FIELDS, Options
from pyflink_triton.protocol.dialect import Dialect
from pyflink_triton.remedies import Remedy


def check_server(dialect: Dialect, options: Options, base: str) -> None:
    """Check that a server can be used, and has what the options are for.

    Args:
        dialect: What it speaks.
        options: The model's options.
        base: Its base URL.

    Raises:
        JobError: None of its models can be used.
        OptionError: An option is for something that it does not have.
    """
    if dialect.refusal:
        raise JobError(f"the server at {base} is {dialect.server}, which {dialect.refusal}. {Remedy.CHANGE_SERVER()}")
    for key, what in dialect.lacks.items():
        if getattr(options, FIELDS[key]) is not None:
            raise OptionError(
                f"option '{key}' has no effect, because the server at {base} is {dialect.server}, which has no {what}. "
                + Remedy.LEAVE_OUT()
            )


def check_metadata(dialect: Dialect, options: Options, model: str, metadata: Mapping[str, Any]) -> None:
    """Check that a model's metadata and the options say what a configuration would.

    Args:
        dialect: What the server speaks.
        options: The model's options.
        model: The model, as messages have it.
        metadata: Its metadata.

    Raises:
        SchemaError: They do not.
    """
    if dialect.has_extensions:
        return
    missing = next((side for side in ("inputs", "outputs") if not metadata.get(side)), None)
    if missing:
        raise SchemaError(f"{model} does not describe its {missing}. {Remedy.DESCRIBE_TENSORS()}", hides=True)
    if options.max_batch_size is None:
        raise SchemaError(f"{model} does not say whether it has a batch axis: {Remedy.SET_BATCH_SIZE()}")


def check_datatypes(dialect: Dialect, model: str, signature: ModelSignature) -> None:
    """Check that a server can read a model's tensors; raises SchemaError.

    Args:
        dialect: What it speaks.
        model: The model, as messages have it.
        signature: The model's signature.
    """
    for tensor in (*signature.inputs, *signature.outputs):
        if not (dialect.has_extensions or tensor.datatype.in_kserve):
            raise SchemaError(
                f"{model} has the tensor '{tensor.name}' of {tensor.datatype.name}, which {dialect.server} cannot "
                f"read. {Remedy.CHANGE_DATATYPE()}"
            )
