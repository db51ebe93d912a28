"""Whether the server still has a sequence after a request that continued it has failed."""

from __future__ import annotations

from pyflink_triton.errors import ExhaustedError, LostError, NoSequenceError, RowError
from pyflink_triton.remedies import Remedy

#: The message of a row without a sequence.
NOT_FOUND = (
    "Sequence not found: the server or this task no longer has the row's sequence, or no row began it. "
    + Remedy.FIND_SEQUENCE()
)


def why_lost(error: RowError) -> str:
    """The message of a row whose sequence was lost. The server's text is left out where it names the id."""
    return NOT_FOUND if isinstance(error, NoSequenceError) else f"{NOT_FOUND}. It was lost when {error}"


def is_lost(error: RowError) -> bool:
    """Whether the server may no longer have the sequence as this task knows it, after a request that continued it."""
    if isinstance(error, ExhaustedError):
        return error.status is None  # the server is away for longer than a row waits
    return isinstance(error, LostError | NoSequenceError)
