"""The worker's process: standard input and output carry frames, and everything else goes to standard error."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import io
import os
import sys
from typing import BinaryIO

from pyflink_triton._async import run
from pyflink_triton.bridge.frames import Frame, FrameError, FrameReader
from pyflink_triton.bridge.worker import HEARTBEAT_SECONDS, Worker

#: A planning worker ends after this time without a request.
_IDLE_SECONDS = 60.0
#: A request creates some hundred containers that reference counts free: Python's default of 700 searches too often.
_GC_THRESHOLD = 50_000
#: A shorter body is joined to its header, because one write costs less than two.
_JOIN_BYTES = 1 << 16
#: Each side wakes up once for a frame that the pipe can hold.
_PIPE_BYTES = 1 << 20


def main() -> int:
    """Serve the shim until it sends `close` or closes its end of the pipe.

    Returns:
        The process's exit code.
    """
    frames_in, frames_out = _take_pipes()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    return run(_serve(frames_in, frames_out))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for frames alone, so that no stray print or read elsewhere in the process disturbs them."""
    frames_in = io.FileIO(os.dup(0), "r")
    frames_out = io.FileIO(os.dup(1), "w")
    for pipe in (frames_in, frames_out):
        with contextlib.suppress(OSError):  # not a pipe, or larger than this user may have
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdout = sys.stderr
    return frames_in, frames_out


async def _serve(frames_in: BinaryIO, frames_out: BinaryIO) -> int:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, frames_out)
    ended: asyncio.Future[FrameError | None] = loop.create_future()

    def write(head: bytes, body: memoryview | bytes) -> None:
        if transport.is_closing():  # the shim is gone
            _end(ended, None)
            return
        if len(body) < _JOIN_BYTES:
            transport.write(b"".join((head, body)))
        else:
            transport.write(head)
            transport.write(body)

    worker = Worker(write)
    last_frame_at = [loop.time()]

    def receive(frame: Frame | None) -> None:
        last_frame_at[0] = loop.time()
        if frame is None or frame.kind == "close":
            _end(ended, None)
        else:
            worker.receive(frame)

    await loop.connect_read_pipe(lambda: FrameReader(receive, lambda error: _end(ended, error)), frames_in)
    while not ended.done():
        await asyncio.wait([ended], timeout=HEARTBEAT_SECONDS)
        if not ended.done():
            worker.heartbeat()
            if worker.is_planner and worker.is_idle and loop.time() - last_frame_at[0] > _IDLE_SECONDS:
                _end(ended, None)
    await worker.close()
    failure = ended.result()
    transport.close()
    if failure is not None:
        print(f"pyflink-triton worker: {failure}", file=sys.stderr)
        return 2
    return 0


def _end(ended: asyncio.Future[FrameError | None], failure: FrameError | None) -> None:
    if not ended.done():
        ended.set_result(failure)


if __name__ == "__main__":
    sys.exit(main())
