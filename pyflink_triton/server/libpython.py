"""Where libpython is: the stubs of Triton's python backend are linked with it."""

import ctypes.util
import sys
import sysconfig
from pathlib import Path

from pyflink_triton.server.errors import TritonServerError

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_NAME = f"libpython{_VERSION}.so.1.0"


def libpython_directory() -> Path | None:
    """Find the directory of this Python's shared library.

    Returns:
        The directory, or None where the dynamic loader finds the library by itself.

    Raises:
        TritonServerError: This machine does not have it.
    """
    for directory in _candidates():
        if (directory / _NAME).exists():
            return directory
    if ctypes.util.find_library(f"python{_VERSION}"):
        return None
    raise TritonServerError(
        f"Triton's python backend needs {_NAME}, but {sys.executable} was built without it: install the "
        f"package libpython{_VERSION} (Debian, Ubuntu), or use a Python built with --enable-shared"
    )


def _candidates() -> list[Path]:
    config = [sysconfig.get_config_var(name) for name in ("LIBDIR", "LIBPL")]
    multiarch = sysconfig.get_config_var("MULTIARCH")
    return [
        *(Path(directory) for directory in config if directory),
        Path(sys.base_prefix) / "lib",
        *([Path("/usr/lib") / multiarch] if multiarch else []),
    ]
