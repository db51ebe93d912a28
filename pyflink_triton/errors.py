"""The errors of this package.

::

    TritonError
    ├── PlanError             the statement is wrong: refused when it is planned
    │   ├── OptionError       an option is unknown, missing or has a bad value
    │   └── SchemaError       a column does not fit the model's tensors
    ├── UnavailableError      the server or the model cannot be reached, or is not ready yet
    ├── RowError              a fault of one row: it fails by its policy, and its neighbours are answered
    │   ├── ExhaustedError    a transient failure that did not pass in time
    │   ├── LostError         a request that must not be sent twice may have run
    │   ├── NoSequenceError   the server has no sequence that the request could continue
    │   ├── DeadlockError     an ensemble could not make an output that was asked for
    │   └── TooManyRowsError  the endpoint takes fewer rows in a request: nothing was sent
    └── JobError              a fault that no row's policy covers: the job fails
        ├── AccessError       the server refuses the credentials or TLS (401, 403), or a secret is missing
        ├── ContractError     the server's answer breaks the protocol or the model's signature
        │   └── WrongPortError    something else than Triton's HTTP port answers at the endpoint
        └── SignatureError    the model is no longer the one that was planned

Others stand where they are raised: ``FrameError`` (a TritonError, ``bridge.frames``), ``TritonServerError`` of a local
server (``server.errors``), and Flink's own errors with this package's sentence in front (``table.compat.java_errors``).
"""

from __future__ import annotations

import copy
from enum import Enum
from typing import TypeVar

_Error = TypeVar("_Error", bound="TritonError")


class TritonError(Exception):
    """Base class; the message is one sentence for the user, with no secret and no row's values.

    Attributes:
        status: The HTTP status behind it; None where there was no answer.
        hides: Whether the server refuses to describe the model, and may serve it all the same.
    """

    def __init__(self, message: str = "", *, status: int | None = None, hides: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.hides = hides

    def reworded(self: _Error, message: str) -> _Error:
        """The same error with another message."""
        error = copy.copy(self)
        error.args = (message,)
        return error


class PlanError(TritonError):
    """The statement is wrong."""


class OptionError(PlanError):
    """An option is unknown, missing or has a bad value."""


class SchemaError(PlanError):
    """A column does not fit the model's tensors."""


class UnavailableError(TritonError):
    """The server or the model cannot be reached, or is not ready yet."""


class FailureWords(str):
    """The message of a row that failed, with a code for programs.

    Attributes:
        code: An HTTP status, or a word in capitals.
    """

    code: str

    def __new__(cls, message: str, code: str) -> FailureWords:
        """Make it of a message and its code."""
        words = super().__new__(cls, message)
        words.code = code
        return words


#: The codes of what an answer holds and no column can, and of what a row holds and no request can.
INVALID_ANSWER, INVALID_VALUE = "INVALID_ANSWER", "INVALID_VALUE"


def code_of(message: str) -> str:
    """The code of a row's failure; one without a code is that of a value that cannot be sent."""
    return message.code if isinstance(message, FailureWords) else INVALID_VALUE


class RowError(TritonError):
    """A fault of one row.

    Attributes:
        splits: Whether a batch that failed so is to be split until the bad row is alone.
        endpoint: The base URL of the endpoint that refused it; None where there is none.
        code: A code for programs: by default the HTTP status, and where there is none, that of an unusable answer.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        splits: bool = False,
        endpoint: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, status=status)
        self.splits = splits
        self.endpoint = endpoint
        self.code = code or (INVALID_ANSWER if status is None else str(status))

    @property
    def words(self) -> FailureWords:
        """The message with its code."""
        return FailureWords(str(self), self.code)


class ExhaustedError(RowError):
    """A transient failure that did not pass in time."""


class LostError(RowError):
    """A request that must not be sent twice may have run; the client cannot know."""


class NoSequenceError(RowError):
    """The server has no sequence that the request could continue."""


class DeadlockError(RowError):
    """An ensemble could not make an output; often because only some of its outputs were asked for."""


class TooManyRowsError(RowError):
    """The endpoint takes fewer rows in a request: nothing was sent.

    Attributes:
        rows: How many it takes.
    """

    def __init__(self, rows: int) -> None:
        super().__init__(f"the endpoint takes {rows} rows in a request")
        self.rows = rows


class JobError(TritonError):
    """A fault that no row's policy covers."""


class AccessError(JobError):
    """The server refuses the credentials or TLS, or a secret is missing."""


class ContractError(JobError):
    """The server's answer breaks the protocol or the model's signature."""


class Listener(Enum):
    """What answers at an endpoint that is not Triton's HTTP port."""

    GRPC = "a gRPC port"
    METRICS = "Triton's metrics port"
    TLS = "a port that speaks TLS"
    OTHER = "something else"


class WrongPortError(ContractError):
    """Something else than Triton's HTTP port answers at the endpoint.

    Attributes:
        listener: What it is.
    """

    def __init__(self, message: str, listener: Listener) -> None:
        super().__init__(message)
        self.listener = listener


class SignatureError(JobError):
    """The model is no longer the one that was planned."""


def sentence(message: str) -> str:
    """Put a full stop after a message that has none."""
    return message if message.endswith((".", "?")) else f"{message}."
