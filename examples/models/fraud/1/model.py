"""A random forest in numpy; its trees and the names of its features lie beside this file."""

from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        forest = np.load(Path(__file__).with_name("forest.npz"))
        self.names = forest["names"].tolist()
        self.feature, self.threshold, self.left, self.right, self.share = (
            forest[name] for name in ("feature", "threshold", "left", "right", "share")
        )
        self.trees = np.arange(len(self.feature))

    def execute(self, requests):
        return [self.respond(request) for request in requests]

    def respond(self, request):
        columns = [pb_utils.get_input_tensor_by_name(request, name).as_numpy().ravel() for name in self.names]
        for name, column in zip(self.names, columns):
            if ((column < 0) | (column > 1)).any():
                return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{name} is not between 0 and 1"))
        rows = np.stack(columns, axis=1)
        scores = np.array([self.score(row) for row in rows], np.float32)
        return pb_utils.InferenceResponse([pb_utils.Tensor("score", scores.reshape(-1, 1))])

    def score(self, row):
        """Follow all trees at once from their roots to their leaves, where no feature is left to ask for."""
        node = np.zeros_like(self.trees)
        while (asked := self.feature[self.trees, node]).max() >= 0:
            goes_left = row[asked] <= self.threshold[self.trees, node]
            child = np.where(goes_left, self.left[self.trees, node], self.right[self.trees, node])
            node = np.where(asked >= 0, child, node)
        return self.share[self.trees, node].mean()
