"""answered = the time of the answer in milliseconds; each request takes as many milliseconds as the config says."""

import json
import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.seconds = int(json.loads(args["model_config"])["parameters"]["milliseconds"]["string_value"]) / 1000

    def execute(self, requests):
        return [self.answer(pb.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]

    def answer(self, x):
        time.sleep(self.seconds)
        answered = np.full((len(x), 1), int(time.time() * 1000), np.int64)
        return pb.InferenceResponse([pb.Tensor("answered", answered)])
