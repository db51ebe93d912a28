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
    requirements: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """What makes tritonserver load it and no other model of its repository."""
        return "--model-control-mode=explicit", f"--load-model={self.name}"


EXAMPLES = {
    example.name: example
    for example in (
        Example("sentiment", "STRING in, a label and a score out, by a lexicon (VADER)", ("vaderSentiment==3.3.2",)),
        Example("embeddings", "STRING in, 384 floats out, by hashed words", ()),
    )
}


def example_repository() -> Path:
    """The model repository of the examples.

    Raises:
        TritonServerError: The package was built without it.
    """
    for place in _PLACES:
        if place.is_dir():
            return place
    raise TritonServerError(f"the examples' models are not there: {_PLACES[0]}")
