"""Where the Java shim is that the wheel carries."""

from pathlib import Path

from pyflink_triton.remedies import Remedy
from pyflink_triton.version import __version__


def jar_path() -> str:
    """Return the path of the shim jar, for ``ADD JAR``, ``pipeline.jars`` or ``-j``.

    Returns:
        The absolute path of ``pyflink-triton-shim-<version>.jar`` in the installed package.

    Raises:
        FileNotFoundError: The package was not built (a source tree without ``make jar``).
    """
    path = Path(__file__).resolve().parent / "lib" / f"pyflink-triton-shim-{__version__}.jar"
    if not path.is_file():
        raise FileNotFoundError(f"The shim jar is not there: {path}. {Remedy.INSTALL_PACKAGE()}.")
    return str(path)
