"""What this process uses of the machine: its memory and its CPU time."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

#: It is read at most so often: reading costs some 20 µs.
_SECONDS = 1.0
_STATM = Path("/proc/self/statm")
_KIB = 1024


class ProcessUsage:
    """Reads the figures, at most once a second, from whatever thread.

    Args:
        clock: Tells the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._told: int | None = None

    def begin(self) -> None:
        """Count from now on what this process uses, where nothing was read yet: before, it was not for a model."""
        with self._lock:
            if self._told is None:
                self._told = _milliseconds()

    def read(self) -> tuple[int, int] | None:
        """Read the resident memory in bytes, and the milliseconds of CPU since the last time; None where it is early.

        The first reading tells all CPU time since ``begin``, or else since the process began.
        """
        with self._lock:
            now = self._clock()
            if now - self._read_at < _SECONDS:
                return None
            self._read_at = now
            spent = _milliseconds()
            since, self._told = spent - (self._told or 0), spent
        return _resident_bytes(), since


def _milliseconds() -> int:
    return int(time.process_time() * 1000)


def _resident_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):  # another system than Linux has the peak alone
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
