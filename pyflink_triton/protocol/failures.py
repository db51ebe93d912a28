"""How a call can fail, in any protocol: no response came, or the server answered with an error."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """Why no response came."""

    REFUSED = "the connection is refused"
    DNS = "the host has no address"
    CONNECT_TIMEOUT = "nobody accepts the connection in time"
    TLS = "one side does not trust the other's certificate"
    TIMEOUT = "no response comes in time"
    NOT_STARTED = "no response of a stream comes in time"
    STOPPED = "a stream has begun, and its next response does not come in time"
    OVERDUE = "the row's time is over while the responses of its stream come"
    UNFINISHED = "a stream ended without what its last response has"
    RESET = "the connection broke before the response"
    CUT = "the connection broke inside the response"
    NONSENSE = "what came back is not of the protocol"


class Cause(Enum):
    """Why a server answered with an error."""

    SEQUENCE_NOT_STARTED = "the server has no sequence that the request could continue"
    BAD_SHAPE = "an input has a shape that the model does not take"
    DEADLOCK = "an ensemble could not make an output"
    BAD_REQUEST = "the request is wrong, or the model says so"
    ACCESS_DENIED = "the server does not accept the credentials"
    NOT_LOADED = "the model is known and not loaded"
    NOT_FOUND = "there is no such model or path"
    DECOUPLED = "the model is decoupled, and was asked for one response"
    NOT_SUPPORTED = "the server does not know the method"
    REQUEST_TIMEOUT = "the server waited too long for the request"
    TOO_LARGE = "the request is too large"
    TOO_MANY_REQUESTS = "the server's queue is full, or the request was in it for too long"
    UNPARSABLE = "the server could not parse the request"
    MODEL_CRASHED = "the model's own process ended"
    MODEL_FAILED = "the model failed"
    MODEL_REFUSED = "the model answers with a code of its own, as it seems: the server does not use these words"
    ANSWERED_ERROR = "the model answers a row with an error in its stream of responses"
    GATEWAY = "a gateway has no connection to the server"
    UNAVAILABLE = "HTTP 503 without a reason: the server is overloaded, or it is shutting down"
    SERVER_ERROR = "the server failed in another way"
    CLIENT_ERROR = "the server refuses the request for another reason"
    UNEXPECTED = "a status that the protocol does not have"


class NoResponseError(Exception):
    """A call got no response.

    Attributes:
        fault: What went wrong.
        sent: Whether a byte of the request may have reached the server.
        stale: Whether a connection that was kept open turned out to be closed.
        details: More about it, without a secret.
        seconds: The time that the call had.
    """

    def __init__(self, fault: Fault, sent: bool, stale: bool, details: str, seconds: float) -> None:
        super().__init__(details)
        self.fault = fault
        self.sent = sent
        self.stale = stale
        self.details = details
        self.seconds = seconds


class ErrorResponse(Exception):
    """The server answered with an error.

    Attributes:
        status: The status as HTTP has it.
        cause: What the status and the server's text mean.
        description: The status, the path where that matters, and the server's text without a secret.
        hides: Whether the response says nothing about the model: something refuses to be asked.
        is_away: Whether a readiness check that is answered so says that the model is not there.
        retry_after: Seconds that the server asks to wait.
        renewed: Whether the credentials were read again and have changed since the call began.
    """

    def __init__(
        self,
        status: int,
        cause: Cause,
        description: str,
        *,
        hides: bool = False,
        is_away: bool = False,
        retry_after: float = 0.0,
        renewed: bool = False,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.cause = cause
        self.description = description
        self.hides = hides
        self.is_away = is_away
        self.retry_after = retry_after
        self.renewed = renewed
