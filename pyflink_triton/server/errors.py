"""The one error that the embedded Triton server raises."""


class TritonServerError(RuntimeError):
    """The server, or the environment that it runs in, is not available; the message says why."""
