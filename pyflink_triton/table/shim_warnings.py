"""The shim's warnings about statements, shown in Python, because PyFlink shows nobody the log of its JVM."""

from __future__ import annotations

import warnings

from pyflink.table import TableEnvironment

from pyflink_triton.table.compat.java_objects import call_with_consumer, java_session

_CATALOG = "io.github.pyflinktriton.catalog.TritonCatalog"


def show_warnings(t_env: TableEnvironment, catalog: str) -> None:
    """Show the warnings of a catalog of the type ``triton``, those that it has and those that come later.

    Args:
        t_env: The session.
        catalog: The catalog's name; a catalog of another type has no warnings.
    """
    found = java_session(t_env).getCatalog(catalog).get()
    if found.getClass().getName() == _CATALOG:
        call_with_consumer(found, "warn", _warn)


def _warn(text: str) -> None:
    # Not by logging, because a Python function that runs in this process takes logging over.
    warnings.warn_explicit(text, UserWarning, "pyflink_triton", 0)
