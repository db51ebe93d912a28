"""y = x after the seconds that its configuration names; it fails where they are negative."""

import json
import time

import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.seconds = float(json.loads(args["model_config"])["parameters"]["seconds"]["string_value"])

    def execute(self, requests):
        return [self.answer(pb.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]

    def answer(self, x):
        time.sleep(self.seconds)
        return pb.InferenceResponse([pb.Tensor("y", x)])
