"""A real Triton Inference Server on this machine, without Docker, for tests and examples."""

from pyflink_triton.server.errors import TritonServerError
from pyflink_triton.server.process import TritonServer

__all__ = ["TritonServer", "TritonServerError"]
