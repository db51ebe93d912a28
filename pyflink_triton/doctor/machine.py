"""Whether this machine has what a session needs: packages, a Java, the jar, and a Python for workers."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyflink_triton.doctor import flink
from pyflink_triton.doctor.findings import Finding, fault, ok, parted, warning
from pyflink_triton.doctor.interpreter import Interpreter, NotStarted, ask, bounds, needed_python, outside, unpacked
from pyflink_triton.doctor.subject import Known, Subject
from pyflink_triton.errors import JobError
from pyflink_triton.jar import jar_path
from pyflink_triton.remedies import Remedy
from pyflink_triton.version import __version__

#: The packages whose versions matter most, named where all is well.
_NAMED = ("apache-flink", "pyarrow", "numpy")
#: The options of Flink that name a Python, and the variable that names one, too.
_EXECUTABLE, _CLIENT_EXECUTABLE = "python.executable", "python.client.executable"
_CLIENT_VARIABLE = "PYFLINK_CLIENT_EXECUTABLE"
#: What Flink takes where nothing names one.
_DEFAULT = "python3"


async def check_packages(subject: Subject, known: Known) -> list[Finding]:
    """Whether the packages of this Python have versions that this package was made for."""
    try:
        told = known.interpreters[sys.executable] = ask(sys.executable)
    except NotStarted as error:
        return [fault("packages", "not-started", f"{sys.executable} cannot be started: {error}", _install())]
    return _of_packages("packages", "this Python", told)


def _install() -> str:
    return Remedy.INSTALL_TESTED(requirement=f"pyflink-triton=={__version__}")


def _of_packages(check: str, where: str, found: Interpreter) -> list[Finding]:
    """What is said of a Python's packages."""
    findings = []
    for requirement in found.requires:
        name = next((name for name in found.versions if requirement.startswith(name)), None)
        if name is None or "extra ==" in requirement:
            continue
        version, wanted = found.versions[name], requirement.partition(";")[0].strip()
        if version is None:
            said = f"{where} lacks the package {name}"
            findings.append(fault(check, "package-missing", said, Remedy.INSTALL_TESTED(requirement=wanted)))
        elif outside(version, requirement):
            said = f"{where} has {name} {version}, and {wanted} is needed"
            findings.append(fault(check, "package-version", said, Remedy.INSTALL_TESTED(requirement=wanted)))
    if findings or found.problem:
        return findings or [fault(check, "broken", f"{where} cannot start a worker: {found.problem}", _install())]
    named = [f"{name} {found.versions[name]}" for name in _NAMED if name in found.versions]
    said = f"{where} is CPython {found.python} with {', '.join([f'pyflink-triton {found.package}', *named])}"
    return [ok(check, said, versions=dict(found.versions))]


async def check_java(subject: Subject, known: Known) -> list[Finding]:
    """Whether a session would find a Java that Flink runs in."""
    from pyflink_triton.table.compat.java_home import find_java, told_java  # PyFlink is imported for this check alone

    with _flink_home(subject.flink_home), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            find_java()
            path, version = told_java()
        except JobError as error:
            name = "missing" if "there is none" in str(error) else "too-old" if "is Java" in str(error) else "unknown"
            return [fault("java", name, str(error), "" if parted(str(error))[1] else Remedy.INSTALL_JAVA())]
        except SystemExit:
            sentence = "PyFlink finds no Flink: FLINK_HOME is not the directory of one"
            return [fault("java", "no-flink", sentence, Remedy.CORRECT_FLINK_HOME())]
    if said:
        return [warning("java", "not-supported", str(said[0].message), java=path, version=version)]
    found = shutil.which(path) or path
    return [ok("java", f"PyFlink starts Java {version}: {found}", java=found, version=version)]


@contextmanager
def _flink_home(home: Path | None) -> Iterator[None]:
    """PyFlink reads and sets the variables of the process: afterwards they are as they were."""
    before = dict(os.environ)
    try:
        if home is not None:
            os.environ["FLINK_HOME"] = str(home)
        yield
    finally:
        for name in [*os.environ]:
            if name not in before:
                del os.environ[name]
        os.environ.update(before)


