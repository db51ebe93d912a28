"""What each failure means for a request: one table, read by the delivery."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from pyflink_triton.metric_table import ErrorClass
from pyflink_triton.protocol.failures import Cause, Fault


class Action(Enum):
    """What becomes of the request."""

    RETRY = "it is sent again, whole"
    HOLD_BACK = "it waits unsent until a probe finds the model ready"
    FAIL_ROW = "the row fails by its policy"
    FAIL_JOB = "the job fails"


@dataclass(frozen=True)
class Behaviour:
    """What one failure means.

    Attributes:
        kind: Under which class the metrics count the call.
        action: What becomes of the request.
        counts: Whether it is the server's fault, and so counts to the circuit breaker.
        splits: Whether a batch is split until the bad row is alone.
        retries: How often the request is sent again at the most; None for ``max-retries``.
        slows: Whether fewer requests should be in flight.
        probes: Whether a probe must find the model ready before more is sent there: a server that shuts down breaks
            connections.
        rechecks: Whether the model may have changed, so that its signature is read again.
        is_models: Whether it is so only if the model is there; else there is no such model.
        nothing_ran: Whether it proves that the model did not run.
        is_missing: Whether the endpoint has no such model, which is a matter of the rows that name it.
        error: What is raised when nothing more can be done.
    """

    kind: ErrorClass
    action: Action
    counts: bool = False
    splits: bool = False
    retries: int | None = None
    slows: bool = False
    probes: bool = False
    rechecks: bool = False
    is_models: bool = False
    nothing_ran: bool = False
    is_missing: bool = False
    error: type[TritonError] = RowError

    def row_error(self, message: str, status: int | None, endpoint: str, code: str) -> RowError:
        """The error of rows that fail by their policy."""
        kind = self.error if issubclass(self.error, RowError) else RowError
        return kind(message, status=status, splits=self.splits, endpoint=endpoint, code=code)


_ACCESS = Behaviour(ErrorClass.ACCESS, Action.FAIL_JOB, error=AccessError)
_CONTRACT = Behaviour(ErrorClass.PROTOCOL, Action.FAIL_JOB, error=ContractError)
_AWAY = Behaviour(ErrorClass.UNAVAILABLE, Action.HOLD_BACK, counts=True)
_BROKEN = Behaviour(ErrorClass.CONNECTION, Action.RETRY, counts=True, probes=True)
_CRASHED = Behaviour(ErrorClass.MODEL, Action.RETRY, counts=True)

#: ``protocol.failures`` says what each fault and cause is, and ``protocol.dialect`` which statuses have which cause.
BEHAVIOURS: dict[Fault | Cause, Behaviour] = {
    Fault.REFUSED: _AWAY,
    Fault.DNS: _AWAY,
    Fault.CONNECT_TIMEOUT: _AWAY,
    Fault.TLS: _ACCESS,
    Fault.TIMEOUT: Behaviour(ErrorClass.TIMEOUT, Action.RETRY, counts=True, slows=True),
    # The server goes on with what it has begun, so that another attempt doubles its work.
    Fault.NOT_STARTED: Behaviour(ErrorClass.TIMEOUT, Action.RETRY, counts=True, slows=True, retries=1),
    # How long a stream takes says nothing about load.
    Fault.STOPPED: Behaviour(ErrorClass.TIMEOUT, Action.RETRY, counts=True),
    Fault.OVERDUE: Behaviour(ErrorClass.TIMEOUT, Action.RETRY),
    Fault.UNFINISHED: Behaviour(ErrorClass.CONNECTION, Action.RETRY),
    Fault.RESET: _BROKEN,
    Fault.CUT: _BROKEN,
    Fault.NONSENSE: _CONTRACT,
    Cause.SEQUENCE_NOT_STARTED: Behaviour(
        ErrorClass.REQUEST, Action.FAIL_ROW, rechecks=True, nothing_ran=True, error=NoSequenceError
    ),
    Cause.BAD_SHAPE: Behaviour(ErrorClass.REQUEST, Action.FAIL_ROW, splits=True, rechecks=True, nothing_ran=True),
    Cause.DEADLOCK: Behaviour(ErrorClass.REQUEST, Action.FAIL_ROW, splits=True, rechecks=True, error=DeadlockError),
    Cause.BAD_REQUEST: Behaviour(ErrorClass.REQUEST, Action.FAIL_ROW, splits=True, rechecks=True),
    Cause.ACCESS_DENIED: _ACCESS,
    Cause.NOT_LOADED: Behaviour(ErrorClass.UNAVAILABLE, Action.HOLD_BACK, rechecks=True, nothing_ran=True),
    Cause.NOT_FOUND: Behaviour(ErrorClass.UNAVAILABLE, Action.FAIL_JOB, rechecks=True, error=JobError),
    Cause.DECOUPLED: Behaviour(ErrorClass.PROTOCOL, Action.FAIL_JOB, rechecks=True, error=JobError),
    Cause.NOT_SUPPORTED: Behaviour(ErrorClass.PROTOCOL, Action.FAIL_JOB, error=JobError),
    Cause.REQUEST_TIMEOUT: Behaviour(ErrorClass.TIMEOUT, Action.RETRY),
    Cause.TOO_LARGE: Behaviour(ErrorClass.REQUEST, Action.FAIL_ROW, splits=True, nothing_ran=True),
    Cause.TOO_MANY_REQUESTS: Behaviour(ErrorClass.OVERLOAD, Action.RETRY, slows=True, nothing_ran=True),
    # A model may say it, too, so it does not prove that nothing ran.
    Cause.UNPARSABLE: Behaviour(ErrorClass.REQUEST, Action.FAIL_ROW, splits=True),
    Cause.MODEL_CRASHED: _CRASHED,
    Cause.MODEL_FAILED: Behaviour(ErrorClass.MODEL, Action.FAIL_ROW, splits=True, retries=2),
    Cause.MODEL_REFUSED: Behaviour(ErrorClass.MODEL, Action.FAIL_ROW, splits=True, rechecks=True, is_models=True),
    Cause.ANSWERED_ERROR: Behaviour(ErrorClass.MODEL, Action.FAIL_ROW),
    Cause.GATEWAY: _AWAY,
    Cause.UNAVAILABLE: Behaviour(ErrorClass.OVERLOAD, Action.RETRY, counts=True, slows=True),
    Cause.SERVER_ERROR: _CRASHED,
    Cause.CLIENT_ERROR: Behaviour(ErrorClass.REQUEST, Action.FAIL_ROW, nothing_ran=True),
    Cause.UNEXPECTED: _CONTRACT,
}
#: The same where rows name their models: whether there is such a model, and which one, is found out by its health.
OF_ROUTES: dict[Fault | Cause, Behaviour] = {
    **BEHAVIOURS,
    Cause.NOT_LOADED: replace(BEHAVIOURS[Cause.NOT_LOADED], rechecks=False),
    Cause.NOT_FOUND: replace(BEHAVIOURS[Cause.NOT_LOADED], rechecks=False, is_missing=True),
    Cause.DECOUPLED: Behaviour(ErrorClass.PROTOCOL, Action.FAIL_ROW, rechecks=True),
}
#: For a request that could not be sent at all.
HELD_BACK = Behaviour(ErrorClass.UNAVAILABLE, Action.HOLD_BACK, nothing_ran=True)
