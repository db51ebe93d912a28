"""A tritonserver process that lives as long as a `with` block."""

import http.client
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

from pyflink_triton.server import log, ports
from pyflink_triton.server.cache import cache_directory
from pyflink_triton.server.environment import ensure_environment, ensure_model_environment
from pyflink_triton.server.errors import TritonServerError
from pyflink_triton.server.paths import require_plain
from pyflink_triton.server.supervised import SupervisedServer

_PURPOSES = ("http", "grpc", "metrics")
_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.02
_EXIT_TIMEOUT_SECONDS = 2  # it also waits this long for idle connections
# This build has no GPU support. Without these arguments the server spends time and memory to look for a GPU.
_CPU_ARGUMENTS = (
    "--allow-gpu-metrics=false",
    "--pinned-memory-pool-byte-size=0",
    f"--exit-timeout-secs={_EXIT_TIMEOUT_SECONDS}",
)


class TritonServer:
    """A real Triton Inference Server with the python backend, on CPU, as a context manager.

    It is ready when the block begins. When the block ends, the process, the processes of its models and their
    shared memory are gone, also if this process is killed. Its software is installed at first use into an
    environment of its own in the user's cache directory.

    Attributes:
        http_url: `http://host:port` of the HTTP endpoint, for the option `endpoint`.
        grpc_url: `host:port` of the gRPC endpoint.
        metrics_url: `http://host:port/metrics`, in Prometheus' format.
        log_path: The file that the server logs to.
        pid: The process id of tritonserver, None while it does not run.
        shm_prefix: The prefix of the names of its shared memory regions in /dev/shm.

    Example:
        >>> with TritonServer("models") as triton:
        ...     print(triton.http_url)
    """

    def __init__(
        self,
        model_repository: str | os.PathLike[str],
        *,
        http_port: int | None = None,
        grpc_port: int | None = None,
        metrics_port: int | None = None,
        host: str = "127.0.0.1",
        log_file: str | os.PathLike[str] | None = None,
        arguments: Sequence[str] = (),
        requirements: Sequence[str] = (),
        startup_timeout: float = 120.0,
    ) -> None:
        """Describe a server; nothing runs before `start()` or `with`.

        Args:
            model_repository: The directory of models.
            http_port: The port to listen on; by default a free one.
            grpc_port: The port for gRPC.
            metrics_port: The port for metrics.
            host: The address to listen on.
            log_file: The file to log to; by default a new one in the cache directory.
            arguments: More arguments of tritonserver, as `--model-control-mode=explicit`.
            requirements: Packages that the models import, as pip takes them. A `model.py` can import
                numpy, these, and the modules in its model's directory.
            startup_timeout: Seconds until the server must be ready, without the installation.

        Raises:
            TritonServerError: An argument sets a port or an address, which have parameters.
        """
        self._repository = Path(model_repository).absolute()
        self._wanted_ports = (http_port, grpc_port, metrics_port)
        self._ports = [port or 0 for port in self._wanted_ports]
        self._host = host
        self._arguments = list(arguments)
        self._requirements = list(requirements)
        self._startup_timeout = startup_timeout
        self._server: SupervisedServer | None = None
        token = uuid.uuid4().hex[:12]
        self.shm_prefix = f"pyflink_triton_{token}_"
        self.log_path = Path(log_file).absolute() if log_file else log.new_path(token)
        for argument in self._arguments:
            option = argument.partition("=")[0]
            if option in {f"--{purpose}-{what}" for purpose in _PURPOSES for what in ("port", "address")}:
                raise TritonServerError(f"{option} cannot be an argument: use the parameters for ports and host")

    @property
    def http_url(self) -> str:
        """Return `http://host:port` of the HTTP endpoint."""
        return f"http://{self._address(0)}"

    @property
    def grpc_url(self) -> str:
        """Return `host:port` of the gRPC endpoint."""
        return self._address(1)

    @property
    def metrics_url(self) -> str:
        """Return the URL of the metrics."""
        return f"http://{self._address(2)}/metrics"

    @property
    def pid(self) -> int | None:
        """Return tritonserver's process id, or None while it does not run."""
        return self._server.pid if self._server and self._server.running else None

    def __enter__(self) -> "TritonServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it is ready.

        Raises:
            TritonServerError: It runs already, its repository does not exist or is at a path that Triton cannot
                use, a port is in use, or it did not become ready. The message holds the lines of its log that say why.
        """
        if self.pid:
            raise TritonServerError(f"this server runs already, at {self.http_url}: stop it first")
        if not self._repository.is_dir():
            raise TritonServerError(
                f"model repository {self._repository} is not a directory: give the directory that holds the models"
            )
        self._require_plain_paths()
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._choose_ports()
            server, logged = self._launch()
            failure = self._await_ready(server)
            if failure is None:
                return
            server.end(b"kill")
            text = log.read_tail(self.log_path, logged)
            # Another process may take a free port before the server uses it.
            if not (None in self._wanted_ports and log.says_port_taken(text) and attempt < _PORT_ATTEMPTS):
                raise TritonServerError(log.explain(failure, self._repository, self.log_path, text))
            self._ports = [port or 0 for port in self._wanted_ports]

    def stop(self) -> None:
        """End the server, gracefully or else by force. Does nothing if it does not run."""
        self._end(b"stop")

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would."""
        self._end(b"kill")

    def restart(self) -> None:
        """Stop the server and start it on the same ports."""
        self.stop()
        self.start()

    def wait(self) -> int:
        """Wait until the server ends by itself.

        Returns:
            Its exit code; 128 plus the signal's number if a signal ended it. 0 if it was never started.
        """
        return (self._server.wait() if self._server else None) or 0

    def failure(self) -> str:
        """Return the message for a server that ended by itself, with the lines of its log that say why."""
        return log.explain("ended by itself", self._repository, self.log_path, log.read_tail(self.log_path))

    def _address(self, index: int) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"[{host}]:{self._ports[index]}" if ":" in host else f"{host}:{self._ports[index]}"

    def _choose_ports(self) -> None:
        for purpose, port in zip(_PURPOSES, self._ports, strict=True):
            if port:
                ports.require_free(self._host, port, purpose)
        missing = [index for index, port in enumerate(self._ports) if not port]
        for index, port in zip(missing, ports.choose(self._host, len(missing), set(self._ports)), strict=True):
            self._ports[index] = port

    def _require_plain_paths(self) -> None:
        remedy = "make a symbolic link to it (ln -s) at a path without such characters, and give that"
        require_plain(self._repository, "model repository", remedy)
        require_plain(cache_directory(), "cache directory", "set PYFLINK_TRITON_CACHE to another one")
        if "--model-control-mode=explicit" not in self._arguments:
            for code in self._repository.glob("*/*/model.py"):
                require_plain(code, "model", "rename its directory")

    def _launch(self) -> tuple[SupervisedServer, int]:
        """Start the process; return it, and where in the log this run begins."""
        environment = ensure_environment()
        models = ensure_model_environment(environment, self._requirements)
        listen = [
            f"--{purpose}-{what}={value}"
            for purpose, port in zip(_PURPOSES, self._ports, strict=True)
            for what, value in (("address", self._host), ("port", port))
        ]
        command = [
            str(environment.tritonserver),
            f"--model-repository={self._repository}",
            f"--backend-directory={environment.backends}",
            f"--backend-config=python,shm-region-prefix-name={self.shm_prefix}",
            *listen,
            *_CPU_ARGUMENTS,
            *self._arguments,
        ]
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as file:
            logged = file.tell()
            variables = environment.variables(models)
            self._server = SupervisedServer(command, variables, self.shm_prefix, file)
        return self._server, logged

    def _await_ready(self, server: SupervisedServer) -> str | None:
        """Wait until the server is ready; return what went wrong, or None."""
        # With --exit-on-error=false some models may never be ready, so that the server is only asked if it is live.
        tolerant = "--exit-on-error=false" in self._arguments
        awaited = [(self._address(0), "/v2/health/live" if tolerant else "/v2/health/ready")]
        if "--allow-metrics=false" not in self._arguments:
            awaited.append((self._address(2), "/metrics"))
        deadline = time.monotonic() + self._startup_timeout
        try:
            while time.monotonic() < deadline:
                if all(_answers(address, path) for address, path in awaited):
                    return None
                code = server.wait(_POLL_SECONDS)
                if code is not None:
                    return f"ended with exit code {code} before it was ready"
        except BaseException:
            server.end(b"kill")
            raise
        return f"was not ready within {self._startup_timeout:g} s"

    def _end(self, order: Literal[b"stop", b"kill"]) -> None:
        if self._server:
            self._server.end(order)
            self._server = None


def _answers(address: str, path: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
