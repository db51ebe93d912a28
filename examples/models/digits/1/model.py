"""A small neural network in numpy; its weights lie beside this file."""

from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        weights = np.load(Path(__file__).with_name("weights.npz"))
        self.layers = [(weights["w1"], weights["b1"]), (weights["w2"], weights["b2"])]

    def execute(self, requests):
        return [self.respond(pb_utils.get_input_tensor_by_name(r, "pixels").as_numpy()) for r in requests]

    def respond(self, pixels):
        (w1, b1), (w2, b2) = self.layers
        hidden = np.maximum(pixels / 16 @ w1 + b1, 0)
        scores = hidden @ w2 + b2
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        digit = odds.argmax(axis=1).astype(np.int32)
        confidence = (odds.max(axis=1) / odds.sum(axis=1)).astype(np.float32)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("digit", digit.reshape(-1, 1)),
                pb_utils.Tensor("confidence", confidence.reshape(-1, 1)),
            ]
        )
