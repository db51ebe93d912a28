"""Answers other than its config says: the parameter `how` tells in which way."""

import json

import numpy as np
import triton_python_backend_utils as pb

ANSWERS = {
    "omits_output": lambda x: [pb.Tensor("y", x)],
    "wrong_datatype": lambda x: [pb.Tensor("y", x.astype(np.int32))],
    "wrong_count": lambda x: [pb.Tensor("y", np.repeat(x, 2, axis=0))],
}


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.answer = ANSWERS[config["parameters"]["how"]["string_value"]]

    def execute(self, requests):
        inputs = (pb.get_input_tensor_by_name(request, "x").as_numpy() for request in requests)
        return [pb.InferenceResponse(self.answer(x)) for x in inputs]
