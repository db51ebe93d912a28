"""`pyflink-triton jar`: where the jar is that Flink needs on its class path."""

from __future__ import annotations

from pyflink_triton.command.console import CommandError
from pyflink_triton.jar import jar_path


def jar() -> None:
    """Print the path of the jar that Flink needs on its class path."""
    try:
        print(jar_path())
    except FileNotFoundError as error:
        raise CommandError(str(error)) from None
