"""y = x for requests of so many rows as the parameter `most` says, whatever the config promises; an error for others."""

import json

import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.most = int(json.loads(args["model_config"])["parameters"]["most"]["string_value"])

    def execute(self, requests):
        return [self.answer(pb.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]

    def answer(self, x):
        if len(x) > self.most:
            return pb.InferenceResponse(error=pb.TritonError(f"this model takes {self.most} rows"))
        return pb.InferenceResponse([pb.Tensor("y", x)])
