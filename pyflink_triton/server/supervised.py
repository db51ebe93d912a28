"""Starts a server under its supervisor, and orders it to end."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Literal

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_STOP_SECONDS = 30.0


class SupervisedServer:
    """A tritonserver process that ends with this one.

    Attributes:
        pid: The process id of tritonserver.
    """

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], shm_prefix: str, log: IO[bytes]) -> None:
        """Start it.

        Args:
            command: tritonserver and its arguments.
            variables: Its environment variables.
            shm_prefix: What the names of its shared memory regions begin with.
            log: The file for its output.
        """
        supervisor = [
            sys.executable,
            "-I",
            str(_SUPERVISOR),
            str(os.getpid()),
            shm_prefix,
            str(_STOP_SECONDS),
        ]
        self._process = subprocess.Popen(
            [*supervisor, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=variables,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the server
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders = self._process.stdin
        with self._process.stdout as answers:
            self.pid = int(answers.readline() or 0)

    @property
    def running(self) -> bool:
        """Tell whether it runs."""
        return self._process.poll() is None

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it ends by itself.

        Args:
            timeout: The longest wait, in seconds.

        Returns:
            Its exit code, 128 plus the signal's number if a signal ended it; None if it runs on.
        """
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def end(self, order: Literal[b"stop", b"kill"]) -> None:
        """Order it to end, and wait until all its processes have ended.

        Args:
            order: `stop` lets requests in flight finish, `kill` does not.
        """
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._orders.write(order)
            self._orders.flush()
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()
        self._process.wait()
