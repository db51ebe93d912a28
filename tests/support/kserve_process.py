"""kserve's Python server, from PyPI in an environment of its own that is made once, as Triton's is."""

from __future__ import annotations

import hashlib
import http.client
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_repository import SOURCES
from waiting import wait_for

from pyflink_triton.server.cache import cache_directory, make_once
from pyflink_triton.server.ports import choose
from pyflink_triton.server.supervised import SupervisedServer

WHEEL = "kserve==0.21.0"
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_HOST = "127.0.0.1"


class KServe:
    """kserve's server with the models of `tests/support/models/kserve_server.py`.

    Args:
        log: The file for its output.

    Attributes:
        log: That file.
        url: What the option `endpoint` takes.
    """

    def __init__(self, log: Path) -> None:
        (self._port,) = choose(_HOST, 1, set())
        self.log = log
        self.url = f"http://{_HOST}:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(kserve_python()), "-B", str(SOURCES / "kserve_server.py"), str(self._port)]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with self.log.open("ab") as log:
            self._server = SupervisedServer(command, variables, "no_shared_memory_of_kserve_", log)
        wait_for(self._is_live, 120, f"kserve answers; its log is {self.log}")

    def _is_live(self) -> bool:
        assert self._server.running, self.log.read_text()[-4000:]
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=10)
        try:
            connection.request("GET", "/v2/health/live")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End it as its container's end does."""
        self._server.end(b"stop")


def kserve_python() -> Path:
    """The Python that has kserve, which is installed where it is not."""
    key = hashlib.sha256(f"{WHEEL} {sys.base_prefix} {sys.version}".encode()).hexdigest()[:12]
    root = cache_directory() / "environments" / f"{WHEEL.replace('==', '-')}-cp{_PYTHON}-{key}"
    make_once(root, f"{WHEEL}, once", _build)
    return root / "bin" / "python"


def _build(root: Path) -> None:
    venv.EnvBuilder(symlinks=True).create(root)
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:"]
    pip = [sys.executable, "-m", "pip", "--python", str(root / "bin" / "python"), "install", *options, WHEEL]
    # pip reports its progress on this process's stderr.
    subprocess.run(pip, stdin=subprocess.DEVNULL, stdout=2, check=True)


@pytest.fixture(scope="session")
def kserve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KServe]:
    """A kserve server that all tests share: they do not change it."""
    server = KServe(tmp_path_factory.mktemp("kserve") / "log")
    server.start()
    yield server
    server.stop()
