"""Which paths Triton's python backend can start models from: it writes them unquoted into a shell's command."""

import re
from pathlib import Path

from pyflink_triton.server.errors import TritonServerError

#: Spaces, what a shell takes for its own, and what is not ASCII: the backend's Python knows no other encoding.
_NOT_PLAIN = re.compile(r"""[^!-~]|["'`$\\;&|<>()]""")


def require_plain(path: Path, what: str, remedy: str) -> None:
    """Refuse a path that no model would start from: the server would wait for it until its time-out.

    Args:
        path: The path.
        what: What it is, for the message.
        remedy: What to do, for the message.

    Raises:
        TritonServerError: The path holds such a character.
    """
    found = _NOT_PLAIN.search(str(path))
    if found:
        raise TritonServerError(
            f"{what} {path} holds the character {found[0]!r}, and Triton's python backend starts no model from such a "
            f"path: {remedy}"
        )
