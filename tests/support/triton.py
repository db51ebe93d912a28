"""Which Triton the tests talk to: `PYFLINK_TRITON_TEST_SERVER` says `embedded` (default), `container` or a URL.

`embedded` is `pyflink_triton.server.TritonServer`; `container` is NVIDIA's image and skips where there is no
container engine; `http://host:port` is a server that runs already and serves what
`python tests/support/model_repository.py DIRECTORY` writes, with explicit model control.
"""

import http.client
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from model_repository import MODELS, Model, write_repository

from pyflink_triton.server import TritonServer

IMAGE = "nvcr.io/nvidia/tritonserver:24.10-py3"
# The configs are complete, so nothing needs to be asked of the models first: that takes 1 s each.
ARGUMENTS = ("--disable-auto-complete-config", "--model-control-mode=explicit", "--load-model=*")
_SHARED_MEMORY = "2g"


@dataclass(frozen=True)
class Triton:
    """A server that serves the models of `model_repository.MODELS`.

    Attributes:
        http_url: What the option `endpoint` takes.
        grpc_url: `host:port`; None where it is not known.
        metrics_url: None where it is not known.
        server: The embedded server itself, None for another one.
    """

    http_url: str
    grpc_url: str | None = None
    metrics_url: str | None = None
    server: TritonServer | None = None

    @property
    def address(self) -> str:
        """Return `host:port`, as tritonclient takes it."""
        return urlsplit(self.http_url).netloc

    def load(self, model: str) -> None:
        """Load a model, or load it again."""
        call(self.http_url, "POST", f"/v2/repository/models/{model}/load")

    def unload(self, model: str) -> None:
        """Unload a model; a request in flight is still answered."""
        call(self.http_url, "POST", f"/v2/repository/models/{model}/unload")

    def index(self) -> dict[str, str]:
        """Return the state of each model, as `READY`; the last version's where there are several."""
        answer = call(self.http_url, "POST", "/v2/repository/index")
        return {entry["name"]: entry.get("state", "") for entry in json.loads(answer)}


def call(url: str, method: str, path: str) -> bytes:
    """Send one request without a body; anything but 200 is an AssertionError with the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        assert response.status == http.client.OK, f"{method} {path}: {response.status} {body[:500]!r}"
        return body
    finally:
        connection.close()


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server with all the models, shared by all tests: what a test changes in it, it sets right again."""
    kind = os.environ.get("PYFLINK_TRITON_TEST_SERVER", "embedded")
    if kind.startswith(("http://", "https://")):
        yield Triton(kind.rstrip("/"))
        return
    start = {"embedded": _embedded, "container": _container}.get(kind)
    if start is None:
        pytest.fail(f"PYFLINK_TRITON_TEST_SERVER={kind}: give embedded, container or a URL")
    with start(write_repository(tmp_path_factory.mktemp("triton") / "models")) as server:
        yield server


@pytest.fixture
def own_triton(tmp_path: Path) -> Iterator[Callable[..., Triton]]:
    """A function that starts a server of the test's own with the named models, for faults and restarts."""
    with ExitStack() as stack:

        def start(*names: str) -> Triton:
            chosen = [model for model in MODELS if model.name in names]
            assert len(chosen) == len(names), f"not in the model repository: {set(names)}"
            repository = write_repository(tmp_path / "-".join(["models", *names]), chosen)
            return stack.enter_context(_embedded(repository))

        yield start


@contextmanager
def serving(directory: Path, models: Iterable[Model], *arguments: str) -> Iterator[Triton]:
    """Serve these models from a server of their own, with more arguments of tritonserver's."""
    with _embedded(write_repository(directory / "models", models), *arguments) as server:
        yield server


@contextmanager
def _embedded(repository: Path, *arguments: str) -> Iterator[Triton]:
    with TritonServer(repository, arguments=(*ARGUMENTS, *arguments)) as server:
        yield Triton(server.http_url, server.grpc_url, server.metrics_url, server)


@contextmanager
def _container(repository: Path) -> Iterator[Triton]:
    reason = no_container_engine()
    if reason:
        pytest.skip(reason)
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    command = ["tritonserver", "--model-repository=/models", *ARGUMENTS]
    container = (
        DockerContainer(IMAGE, shm_size=_SHARED_MEMORY)
        .with_exposed_ports(8000, 8001, 8002)
        .with_volume_mapping(str(repository), "/models", "ro")
        .with_command(command)
    )
    with container:
        wait_for_logs(container, "Started Metrics Service", timeout=300)
        host = container.get_container_host_ip()
        http, grpc, metrics = (container.get_exposed_port(port) for port in (8000, 8001, 8002))
        yield Triton(f"http://{host}:{http}", f"{host}:{grpc}", f"http://{host}:{metrics}/metrics")


def no_container_engine() -> str | None:
    """Say why there can be no container, or return None if there can."""
    try:
        from testcontainers.core.docker_client import DockerClient
    except ImportError:
        return "PYFLINK_TRITON_TEST_SERVER=container needs the package testcontainers"
    try:
        DockerClient().client.ping()
    except Exception as error:  # docker's own errors; the package ships no types to name them by
        return f"PYFLINK_TRITON_TEST_SERVER=container needs a container engine: {error}"
    return None
