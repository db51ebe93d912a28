"""The line on a terminal that says how far a job is."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from pyflink_triton.command.console import errors
from pyflink_triton.command.job_metrics import Counts

#: Seconds between two looks, and those that a rate is taken over.
_EACH, _OVER = 1.0, 10.0


class Rate:
    """The rate of a number that grows, over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, at: float, number: int) -> float:
        """Note a number, and give its rate a second."""
        self._seen.append((at, number))
        while len(self._seen) > 2 and at - self._seen[0][0] > _OVER:
            self._seen.popleft()
        first, before = self._seen[0]
        return max(0.0, (number - before) / (at - first)) if at > first else 0.0


def describe(counts: Counts, rate: float, total: int | None) -> str:
    """Say how far a job is.

    Args:
        counts: What it has counted.
        rate: Its rows a second.
        total: The rows that its sources have in all; None where that is not known.
    """
    left = counts.left if total is None else max(0, total - counts.rows)
    of = "" if total is None else f" of {total:,}"
    words = [f"{counts.rows:,}{of} rows", f"{rate:,.0f} rows/s"]
    words += [f"{counts.requests:,} requests", f"{counts.failures:,} failures"]
    if left is not None and rate > 0:
        words.append(f"{_duration(left / rate)} left")
    return " · ".join(words)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def progress(ask: Callable[[], Counts | None], total: int | None) -> Iterator[Callable[[], None]]:
    """Show how far a job is, on a terminal alone, until left.

    Args:
        ask: Gives what the job has counted.
        total: The rows that its sources have in all; None where that is not known.

    Yields:
        A function that takes the line away at once, as for rows that are to be printed.
    """
    console = errors()
    if not console.is_terminal:
        yield lambda: None
        return
    end = threading.Event()
    live = Live(Text("starts ..."), console=console, transient=True, auto_refresh=False)

    def look() -> None:
        rate = Rate()
        while not end.wait(_EACH):
            counts = ask()
            if counts is not None and not end.is_set():
                per_second = rate.add(time.monotonic(), counts.rows)
                live.update(Text(describe(counts, per_second, total), "cyan"), refresh=True)

    watcher = threading.Thread(target=look, daemon=True)

    def stop() -> None:
        if not end.is_set():
            end.set()
            watcher.join(_EACH)
            live.stop()

    live.start(refresh=True)
    watcher.start()
    try:
        yield stop
    finally:
        stop()
