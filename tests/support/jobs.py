"""Jobs under way in this process's Flink, and the workers that serve them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waiting import wait_for

WORKER = b"pyflink_triton.bridge"
#: Sockets that asyncio itself opens.
SELF_PIPE = 2


def workers() -> dict[int, bytes]:
    """This process's descendants that are workers (planning ones too): id and command line."""
    parents: dict[int, int] = {}
    commands: dict[int, bytes] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue  # it ended meanwhile

    def is_ours(process: int) -> bool:
        while process in parents:
            if process == os.getpid():
                return True
            process = parents[process]
        return False

    return {process: command for process, command in commands.items() if WORKER in command and is_ours(process)}


@contextmanager
def running(env: Any, insert: str, limit: float = 120) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A job under way: its result, and what waiting for it came to; it has so many seconds to end."""
    result = env.execute_sql(insert)
    outcome: dict[str, Any] = {}

    def wait() -> None:
        try:
            result.wait()
        except Exception as error:
            outcome["error"] = str(error)
        outcome["ended"] = True

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    try:
        yield result, outcome
        waiter.join(limit)
        assert not waiter.is_alive(), "the job did not end"
    finally:
        if waiter.is_alive():
            result.get_job_client().cancel().result()


def numbers_and_answers(env: Any, rows: int, directory: Path) -> None:
    """Rows from files, so that a restart reads on where the checkpoint was."""
    source = directory / "numbers"
    source.mkdir()
    step = rows // 10
    for part in range(10):
        lines = "".join(f"{x}\n" for x in range(part * step, (part + 1) * step))
        (source / f"{part}.csv").write_text(lines)
    env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (x BIGINT) WITH ('connector' = 'filesystem', "
        f"'path' = '{source}', 'format' = 'csv')"
    )
    env.execute_sql(
        "CREATE TEMPORARY TABLE answers (x BIGINT, y BIGINT) WITH ('connector' = 'filesystem', "
        f"'path' = '{directory / 'answers'}', 'format' = 'csv')"
    )


def wait_until_gone(processes: set[int]) -> None:
    wait_for(lambda: not processes & set(workers()), 10, "the killed workers to be gone")


def kill_workers(
    before: set[int], times: int, outcome: dict[str, Any], ready: Callable[[], object] | None = None
) -> int:
    """Kill the workers of a job when they are busy, again and again.

    Args:
        before: Workers that are not the job's.
        times: How often.
        outcome: What ``running`` gives.
        ready: What else has to be so before a kill.

    Returns:
        How often they were killed before the job ended.
    """
    for killed in range(times):
        found = wait_for(lambda: busy(set(workers()) - before) or "ended" in outcome, 30, "a busy worker")
        if ready is not None:
            wait_for(lambda: ready() or "ended" in outcome, 30, "what a kill waits for")
        if "ended" in outcome:
            return killed
        for worker in found:
            os.kill(worker, signal.SIGKILL)
        wait_until_gone(found)
    return times


def busy(candidates: set[int]) -> set[int]:
    """Those that talk to the server: planning workers idle without a connection."""
    return {process for process in candidates if sockets(process) > SELF_PIPE}


def sockets(process: int) -> int:
    try:
        descriptors = list(Path(f"/proc/{process}/fd").iterdir())
        return sum("socket:" in str(descriptor.readlink()) for descriptor in descriptors)
    except OSError:
        return 0


def assert_gone(before: set[int]) -> None:
    """No worker of a task is left; a planning worker may idle on."""
    wait_for(lambda: len(set(workers()) - before) <= 1, 5, f"workers left: {workers()}")
