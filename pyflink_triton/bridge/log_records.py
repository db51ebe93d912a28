"""Sends what Python logs in a worker to the shim, which logs it for the task."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable

from pyflink_triton._logs import RateLimit
from pyflink_triton.bridge.messages import Log

#: The shim's levels, and from which of Python's on each is meant.
_LEVELS = ((logging.ERROR, "ERROR"), (logging.WARNING, "WARN"), (logging.INFO, "INFO"), (0, "DEBUG"))
_LONGEST = 4096


class LogRecords(logging.Handler):
    """Makes a message of each record, without the words of an exception, which may hold a row's values.

    Args:
        send: Takes the messages; called in the event loop's thread.
        loop: The event loop, which runs in the thread that makes this.
    """

    def __init__(self, send: Callable[[Log], None], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._send = send
        self._loop = loop
        self._thread = threading.get_ident()
        self.addFilter(RateLimit())
        #: Masks secrets in what is logged.
        self.redact: Callable[[bytes], bytes | bytearray] = bytes

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, from any thread."""
        try:
            message = self._message(record)
            if threading.get_ident() == self._thread:
                self._send(message)
            else:
                self._loop.call_soon_threadsafe(self._send, message)
        except Exception:  # a record that cannot be sent must not fail what logged it
            self.handleError(record)

    def _message(self, record: logging.LogRecord) -> Log:
        text = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            places = "".join(traceback.format_tb(trace)).rstrip()
            text = f"{text}\n{places}\n{kind.__name__}"
        text = str(self.redact(text.encode("utf-8", "replace")), "utf-8", "replace")
        level = next(name for least, name in _LEVELS if record.levelno >= least)
        return {"kind": "log", "level": level, "logger": record.name, "message": text[:_LONGEST]}


def python_level(name: str) -> int:
    """Python's level for one of the shim's: what is below it is not logged."""
    return next((least or logging.DEBUG for least, known in _LEVELS if known == name), logging.INFO)
