"""Each output of the configuration, for each row: 0.5, or 'some'."""

import json

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.outputs = json.loads(args["model_config"])["output"]

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        rows = request.inputs()[0].shape()[0]
        return pb.InferenceResponse([self.tensor(output, rows) for output in self.outputs])

    def tensor(self, output, rows):
        shape = [rows, *(max(1, int(dim)) for dim in output["dims"])]
        if output["data_type"] == "TYPE_STRING":
            return pb.Tensor(output["name"], np.full(shape, b"some", np.object_))
        return pb.Tensor(output["name"], np.full(shape, 0.5, pb.triton_string_to_numpy(output["data_type"])))
