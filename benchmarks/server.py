"""The server that all contenders ask: one of our own with the models of this folder, or one elsewhere.

`python -m benchmarks.server DIRECTORY` writes the models for that one.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyflink_triton.server import TritonServer

MODELS = Path(__file__).parent / "models"
#: Copies that Flink's own module needs: of which model, and what is different in its configuration.
COPIES = {
    "text_unbatched": ("text", "max_batch_size: 64", "max_batch_size: 0"),
    "image_flat": ("image", "dims: [ 3, 224, 224 ]", "dims: [ 150528 ]"),
}
#: The only model that imports more than numpy, and what: it makes its network with onnx.
NETWORK, REQUIREMENTS = "embed", ("onnxruntime", "onnx")


@dataclass(frozen=True)
class Served:
    """A server.

    Attributes:
        url: Its HTTP endpoint.
        pid: tritonserver's process; None where it runs elsewhere, so that its CPU is not known.
    """

    url: str
    pid: int | None


def write_repository(directory: Path) -> Path:
    """Write the models and their copies.

    Args:
        directory: Where to.

    Returns:
        The model repository.
    """
    repository = directory / "models"
    shutil.copytree(MODELS, repository)
    for name, (original, old, new) in COPIES.items():
        shutil.copytree(MODELS / original, repository / name)
        config = repository / name / "config.pbtxt"
        config.write_text(config.read_text().replace(old, new))
    return repository


@contextmanager
def serving(url: str | None, pid: int | None, directory: Path, with_network: bool) -> Iterator[Served]:
    """Start a server, unless there is one.

    Args:
        url: The endpoint of one, with the models of `write_repository`.
        pid: Its process, where it runs on this machine.
        directory: Where to write the models.
        with_network: Whether the model on onnxruntime is needed, which has to be installed.
    """
    if url is not None:
        yield Served(url, pid)
        return
    repository = write_repository(directory)
    if not with_network:
        shutil.rmtree(repository / NETWORK)
    with TritonServer(repository, requirements=REQUIREMENTS if with_network else ()) as server:
        yield Served(server.http_url, server.pid)


if __name__ == "__main__":
    print(write_repository(Path(sys.argv[1])))
