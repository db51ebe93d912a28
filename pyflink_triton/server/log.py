"""The log of a tritonserver: where it is, and which lines a user needs to see."""

import contextlib
import re
import time
from pathlib import Path

from pyflink_triton.server.cache import cache_directory

_HEAD = re.compile(r"^([IWEF])\d{4} \d\d:\d\d:\d\d")
_LOAD_FAILURE = re.compile(r"failed to load '([^']+)' version")
_PORT_TAKEN = re.compile(r"already in use")
_NOISE = "CudaDriverHelper has not been initialized"  # logged at every start without a GPU
_KEPT_LOGS = 20
_TAIL_BYTES = 256 * 1024


def new_path(token: str) -> Path:
    """Name a new log in the cache directory, and delete the oldest logs there.

    Args:
        token: Distinguishes this server from others.

    Returns:
        The path of a file that does not exist yet.
    """
    directory = cache_directory() / "logs"
    with contextlib.suppress(OSError):
        logs = sorted(directory.glob("*.log"), key=lambda path: path.stat().st_mtime)
        for old in logs[:-_KEPT_LOGS]:
            old.unlink()
    return directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{token}.log"


def read_tail(path: Path, start: int = 0) -> str:
    """Read the end of a log, at most 256 KiB and nothing before `start`; a log that does not exist is empty."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start, size - _TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def failed_models(log: str) -> list[str]:
    """Name the models that did not load, in the order of their failure."""
    return list(dict.fromkeys(_LOAD_FAILURE.findall(log)))


def says_port_taken(log: str) -> bool:
    """Tell whether the server ended because its port was in use."""
    return _PORT_TAKEN.search(log) is not None


def relevant_lines(log: str, limit: int = 30) -> list[str]:
    """Pick the lines that explain why a server ended: errors with the lines after them, else the last lines.

    Args:
        log: The log's text.
        limit: The largest number of lines; the last ones are kept.

    Returns:
        The lines, in order.
    """
    picked: list[str] = []
    in_error = False
    for line in log.splitlines():
        head = _HEAD.match(line)
        if head:
            in_error = head[1] in "EF"
        elif line.startswith("Usage:"):
            break
        elif line.startswith(("+-", "| ")) or not line.strip():
            in_error = False
        else:
            in_error = in_error or line.startswith("error:") or "tritonserver: " in line
        if in_error and _NOISE not in line:
            picked += line.replace("\\n", "\n").splitlines()
    return [line for line in picked or log.splitlines() if line.strip()][-limit:]


def explain(failure: str, repository: Path, path: Path, text: str) -> str:
    """Say why a server failed.

    Args:
        failure: What happened, to follow "tritonserver".
        repository: Its model repository.
        path: The log file.
        text: The log of this run.

    Returns:
        A sentence that names the models that did not load, and below it the lines that say why.
    """
    models = failed_models(text)
    if models:
        failure += f": model{'s' if len(models) > 1 else ''} {', '.join(models)} failed to load"
    lines = "\n".join(f"  {line}" for line in relevant_lines(text))
    return f"tritonserver {failure} (model repository {repository}, log {path})\n{lines}"
