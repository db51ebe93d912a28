"""y = x, once a file named `open` lies beside the model's config."""

import os
import time

import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.gate = os.path.join(args["model_repository"], "open")

    def execute(self, requests):
        while not os.path.exists(self.gate):
            time.sleep(0.02)
        return [
            pb.InferenceResponse([pb.Tensor("y", pb.get_input_tensor_by_name(request, "x").as_numpy())])
            for request in requests
        ]
