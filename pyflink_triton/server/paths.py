"""Which paths Triton's python backend can start models from: it puts them unquoted into a shell command."""

import re
from pathlib import Path

from pyflink_triton.server.errors import TritonServerError

#: Spaces, characters that a shell interprets, and all but ASCII, the only encoding of the backend's Python.
_NOT_PLAIN = re.compile(r"""[^!-~]|["'`$\\;&|<>()]""")


def require_plain(path: Path, what: str, remedy: str) -> None:
    """Refuse a path that no model can start from, because the server would wait for the model until its time-out.

    Args:
        path: The path.
        what: What is at the path, for the message.
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
