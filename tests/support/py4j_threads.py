"""Which Java thread a test's calls run in."""

from __future__ import annotations

import threading
from collections import deque

from py4j.java_gateway import GatewayClient


def stay_in_one_java_thread() -> None:
    """Let no thread of Python but the main one tell Java which objects it has collected.

    Py4J takes any of its connections for a call, and each is a thread in Java. A garbage collection in another thread,
    as that of a test's server, opens a second one while a call is under way, and the main thread may get that one for
    its next call. Calcite knows a planner by its thread, so a session that was made in the first one cannot plan in it
    (a NullPointerException: metadataHandlerProvider).
    """
    tell = GatewayClient.garbage_collect_object
    collected: deque[tuple[GatewayClient, str]] = deque()

    def garbage_collect_object(client: GatewayClient, target_id: str) -> None:
        collected.append((client, target_id))
        if threading.current_thread() is threading.main_thread():
            while collected:
                tell(*collected.popleft())

    GatewayClient.garbage_collect_object = garbage_collect_object
