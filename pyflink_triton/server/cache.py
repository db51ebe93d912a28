"""The user's cache directory, and how directories in it are made."""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pyflink_triton.server.errors import TritonServerError


def cache_directory() -> Path:
    """Return the directory for environments and logs.

    Returns:
        `PYFLINK_TRITON_CACHE`, else `pyflink-triton` in `XDG_CACHE_HOME`, else in `~/.cache`.
    """
    configured = os.environ.get("PYFLINK_TRITON_CACHE")
    if configured:
        return Path(configured).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache").absolute() / "pyflink-triton"


def make_once(directory: Path, what: str, build: Callable[[Path], None]) -> None:
    """Make a directory completely or not at all, by one process at a time.

    Args:
        directory: The directory; nothing is done when it exists.
        what: What it holds, for the line on stderr.
        build: Fills a directory beside it, which is then renamed.

    Raises:
        TritonServerError: The cache directory cannot be written.
    """
    if directory.exists():
        return
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TritonServerError(
            f"the cache directory {directory.parent} cannot be written: {error.strerror}; set PYFLINK_TRITON_CACHE "
            "to a directory that can be written"
        ) from error
    with _locked(directory.with_name(f"{directory.name}.lock"), what):
        if directory.exists():
            return
        for left_over in directory.parent.glob(f"{directory.name}.partial-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{directory.name}.partial-", dir=directory.parent))
        print(f"pyflink-triton: making {directory} ({what})", file=sys.stderr, flush=True)
        try:
            build(partial)
            partial.rename(directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _locked(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock that the kernel releases however this process ends."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"pyflink-triton: waiting for another process to make {what}", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
