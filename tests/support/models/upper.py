"""The one output is the one input in upper case."""

import json

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.input, self.output = config["input"][0]["name"], config["output"][0]["name"]

    def execute(self, requests):
        return [self.answer(pb.get_input_tensor_by_name(request, self.input).as_numpy()) for request in requests]

    def answer(self, text):
        upper = np.array([each.decode().upper().encode() for each in text.ravel()], np.object_)
        return pb.InferenceResponse([pb.Tensor(self.output, upper.reshape(text.shape))])
