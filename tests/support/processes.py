"""Processes by their parents, and connections by their port, as /proc has them."""

from __future__ import annotations

from pathlib import Path

#: A connection that both sides have, in /proc/net/tcp.
_ESTABLISHED = "01"


def children(parents: set[int], word: bytes) -> dict[int, int]:
    """The processes that these started and whose command line holds a word: their ids, and their parents' ids."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in parents and word in (entry / "cmdline").read_bytes():
                    found[int(entry.name)] = parent
            except OSError:
                continue  # it ended meanwhile
    return found


def connections(port: int) -> int:
    """How many connections there are to a port of this machine."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, *_ = line.split()
        found += state == _ESTABLISHED and int(remote.rpartition(":")[2], 16) == port
    return found
