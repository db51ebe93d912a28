"""Logs calls that failed, without what may hold a row's values."""

from __future__ import annotations

import logging
from http import HTTPStatus

from pyflink_triton._logs import limited_logger
from pyflink_triton.delivery.error_messages import describe_model
from pyflink_triton.delivery.failure_policy import BEHAVIOURS
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import Cause, ErrorResponse, Fault

_LOG = limited_logger("pyflink_triton.calls")
#: Where the words are known to be the server's own. Those of a model, which may answer 404 and 503, too, or of what
#: stands in front of a server, may hold values.
_SERVERS_WORDS = frozenset(
    {
        Cause.SEQUENCE_NOT_STARTED,
        Cause.BAD_SHAPE,
        Cause.DEADLOCK,
        Cause.NOT_LOADED,
        Cause.DECOUPLED,
        Cause.TOO_MANY_REQUESTS,
        Cause.MODEL_CRASHED,
    }
)


class CallLog:
    """Logs a model's calls.

    Args:
        options: The model's options.
    """

    def __init__(self, options: Options) -> None:
        self._options = options

    @property
    def is_verbose(self) -> bool:
        """Whether each call is logged."""
        return _LOG.isEnabledFor(logging.DEBUG)

    def sent(self, named: str, rows: int, base: str) -> None:
        """Log that a request is sent.

        Args:
            named: The request, and its trace.
            rows: How many rows it carries.
            base: The endpoint's base URL.
        """
        _LOG.debug("%s of %d rows is sent to %s", named, rows, base)

    def failed(self, failure: Fault | Cause, words: str, named: str, rows: int) -> None:
        """Log a call that failed.

        Args:
            failure: Why.
            words: What to say about it, without a secret and without a row's values.
            named: The request, and its trace.
            rows: How many rows it carries.
        """
        kind = BEHAVIOURS[failure].kind.name.lower()
        _LOG.warning("A call failed (%s): %s [%s, %d rows]", kind, words, named, rows, extra={"same": failure})

    def words(self, base: str, server: str, error: ErrorResponse) -> str:
        """Say which error the model's server answered, as far as that cannot hold a row's values.

        Args:
            base: The endpoint's base URL.
            server: The kind of server that it is.
            error: The error.
        """
        is_servers = error.cause in _SERVERS_WORDS and error.status != HTTPStatus.TOO_MANY_REQUESTS
        said = error.description if is_servers else f"HTTP {error.status}: {error.cause.value}"
        return f"{describe_model(self._options, base, server)} answered {said}"
