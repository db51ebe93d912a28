"""Which TCP ports a server may take."""

import random
import socket
from pathlib import Path

from pyflink_triton.server.errors import TritonServerError

_LOWEST, _HIGHEST = 10_000, 65_535
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(host: str, port: int, purpose: str) -> None:
    """Refuse a wanted port that is in use.

    Args:
        host: The address to listen on.
        port: The wanted port.
        purpose: What the port is used for, for the message.

    Raises:
        TritonServerError: No server can listen on the port.
    """
    if not is_free(host, port):
        raise TritonServerError(
            f"port {port} on {host}, wanted for {purpose}, is taken or not allowed: "
            "stop what listens there, or choose another port"
        )


def choose(host: str, count: int, taken: set[int]) -> list[int]:
    """Choose distinct free ports.

    They are outside the range from which the kernel takes ports for outgoing connections. Otherwise a
    client that connects while the server restarts could get the server's own port.

    Args:
        host: The address to listen on.
        count: How many ports.
        taken: Ports that must not be chosen.

    Returns:
        The ports.

    Raises:
        TritonServerError: No free port was found.
    """
    found: list[int] = []
    candidates = _candidates()
    for port in random.sample(candidates, min(len(candidates), 1000)):
        if len(found) == count:
            break
        if port not in taken and is_free(host, port):
            found.append(port)
    if len(found) < count:
        raise TritonServerError(f"no free ports were found on {host}: use an address of this machine")
    return found


def _candidates() -> range:
    try:
        first, _ = map(int, _EPHEMERAL_RANGE.read_text().split())
    except (OSError, ValueError):
        first = _HIGHEST
    return range(_LOWEST, first) if first - _LOWEST >= 1000 else range(_LOWEST, _HIGHEST)
