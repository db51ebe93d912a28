"""CPU seconds of processes, from /proc: those of a server, a JVM, its workers and a client."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

#: For each process its parent and its CPU time in clock ticks, user and system.
Processes = Mapping[int, tuple[int, int]]
_TICKS = os.sysconf("SC_CLK_TCK")
#: Under this number the sink of the Flink jobs writes the JVM's threads that compile; its own ticks hold them, too.
_COMPILER = 0


def snapshot() -> Processes:
    """Read all processes."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "stat").read_text()
        except OSError:  # it has ended
            continue
        fields = line[line.rindex(")") + 2 :].split()
        found[int(entry.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    return found


def parse(text: str) -> Processes:
    """Read the processes as the sink of the Flink jobs writes them."""
    rows = (line.split() for line in text.split(";") if line)
    return {int(pid): (int(parent), int(ticks)) for pid, parent, ticks in rows}


def tree(processes: Processes, root: int) -> set[int]:
    """A process and all that descend from it."""
    found, more = {root}, {root}
    while more:
        more = {pid for pid, (parent, _) in processes.items() if parent in more} - found
        found |= more
    return found


def children(root: int) -> set[int]:
    """All that descend from a process, now."""
    return tree(snapshot(), root) - {root}


def seconds(before: Processes, after: Processes, pids: set[int]) -> float:
    """What these processes spent between two snapshots."""
    return sum(after[pid][1] - before.get(pid, (0, 0))[1] for pid in pids if pid in after) / _TICKS


def by_role(before: Processes, after: Processes, server: int | None, jvm: int | None, client: int) -> dict[str, float]:
    """What each part spent between two snapshots.

    Args:
        before: The processes at first.
        after: The processes in the end.
        server: tritonserver, counted with the processes of its models.
        jvm: Flink's JVM; what descends from it are its workers.
        client: The client, counted alone.

    Returns:
        Seconds by part: ``server``, ``jvm``, ``worker``, ``client``, and apart from the JVM's rest ``jit``.
    """
    parts = {"client": {client}}
    if server is not None:
        parts["server"] = tree(after, server)
    if jvm is not None:
        parts["jvm"] = {jvm}
        parts["worker"] = tree(after, jvm) - {jvm}
    spent = {part: seconds(before, after, pids) for part, pids in parts.items()}
    if jvm is not None:
        spent["jit"] = max(0.0, seconds(before, after, {_COMPILER}))
        spent["jvm"] = max(0.0, spent["jvm"] - spent["jit"])
    return spent


@contextmanager
def measured(server: int | None, spent: dict[str, float], who: int = resource.RUSAGE_SELF) -> Iterator[None]:
    """Add what a client and a server spend in the block to ``spent``.

    Args:
        server: tritonserver.
        spent: Gets the seconds of ``server`` and ``client``.
        who: The client is this process, or with ``RUSAGE_CHILDREN`` those that it starts and waits for.
    """
    before, own = snapshot(), _own(who)
    yield
    own = _own(who) - own
    spent.update(by_role(before, snapshot(), server, None, os.getpid()))
    spent["client"] = own  # finer than /proc's 10 ms


def _own(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime
