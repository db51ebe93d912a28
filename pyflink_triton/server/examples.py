"""Models that the package brings, to try it with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyflink_triton.server.errors import TritonServerError

_PACKAGE = Path(__file__).resolve().parent.parent
#: Where they are in an installed package, and in a checkout.
_PLACES = (_PACKAGE / "example_models", _PACKAGE.parent / "examples" / "models")


@dataclass(frozen=True)
class Example:
    """A model to try.

    Attributes:
        name: Its name on the server.
        what: What it does, in a few words.
        requirements: What its code imports, as pip takes it.
    """

    name: str
    what: str
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True)
class Served:
    """What a server is started with.

    Attributes:
        repository: The model repository.
        arguments: Arguments of tritonserver.
        requirements: Packages that the models import, as pip takes them.
    """

    repository: str | Path
    arguments: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()


EXAMPLES = {
    example.name: example
    for example in (
        Example("sentiment", "a text in, a label and a score out, from a lexicon", ("vaderSentiment==3.3.2",)),
        Example("embeddings", "a text in, 384 floats out, from hashed words"),
    )
}


def serve_example(example: Example) -> Served:
    """Say what a server needs to serve one of the models, and no other of their repository.

    Raises:
        TritonServerError: The package was built without them.
    """
    arguments = ("--model-control-mode=explicit", f"--load-model={example.name}")
    for place in _PLACES:
        if (place / example.name).is_dir():
            return Served(place, arguments, example.requirements)
    raise TritonServerError(f"the models to try are not in this package: {_PLACES[0] / example.name} is not there")
