"""What someone does who has the wheel and a machine without Java and Maven, up to the first prediction; timed.

    python tests/support/first_prediction.py dist/pyflink_triton-0.1.0-py3-none-any.whl

does it in an empty environment, with all packages from PyPI and tritonserver, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cluster import clean_environment

_STARTED = time.monotonic()
#: What the machine does not have: nor a compiler, as many have none.
_MISSING = ("java", "javac", "mvn", "cc", "gcc", "g++", "c++", "clang")
_PROGRAM = """
import pyflink_triton

t_env = pyflink_triton.session("{endpoint}")
t_env.execute_sql(\"\"\"
    SELECT id, sentiment(text).label AS label
    FROM (VALUES (1, 'I love it.'), (2, 'Broken after a day. Awful!')) AS reviews (id, text)
\"\"\").print()
"""


def without_java(directory: Path) -> dict[str, str]:
    """The environment of a machine that has the programs of this one, but no Java, no Maven and no compiler.

    Args:
        directory: Where to put links to these programs.
    """
    directory.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            link = directory / program.name
            if program.name not in _MISSING and not link.is_symlink():
                link.symlink_to(program.absolute())
    environment = clean_environment() | {"PATH": str(directory)}
    environment.pop("JAVA_HOME", None)
    return environment


def install(wheel: Path, directory: Path, environment: Mapping[str, str]) -> Path:
    """Install the wheel with its extra `java` and all that it needs into an empty environment; return its Python."""
    python = directory / "bin" / "python"
    _run([sys.executable, "-m", "venv", str(directory)], environment)
    _run([str(python), "-m", "pip", "-q", "install", f"{wheel.absolute()}[java]"], environment)
    return python


def first_prediction(python: Path, environment: Mapping[str, str]) -> str:
    """Serve an example, and ask it in SQL.

    Args:
        python: A Python that has the package with its extra `java`.
        environment: Of all that is started.

    Returns:
        What the session printed.
    """
    with _served(python, environment) as endpoint:
        _tell("served")
        return _run([str(python), "-c", _PROGRAM.format(endpoint=endpoint)], environment)


@contextmanager
def _served(python: Path, environment: Mapping[str, str]) -> Iterator[str]:
    ports = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")
    command = [str(python.parent / "pyflink-triton"), "serve", "--example", "sentiment", *ports]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield next(line.split()[1] for line in server.stdout if line.startswith("HTTP"))
        finally:
            server.terminate()


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode} and printed\n{done.stdout}"
    return done.stdout


def _tell(what: str) -> None:
    print(f"{what} after {time.monotonic() - _STARTED:.0f} s", flush=True)


def _main(wheel: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        caches = {"PYFLINK_TRITON_CACHE": str(directory / "cache"), "PIP_NO_CACHE_DIR": "1"}
        environment = without_java(directory / "bin") | caches
        python = install(Path(wheel), directory / "environment", environment)
        _tell("installed")
        print(first_prediction(python, environment))
        _tell("predicted")


if __name__ == "__main__":
    _main(*sys.argv[1:])
