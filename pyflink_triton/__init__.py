"""NVIDIA Triton Inference Server for Apache Flink: models as Flink models, SQL functions and PyFlink UDFs."""

import importlib
from typing import TYPE_CHECKING, Any

from pyflink_triton.jar import jar_path
from pyflink_triton.version import __version__

if TYPE_CHECKING:
    from pyflink_triton.table.connect import connect, session
    from pyflink_triton.table.predict import predict
    from pyflink_triton.table.provider import TritonModelProvider, TritonModelProviderFactory

__all__ = [
    "TritonModelProvider",
    "TritonModelProviderFactory",
    "__version__",
    "connect",
    "jar_path",
    "predict",
    "session",
]

#: What needs pyflink is imported when it is asked for: the bridge's worker must start without it.
_LAZY = {
    "TritonModelProvider": "pyflink_triton.table.provider",
    "TritonModelProviderFactory": "pyflink_triton.table.provider",
    "connect": "pyflink_triton.table.connect",
    "predict": "pyflink_triton.table.predict",
    "session": "pyflink_triton.table.connect",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'pyflink_triton' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)
