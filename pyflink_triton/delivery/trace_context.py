"""W3C trace contexts: the header that joins what a server traces of a request with what is known of it here."""

from __future__ import annotations

import os
from dataclasses import replace

from pyflink_triton.protocol.inference import PreparedRequest

#: The name of the header.
TRACEPARENT = "traceparent"
_VERSION, _SAMPLED = "00", "01"


def new_trace() -> str:
    """Make the id of a trace: a request has one, however often it is sent."""
    return os.urandom(16).hex()


def traced(prepared: PreparedRequest, trace: str) -> PreparedRequest:
    """A request with the header of one call, which is a span of its own.

    Args:
        prepared: The request.
        trace: The id of its trace.
    """
    header = f"{_VERSION}-{trace}-{os.urandom(8).hex()}-{_SAMPLED}"
    return replace(prepared, headers={**prepared.headers, TRACEPARENT: header})
