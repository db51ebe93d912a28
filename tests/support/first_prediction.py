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

_JAVA = ("java", "javac", "mvn")
_PROGRAM = """
import pyflink_triton

t_env = pyflink_triton.session("{endpoint}")
t_env.execute_sql(\"\"\"
    SELECT id, sentiment(text).label AS label
    FROM (VALUES (1, 'I love it.'), (2, 'Broken after a day. Awful!')) AS reviews (id, text)
\"\"\").print()
"""


def without_java(directory: Path) -> dict[str, str]:
    """The environment of a machine that has all the programs of this one but Java's and Maven.

    Args:
        directory: Where to put links to these programs.
    """
    directory.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            link = directory / program.name
            if program.name not in _JAVA and not link.is_symlink():
                link.symlink_to(program.absolute())
    environment = clean_environment() | {"PATH": str(directory)}
    environment.pop("JAVA_HOME", None)
    return environment


def first_prediction(python: Path, environment: Mapping[str, str]) -> str:
    """Serve an example, and ask it in SQL.

    Args:
        python: A Python that has the package with its extra `java`.
        environment: Of all that is started.

    Returns:
        What the session printed.
    """
    with _served(python, environment) as endpoint:
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


def _main(wheel: str) -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        environment = without_java(directory / "bin") | {"PYFLINK_TRITON_CACHE": str(directory / "cache")}
        python = directory / "environment" / "bin" / "python"
        _run([sys.executable, "-m", "venv", str(directory / "environment")], environment)
        _run([str(python), "-m", "pip", "-q", "install", f"{Path(wheel).absolute()}[java]"], environment)
        print(f"installed after {time.monotonic() - started:.0f} s")
        with _served(python, environment) as endpoint:
            print(f"served after {time.monotonic() - started:.0f} s")
            print(_run([str(python), "-c", _PROGRAM.format(endpoint=endpoint)], environment))
        print(f"predicted after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    _main(*sys.argv[1:])
