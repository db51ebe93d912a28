"""Runs tritonserver for one parent process, and leaves nothing behind however either ends.

Started by path, with the standard library alone: `python -I supervisor.py PARENT_PID SHM_PREFIX
STOP_SECONDS COMMAND...`. It writes the server's process id to its standard output. On its standard
input it reads `stop` (end the server gracefully) or `kill`; the end of that input, or of the parent,
means `kill`. Its exit code is the server's, or 128 plus the signal that ended it.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PARENT_CHECK_SECONDS = 0.5
_SHARED_MEMORY = Path("/dev/shm")

_libc = ctypes.CDLL(None)


def main(parent: int, shm_prefix: str, stop_seconds: float, command: list[str]) -> int:
    """Run the command until it ends or has to end.

    Args:
        parent: The process that started this one; both end together.
        shm_prefix: The prefix of the names of the server's shared memory regions.
        stop_seconds: How long a graceful end may take.
        command: tritonserver and its arguments.

    Returns:
        The exit code to end with.
    """
    # The stubs of a server that died become children of this process, which can then wait for them.
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wakeup = _wake_on_signals()
    supervisor = os.getpid()

    def die_with_supervisor() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(1)

    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=die_with_supervisor,
    )
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{server.pid}\n".encode())
    order = _await_order(server, parent, wakeup)
    if order == b"stop":
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(stop_seconds)
    _kill(os.killpg, server.pid)
    code = server.wait()
    _reap()
    for region in _SHARED_MEMORY.glob(f"{shm_prefix}*"):
        region.unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


def _wake_on_signals() -> int:
    """Make signals readable. Handlers, unlike SIG_IGN, are not inherited by the server."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reader


def _await_order(server: "subprocess.Popen[bytes]", parent: int, wakeup: int) -> bytes:
    """Wait until the server has ended or must end; return the order."""
    while server.poll() is None:
        ready, _, _ = select.select([0, wakeup], [], [], _PARENT_CHECK_SECONDS)
        if wakeup in ready and signal.SIGTERM in os.read(wakeup, 512):
            return b"stop"
        if 0 in ready:
            return os.read(0, 64).strip() or b"kill"
        # A child that the parent forked may hold the pipe open, so its end alone is not enough.
        if os.getppid() != parent:
            return b"kill"
    return b""


def _kill(send: Callable[[int, int], None], target: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        send(target, signal.SIGKILL)


def _reap() -> None:
    """Kill every descendant that is left, in whatever process group, and wait for it."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in children.read_text().split():
                _kill(os.kill, int(pid))
            os.waitpid(-1, 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
