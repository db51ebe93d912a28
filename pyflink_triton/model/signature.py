"""A model's signature, its inputs and outputs, as the server's metadata and configuration describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pyflink_triton.errors import ContractError, SchemaError, SignatureError
from pyflink_triton.model.scheduling import HIDDEN, STATELESS, UNKNOWN, Scheduling
from pyflink_triton.remedies import Remedy
from pyflink_triton.types.sql import SqlType, array_of, simple
from pyflink_triton.types.triton import DATATYPES, Datatype


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a model.

    Attributes:
        name: The tensor's name.
        datatype: Its Triton datatype.
        dims: Its shape without the batch axis; -1 stands for any size.
        optional: Whether a request may leave it out, as the model's configuration says; only an input.
    """

    name: str
    datatype: Datatype
    dims: tuple[int, ...]
    optional: bool = False

    @cached_property
    def least_dims(self) -> tuple[int, ...]:
        """Its dims, with 1 for any size."""
        return tuple(1 if dim == -1 else dim for dim in self.dims)

    @property
    def is_scalar(self) -> bool:
        """Whether it holds one element for each row."""
        return self.dims in ((), (1,))

    @property
    def sql_type(self) -> SqlType:
        """The Flink type of a schema that is taken from the server."""
        leaf = simple(self.datatype.sql)
        return leaf if self.is_scalar else array_of(leaf, len(self.dims))

    def __str__(self) -> str:
        """For messages: name, datatype and dims."""
        return f"{self.name} {self.datatype.name}{list(self.dims)}"


@dataclass(frozen=True)
class ModelSignature:
    """The inputs and outputs of a model, and how it takes requests.

    Attributes:
        name: The model's name on the server.
        inputs: Its input tensors, in the server's order.
        outputs: Its output tensors, in the server's order.
        max_batch_size: The greatest number of rows in a request; 0 when the model has no batch axis.
        decoupled: Whether a request may have any number of responses.
        stateful: Whether the model keeps state between the requests of a sequence.
        scheduling: How the server schedules its requests: sequences, priorities, caches.
        server_version: The server's version, such as ``2.51.0``; empty where it does not matter or is not known.
        is_assumed: Whether the declared columns stand for it, which say of a scalar no dims.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch_size: int
    decoupled: bool = False
    stateful: bool = False
    scheduling: Scheduling = STATELESS
    server_version: str = ""
    is_assumed: bool = False

    @property
    def has_batch_axis(self) -> bool:
        """Whether tensors have a leading axis of rows."""
        return self.max_batch_size > 0

    @property
    def takes_timeout(self) -> bool:
        """Whether a request may say how long it may be in the server's queue; streams and sequences cannot."""
        return self.scheduling.takes_timeout and not self.decoupled and not self.stateful

    def __str__(self) -> str:
        """For messages: the inputs and the outputs."""
        inputs, outputs = (", ".join(map(str, side)) for side in (self.inputs, self.outputs))
        return f"({inputs}) -> ({outputs}), max_batch_size {self.max_batch_size}"


def write_planned(signature: ModelSignature) -> dict[str, Any]:
    """Write the part of a signature that columns are checked against, as JSON for a plan."""
    sides = {"inputs": signature.inputs, "outputs": signature.outputs}
    return {
        "name": signature.name,
        **{
            side: [
                {"name": spec.name, "datatype": spec.datatype.name, "dims": list(spec.dims), "optional": spec.optional}
                for spec in tensors
            ]
            for side, tensors in sides.items()
        },
        "max_batch_size": signature.max_batch_size,
        "decoupled": signature.decoupled,
        "stateful": signature.stateful,
    }


def read_planned(planned: Mapping[str, Any]) -> ModelSignature:
    """Read a signature that ``write_planned`` wrote."""
    inputs, outputs = (
        tuple(
            TensorSpec(spec["name"], DATATYPES[spec["datatype"]], tuple(spec["dims"]), spec["optional"])
            for spec in planned[side]
        )
        for side in ("inputs", "outputs")
    )
    kept = {key: planned[key] for key in ("name", "max_batch_size", "decoupled", "stateful")}
    return ModelSignature(inputs=inputs, outputs=outputs, **kept)


