"""Loggers whose records are limited, so that a server that fails every call does not fill a disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

#: How many records that say the same are logged in a period.
_MOST = 5
_SECONDS = 60.0
#: How many kinds of records are told apart; all others are one kind.
_KINDS = 1000
_IS_LIMITED = "pyflink_triton_limited"


@dataclass
class _Seen:
    """Records that say the same: how many were logged since when, and how many were not."""

    since: float
    logged: int = 0
    left_out: int = 0


class RateLimit(logging.Filter):
    """Lets some records through of those that say the same in a minute, and says how many it left out.

    Records say the same that have the logger, the level, the message before its arguments are put in, and the
    attribute ``same`` in common. Those below INFO are not limited: someone has asked for them.

    Args:
        clock: Tells the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[object, _Seen] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is logged."""
        if record.levelno < logging.INFO or getattr(record, _IS_LIMITED, False):
            return True
        kind: object = (record.name, record.levelno, record.msg, getattr(record, "same", None))
        with self._lock:
            left_out = self._count(kind if kind in self._seen or len(self._seen) < _KINDS else None)
        if left_out is None:
            return False
        setattr(record, _IS_LIMITED, True)
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out} more like this were not logged)"
            record.args = ()
        return True

    def _count(self, kind: object) -> int | None:
        """Count a record; returns how many of its kind were left out before, or None where it is left out, too."""
        now = self._clock()
        seen = self._seen.setdefault(kind, _Seen(now))
        left_out = 0
        if now - seen.since >= _SECONDS:
            left_out = seen.left_out
            seen.since, seen.logged, seen.left_out = now, 0, 0
        if seen.logged >= _MOST:
            seen.left_out += 1
            return None
        seen.logged += 1
        return left_out


_LIMIT = RateLimit()


def limited_logger(name: str) -> logging.Logger:
    """The logger of a name; its records are limited."""
    logger = logging.getLogger(name)
    logger.addFilter(_LIMIT)
    return logger
