"""A small text model: a vector a token, two layers, and the mean over the tokens that the mask names."""

import numpy as np
import triton_python_backend_utils as utils

_WIDTH, _TOKENS = 64, 1000


class TritonPythonModel:
    def initialize(self, args):
        random = np.random.default_rng(12)
        self.vectors = random.normal(size=(_TOKENS, _WIDTH)).astype(np.float32)
        self.layers = [random.normal(size=(_WIDTH, _WIDTH)).astype(np.float32) / 8 for _ in range(2)]
        self.head = random.normal(size=_WIDTH).astype(np.float32)

    def execute(self, requests):
        return [utils.InferenceResponse([utils.Tensor("SCORE", self.score(request))]) for request in requests]

    def score(self, request):
        ids = utils.get_input_tensor_by_name(request, "input_ids").as_numpy()
        mask = utils.get_input_tensor_by_name(request, "attention_mask")
        kept = np.ones(ids.shape, np.float32) if mask is None else mask.as_numpy().astype(np.float32)
        hidden = self.vectors[ids]
        for layer in self.layers:
            hidden = np.tanh(hidden @ layer)
        mean = (hidden * kept[..., None]).sum(axis=1) / np.maximum(kept.sum(axis=1, keepdims=True), 1)
        return (mean @ self.head)[:, None].astype(np.float32)
