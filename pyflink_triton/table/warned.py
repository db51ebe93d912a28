"""What the shim warns of while statements are planned, shown in Python: PyFlink shows nobody the log of its JVM."""

from __future__ import annotations

import warnings

from pyflink.java_gateway import get_gateway
from pyflink.table import TableEnvironment
from pyflink.util.java_utils import to_jarray

_CATALOG = "io.github.pyflinktriton.catalog.TritonCatalog"


class _Listener:
    """A ``java.util.function.Consumer`` of sentences."""

    def accept(self, warning: str) -> None:
        """Called by Java, once for each warning."""
        # Not logging: a Python function that runs in this process takes that over. The caller is a thread of Py4J's.
        warnings.warn_explicit(warning, UserWarning, "pyflink_triton", 0)

    class Java:
        """What Py4J reads."""

        implements = ("java.util.function.Consumer",)


def show_warnings(t_env: TableEnvironment, catalog: str) -> None:
    """Show what there is to warn of in a catalog of the type ``triton``, now and from now on.

    Args:
        t_env: The session.
        catalog: The catalog's name; one of another type has nothing to say.
    """
    found = t_env._j_tenv.getCatalog(catalog).get()
    if found.getClass().getName() == _CATALOG:
        jvm = get_gateway().jvm
        # By reflection: Py4J keeps a class's methods by its name, and each session loads the jar's classes anew.
        consumer = jvm.Class.forName("java.util.function.Consumer")
        method = found.getClass().getMethod("warn", to_jarray(jvm.Class, [consumer]))
        listener = jvm.java.util.ArrayList()
        listener.add(_Listener())
        method.invoke(found, listener.toArray())
