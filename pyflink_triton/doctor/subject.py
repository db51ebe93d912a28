"""What an examination is about, and what its checks have found out so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.doctor.interpreter import Interpreter
from pyflink_triton.errors import ContractError
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import ErrorResponse, NoResponseError
from pyflink_triton.runtime.messages import DescribeAnswer

#: What a server answered when it was asked for its version: that, or why there is none.
Answer = str | NoResponseError | ErrorResponse | ContractError


@dataclass(frozen=True)
class Subject:
    """What is examined.

    Attributes:
        options: The model's options as a statement has them, `endpoint` and `model-name` among them.
        python: The Python of the workers; None for the one that Flink would take.
        archive: The archive that ``python`` is a path in; None where it is in none.
        flink_home: The directory of a Flink; None for PyFlink's own, or the one that `FLINK_HOME` names.
        cluster: The URL of a JobManager's REST; None where there is none to ask.
        gateway: The URL of a SQL gateway; None where there is none to ask.
        measure: Whether inferences may be sent, to see where time goes.
    """

    options: Mapping[str, str]
    python: str | None = None
    archive: Path | None = None
    flink_home: Path | None = None
    cluster: str | None = None
    gateway: str | None = None
    measure: bool = False

    @property
    def model(self) -> str | None:
        """The model's name on the server; None where none is examined."""
        return self.options.get("model-name")


@dataclass
class Known:
    """What the checks have found out; a check that needs what is not known is skipped.

    Attributes:
        options: The options, read and checked; None where they are wrong.
        client: Asks the servers; None where it could not be made.
        bases: The endpoints that no check has found a fault of.
        answers: What each endpoint said when it was asked for its version.
        versions: The version of each server that told one.
        columns: The model's columns; None where they are not known.
        signature: What the model takes and gives; None where that is not known.
        interpreters: What each Python told of itself, by its program.
    """

    options: Options | None = None
    client: ModelClient | None = None
    bases: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    columns: DescribeAnswer | None = None
    signature: ModelSignature | None = None
    interpreters: dict[str, Interpreter] = field(default_factory=dict)

    @property
    def needed_options(self) -> Options:
        """The options of an examination that has come so far."""
        assert self.options is not None
        return self.options

    @property
    def needed_client(self) -> ModelClient:
        """The client of an examination that has come so far."""
        assert self.client is not None
        return self.client

    @property
    def seconds(self) -> float:
        """How long planning a statement waits for one endpoint."""
        options = self.needed_options
        return min(options.timeout, options.plan_check_timeout / len(options.every_endpoint))
