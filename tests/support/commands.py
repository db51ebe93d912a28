"""The command `pyflink-triton` in this process, which shares its JVM with other tests."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyflink_triton.command.app import main


@dataclass(frozen=True)
class Done:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: What it printed.
        err: What it said on stderr.
    """

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def command(*arguments: object) -> Done:
    """Run the command; without a terminal, as in a pipe."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            return Done(int(str(end.code)), out.getvalue(), err.getvalue())


@dataclass
class OnTerminal:
    """The command as a process of its own, on a terminal.

    Attributes:
        process: The process.
        terminal: The other end of its terminal.
        read: What it has written there.
    """

    process: subprocess.Popen[bytes]
    terminal: int
    read: str = ""

    def until(self, wanted: str | None, seconds: float = 120) -> str:
        """Read until a pattern is found; None: until the end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.read += os.read(self.terminal, 4096).decode(errors="replace")
            except OSError:  # the process has ended
                return self.read
            if wanted is not None and re.search(wanted, self.read):
                return self.read
        raise AssertionError(f"{wanted} did not come: {self.read}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self.terminal, b"\x03")


@contextmanager
def on_terminal(*arguments: str, **variables: str) -> Iterator[OnTerminal]:
    """Run the command on a terminal; it is killed when left, with all that it started."""
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pyflink_triton", *arguments],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,
        preexec_fn=_take_terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", **variables},
    )
    os.close(its_end)
    try:
        yield OnTerminal(process, terminal)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(terminal)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
