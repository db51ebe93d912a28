"""Memory that the shim shares with the worker: the bodies of large frames lie there, and not in the pipe."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import mmap
import os
import secrets
import sys
import weakref
from collections import deque
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pyflink_triton.bridge.frames import FrameError
from pyflink_triton.bridge.messages import Memory

#: A task has no more than this, however many bytes may be in flight.
_MOST_BYTES = 256 << 20


class SharedMemory:
    """Memory without a name in any file system, of which the shim is the only one that hands out blocks.

    Only pages that were written take up memory, and all of them go with the last process that has them mapped.

    Args:
        size: Its bytes.

    Raises:
        OSError: The system has no such memory.
    """

    def __init__(self, size: int) -> None:
        assert sys.platform == "linux"
        name = f"pyflink-triton-{secrets.token_hex(8)}"
        self._file = io.FileIO(os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "r+")
        self._file.truncate(size)
        # Without seals a process that shortens it would kill the other one at its next read.
        fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self._map = mmap.mmap(self._file.fileno(), size, prot=mmap.PROT_READ)
        self._size = size
        file = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        #: What the shim needs to find it, and to see that it found no other.
        self.named: Memory = {"file": file, "name": str(Path(file).readlink()), "bytes": size}
        #: Where the blocks begin that something refers to, and those that were freed since ``take_freed``.
        self._held: set[int] = set()
        self._freed: deque[int] = deque()
        #: Those that were held at the last ``collect``.
        self._old: set[int] = set()

    @classmethod
    def make(cls, size: int) -> SharedMemory | None:
        """Make memory of at most so many bytes; None where the system has none."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                return cls(min(size, _MOST_BYTES))
        return None

    def block(self, at: object, size: object) -> npt.NDArray[np.uint8]:
        """View a block. It is freed when nothing refers to the view or to what was made of it without a copy.

        Args:
            at: Where it begins.
            size: Its bytes.

        Raises:
            FrameError: It is not a block of this memory, or in use.
        """
        if not isinstance(at, int) or not isinstance(size, int) or not 0 <= at < at + size <= self._size:
            raise FrameError(f"a frame's body lies at {at} with {size} bytes, outside the memory of {self._size} bytes")
        if at in self._held:
            raise FrameError(f"a frame's body lies at {at}, where another one is still in use")
        view = np.frombuffer(self._map, np.uint8, size, at)
        self._held.add(at)
        weakref.finalize(view, self._free, at).atexit = False
        return view

    def take_freed(self) -> list[int]:
        """Where the blocks begin that were freed since the last time."""
        return [self._freed.popleft() for _ in range(len(self._freed))]

    def collect(self) -> None:
        """Find blocks that only a cycle holds, as a failed request's traceback makes one. To be called now and then."""
        if self._old & self._held:
            gc.collect()
        self._old = self._held.copy()

    def _free(self, at: int) -> None:
        """Called by whatever thread drops the last reference."""
        self._held.discard(at)
        self._freed.append(at)