async def check_jar(subject: Subject, known: Known) -> list[Finding]:
    """Whether the package has its jar, and the Flink no other one."""
    try:
        own = Path(jar_path())
    except FileNotFoundError as error:
        return [fault("jar", "missing", str(error))]
    told = flink.read_jar(own)
    if told is None or told.version != __version__:
        found = "is damaged" if told is None else f"is of version {told.version}"
        return [fault("jar", "stale", f"the package's jar {own} {found}", Remedy.INSTALL_PACKAGE())]
    home = flink.home_of(subject)
    problems = [] if home is None else _of_lib(home, own)
    return problems or [ok("jar", f"the jar {own.name} fits this package", path=str(own))]


def _of_lib(home: Path, own: Path) -> list[Finding]:
    """What is wrong with the jars that each of a Flink's processes loads."""
    jars = flink.shim_jars(home)
    found = []
    if len(jars) > 1:
        listed = " and ".join(str(jar.path) for jar in jars)
        sentence = f"Flink loads {len(jars)} jars of this project: {listed}"
        found.append(fault("jar", "twice", sentence, Remedy.REMOVE_JARS(jars=listed), jars=[str(j.path) for j in jars]))
    for jar in jars:
        remedy = Remedy.REMOVE_JARS(jars=jar.path)
        if jar.version != __version__:
            version = jar.version or "unknown"
            sentence = f"{jar.path} is of version {version}, and the package of {__version__}"
            found.append(fault("jar", "stale", sentence, remedy, path=str(jar.path), version=version))
        elif _digest(jar.path) != _digest(own):
            sentence = f"{jar.path} is another build of version {__version__} than the package's jar"
            found.append(warning("jar", "other-build", sentence, remedy, path=str(jar.path)))
    for path in flink.other_modules(home):
        sentence = f"{path} has a provider 'triton', too"
        found.append(warning("jar", "other-module", sentence, Remedy.REMOVE_JARS(jars=path), path=str(path)))
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def check_python(subject: Subject, known: Known) -> list[Finding]:
    """Whether each Python that a worker would run in has this package."""
    found = []
    for role, python in _pythons(subject).items():
        where = f"the Python {python} ({role})"
        try:
            with unpacked(subject.archive, python) as program:
                found += _of_python(where, known.interpreters.get(program) or ask(program))
        except NotStarted as error:
            sentence = f"{where} cannot be started: {error}"
            found.append(fault("python", "not-started", sentence, Remedy.NAME_PYTHON(role=role), python=python))
    return found


def _of_python(where: str, told: Interpreter) -> list[Finding]:
    wanted = needed_python()
    if outside(told.python, wanted):
        sentence = f"{where} is CPython {told.python}, which this package does not run in"
        return [fault("python", "version", sentence, Remedy.USE_PYTHON(versions=bounds(wanted)))]
    if told.package is None:
        return [fault("python", "no-package", f"{where} lacks this package: {told.problem}", _install())]
    if told.package != __version__:
        sentence = f"{where} has pyflink-triton {told.package}, and the jar is of {__version__}"
        return [fault("python", "other-version", sentence, _install(), version=told.package)]
    return _of_packages("python", where, told)


def _pythons(subject: Subject) -> Mapping[str, str]:
    """Each Python that a worker would run in, by the option that names it."""
    if subject.python is not None:
        return {_EXECUTABLE: subject.python}
    home = flink.home_of(subject)
    configured = {} if home is None else flink.configuration(home)
    planning = configured.get(_CLIENT_EXECUTABLE) or os.environ.get(_CLIENT_VARIABLE)
    named = {_EXECUTABLE: configured.get(_EXECUTABLE), _CLIENT_EXECUTABLE: planning}
    found = {role: python for role, python in named.items() if python}
    if not found and subject.flink_home is not None:
        return {_EXECUTABLE: _DEFAULT}
    return found or {"a local session": sys.executable}
