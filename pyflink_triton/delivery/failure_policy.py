"""What each status and each fault of the transport means for a request: one table, read by the delivery."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pyflink_triton.errors import (
    AccessError,
    ContractError,
    DeadlockError,
    JobError,
    NoSequenceError,
    RowError,
    TritonError,
)
from pyflink_triton.protocol.fault import Fault


class Then(Enum):
    """What becomes of the request."""

    RETRY = "sent again, whole"
    WAIT = "held back unsent until a probe finds the model ready"
    ROW = "the row fails by its policy"
    JOB = "the job fails"


@dataclass(frozen=True)
class Behaviour:
    """What one status or fault means.

    Attributes:
        then: What becomes of the request.
        counts: Whether it is the server's fault, and so counts to the circuit breaker.
        splits: Whether a batch is split until the bad row is alone.
        retries: How often a lone row is sent again; None for ``max-retries``.
        slows: Whether fewer requests should be in flight.
        probes: Whether a probe must find the model ready before more is sent there, as while a server shuts down.
        nothing_ran: Whether it proves that the model did not run.
        error: What is raised when nothing more can be done.
    """

    then: Then
    counts: bool = False
    splits: bool = False
    retries: int | None = None
    slows: bool = False
    probes: bool = False
    nothing_ran: bool = False
    error: type[TritonError] = RowError

    def row_error(self, message: str, status: int | None, endpoint: str) -> RowError:
        """The error of rows that fail by their policy."""
        kind = self.error if issubclass(self.error, RowError) else RowError
        return kind(message, status=status, splits=self.splits, endpoint=endpoint)


_RETRY = Behaviour(Then.RETRY, counts=True)
_BROKEN = Behaviour(Then.RETRY, counts=True, probes=True)
_WAIT = Behaviour(Then.WAIT, counts=True)
_BUSY = Behaviour(Then.RETRY, slows=True, nothing_ran=True)
_NOT_LOADED = Behaviour(Then.WAIT, nothing_ran=True)
_JOB = Behaviour(Then.JOB, error=JobError)
_ACCESS = Behaviour(Then.JOB, error=AccessError)
_CONTRACT = Behaviour(Then.JOB, error=ContractError)
_REFUSED_ROW = Behaviour(Then.ROW, splits=True, nothing_ran=True)

FAULTS: dict[Fault, Behaviour] = {
    Fault.REFUSED: _WAIT,
    Fault.DNS: _WAIT,
    Fault.CONNECT_TIMEOUT: _WAIT,
    Fault.TLS: _ACCESS,
    Fault.TIMEOUT: Behaviour(Then.RETRY, counts=True, slows=True),
    Fault.RESET: _BROKEN,
    Fault.CUT: _BROKEN,
    Fault.NONSENSE: _CONTRACT,
}

#: By status and by words in the answer, first match first.
STATUSES: tuple[tuple[int, str, Behaviour], ...] = (
    (400, "must specify the start flag", Behaviour(Then.ROW, nothing_ran=True, error=NoSequenceError)),
    (400, "unexpected shape for input", _REFUSED_ROW),
    (400, "unexpected deadlock", Behaviour(Then.ROW, splits=True, error=DeadlockError)),
    (400, "", Behaviour(Then.ROW, splits=True)),  # a model may say it, too
    (401, "", _ACCESS),
    (403, "", _ACCESS),
    (404, "has no available versions", _NOT_LOADED),
    (404, "not at ready state", _NOT_LOADED),
    (404, "", _JOB),
    (405, "", _JOB),
    (408, "", Behaviour(Then.RETRY)),
    (413, "", _REFUSED_ROW),
    (429, "", _BUSY),
    (500, "unable to parse", Behaviour(Then.ROW, splits=True)),
    (500, "failed to parse", Behaviour(Then.ROW, splits=True)),
    (500, "stub process", _RETRY),
    (500, "", Behaviour(Then.ROW, splits=True, retries=2)),
    (501, "", _JOB),
    (502, "", _WAIT),
    (503, "exceeds maximum queue size", _BUSY),
    (503, "request timeout expired", _BUSY),
    (503, "", Behaviour(Then.RETRY, counts=True, slows=True)),
)
_OTHER_CLIENT_FAULT = Behaviour(Then.ROW, nothing_ran=True)


def of_status(status: int, words: str) -> Behaviour:
    """Look up an answer that is not 200.

    Args:
        status: The HTTP status.
        words: What the answer says.
    """
    lowered = words.lower()
    for known, phrase, behaviour in STATUSES:
        if status == known and phrase in lowered:
            return behaviour
    if status >= 500:
        return _RETRY
    return _OTHER_CLIENT_FAULT if status >= 400 else _CONTRACT