def check_unchanged(planned: ModelSignature, served: ModelSignature, base: str | None = None) -> None:
    """Check that the model's signature is still the one that the statement was planned with.

    ``max_batch_size`` may change, but not whether the model has a batch axis.

    Args:
        planned: The signature that the statement was planned with.
        served: The present signature.
        base: The base URL of the endpoint that serves it, for the message.

    Raises:
        SignatureError: It has changed; the message has both signatures.
    """
    at = f" at {base}" if base else ""
    if _essence(planned) != _essence(served):
        raise SignatureError(
            f"the signature of the server's model '{served.name}' has changed{at}: it was {planned} when the statement "
            f"was planned, and is {served} now. {Remedy.PLAN_AGAIN()}"
        )


def _essence(signature: ModelSignature) -> tuple[object, ...]:
    kind = (signature.has_batch_axis, signature.decoupled, signature.stateful)
    return (frozenset(signature.inputs), frozenset(signature.outputs), *kind)


def read_signature(
    metadata: Mapping[str, Any], config: Mapping[str, Any] | None, max_batch_size: int | None
) -> ModelSignature:
    """Join a model's metadata and configuration.

    Args:
        metadata: The response to ``GET /v2/models/M``; shapes there include the batch axis.
        config: The response to ``GET /v2/models/M/config``; None where the server hides it.
        max_batch_size: The option ``max-batch-size``. It takes the place of a hidden configuration; otherwise it can
            lower the model's own limit.

    Raises:
        ContractError: They do not follow the protocol.
        SchemaError: The server hides the configuration and the option is not set, or a datatype is unknown.
    """
    try:
        return _read(metadata, config, max_batch_size)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ContractError(
            f"the server's description of the model does not follow the KServe v2 protocol. {Remedy.CHECK_ENDPOINT()}"
        ) from None


def _read(metadata: Mapping[str, Any], config: Mapping[str, Any] | None, max_batch_size: int | None) -> ModelSignature:
    name = metadata["name"]
    if config is not None:
        batch = int(config.get("max_batch_size", 0))
    elif max_batch_size is not None:
        batch = max_batch_size
    else:
        raise SchemaError(f"model '{name}': the server hides its configuration, so {Remedy.SET_BATCH_SIZE()}")
    config = config or {}
    optional = {entry["name"] for entry in config.get("input", ()) if entry.get("optional")}
    inputs = tuple(_tensor(entry, batch > 0, optional) for entry in metadata.get("inputs", ()))
    outputs = tuple(_tensor(entry, batch > 0, set()) for entry in metadata.get("outputs", ()))
    if batch > 0 and max_batch_size:
        batch = min(batch, max_batch_size)
    return ModelSignature(
        name=name,
        inputs=inputs,
        outputs=outputs,
        max_batch_size=batch,
        decoupled=bool(config.get("model_transaction_policy", {}).get("decoupled")),
    )


def with_scheduling(
    signature: ModelSignature, scheduling: Scheduling | None, *, names_sequences: bool, names_responses: bool = False
) -> ModelSignature:
    """Add the scheduling to a signature.

    Args:
        signature: The result of ``read_signature``.
        scheduling: The result of ``read_scheduling``; None where the server hides the configuration.
        names_sequences: Whether the user set ``sequence-id``. A model whose configuration, or that of a step, is hidden
            is taken for stateful then.
        names_responses: Whether the user set ``responses``. A model whose configuration is hidden is taken for
            decoupled then: the server gives other models' answers as streams, too.
    """
    if scheduling is None:
        scheduling = HIDDEN if names_sequences else UNKNOWN
        signature = replace(signature, decoupled=names_responses)
    elif scheduling.is_partial and scheduling.sequences is None and names_sequences:
        scheduling = replace(scheduling, sequences=HIDDEN.sequences)
    return replace(signature, stateful=scheduling.sequences is not None, scheduling=scheduling)


def _tensor(entry: Mapping[str, Any], has_batch_axis: bool, optional: set[str]) -> TensorSpec:
    datatype = DATATYPES.get(entry["datatype"])
    if datatype is None:
        raise SchemaError(
            f"tensor '{entry['name']}' has the datatype {entry['datatype']}, which this version of pyflink-triton does "
            "not know"
        )
    dims = tuple(int(dim) for dim in entry["shape"])
    return TensorSpec(entry["name"], datatype, dims[1:] if has_batch_axis else dims, entry["name"] in optional)
