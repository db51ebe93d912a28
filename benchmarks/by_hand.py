"""What a user would write by hand: a Python function that asks Triton by tritonclient, row by row."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tritonclient.http
from pyflink.table.udf import FunctionContext, ScalarFunction


class RowByRow(ScalarFunction):  # type: ignore[misc]  # pyflink ships no types
    """Adds two floats.

    Args:
        url: The server's endpoint.
        model: The model.
    """

    def __init__(self, url: str, model: str) -> None:
        self._url, self._model = url, model

    def open(self, function_context: FunctionContext) -> None:
        """Connect."""
        self._client = tritonclient.http.InferenceServerClient(urlsplit(self._url).netloc)

    def eval(self, a: float, b: float) -> float:
        """Ask for one row."""
        inputs: list[Any] = []
        for name, value in (("A", a), ("B", b)):
            tensor = tritonclient.http.InferInput(name, [1, 1], "FP32")
            tensor.set_data_from_numpy(np.array([[value]], np.float32))
            inputs.append(tensor)
        return float(self._client.infer(self._model, inputs).as_numpy("SUM")[0, 0])

    def close(self) -> None:
        """Disconnect."""
        self._client.close()
