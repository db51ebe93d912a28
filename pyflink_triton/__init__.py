"""NVIDIA Triton Inference Server for Apache Flink: models as Flink models, SQL functions and PyFlink UDFs."""

from pyflink_triton.jar import jar_path
from pyflink_triton.version import __version__

__all__ = ["__version__", "jar_path"]
