"""The worker's process: standard input and output carry frames, and everything else goes to standard error."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import sys
import threading
from typing import BinaryIO

from pyflink_triton.bridge.frames import Frame, FrameError, read_frame
from pyflink_triton.bridge.worker import HEARTBEAT_SECONDS, Worker

#: A planning worker that nobody asks anything ends after this.
_IDLE_SECONDS = 60.0


def main() -> int:
    """Serve the shim until it says close, or its end of the pipe closes.

    Returns:
        The process's exit code.
    """
    frames_in, frames_out = _take_pipes()
    gc.freeze()
    return asyncio.run(_serve(frames_in, frames_out))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for frames alone: a stray print must corrupt nothing, a stray read steal nothing."""
    frames_in = io.FileIO(os.dup(0), "r")
    frames_out = io.FileIO(os.dup(1), "w")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
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
        transport.write(head)
        if len(body):
            transport.write(body)

    worker = Worker(write)
    asked_at = [loop.time()]

    def receive(frame: Frame | None) -> None:
        asked_at[0] = loop.time()
        if frame is None or frame.kind == "close":
            _end(ended, None)
            return
        try:
            worker.receive(frame)
        except FrameError as error:
            _end(ended, error)

    def read() -> None:
        frame: Frame | None = None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for frames any more
            try:
                while (frame := read_frame(frames_in)) is not None:
                    loop.call_soon_threadsafe(receive, frame)
                loop.call_soon_threadsafe(receive, None)
            except (FrameError, OSError) as error:
                loop.call_soon_threadsafe(_end, ended, FrameError(str(error)))

    threading.Thread(target=read, name="frames", daemon=True).start()
    while not ended.done():
        await asyncio.wait([ended], timeout=HEARTBEAT_SECONDS)
        if not ended.done():
            worker.heartbeat()
            if worker.is_planner and loop.time() - asked_at[0] > _IDLE_SECONDS:
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
    code = main()
    sys.stderr.flush()
    # The reader thread may still wait in the kernel; nothing is left to clean up.
    os._exit(code)
