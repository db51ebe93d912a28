"""What the shim warns of while statements are planned, shown in Python: PyFlink shows nobody the log of its JVM."""

from __future__ import annotations

import warnings

from pyflink.table import TableEnvironment

from pyflink_triton.table.compat.java_objects import call_with_consumer, java_session

_CATALOG = "io.github.pyflinktriton.catalog.TritonCatalog"


def show_warnings(t_env: TableEnvironment, catalog: str) -> None:
    """Show what there is to warn of in a catalog of the type ``triton``, now and from now on.

    Args:
        t_env: The session.
        catalog: The catalog's name; one of another type has nothing to say.
    """
    found = java_session(t_env).getCatalog(catalog).get()
    if found.getClass().getName() == _CATALOG:
        call_with_consumer(found, "warn", _warn)


def _warn(text: str) -> None:
    # Not logging, because a Python function that runs in this process takes that over.
    warnings.warn_explicit(text, UserWarning, "pyflink_triton", 0)
