"""What can go wrong with a call before its answer is there, in any protocol."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """What can go wrong before there is an answer."""

    REFUSED = "the connection is refused"
    DNS = "the host has no address"
    CONNECT_TIMEOUT = "nobody answers the connection"
    TLS = "one side does not trust the other's certificate"
    TIMEOUT = "no answer in time"
    RESET = "the connection broke before the answer"
    CUT = "the connection broke inside the answer"
    NONSENSE = "the answer is not HTTP"
