"""A call of a model as a PyFlink function: what the pickled function holds."""

from __future__ import annotations

from pyflink_triton.runtime.messages import OpenRequest


class FunctionCall(OpenRequest, total=False):
    """What opens the model, without ``task``.

    ``mark`` is a text that the jar finds in the pickled function; ``deterministic`` is left out where it is true.
    """

    mark: str
    deterministic: bool
