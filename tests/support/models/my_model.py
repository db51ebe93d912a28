"""prediction = the mean of three features; an error for a request that holds a negative one."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [answer(pb.get_input_tensor_by_name(request, "features").as_numpy()) for request in requests]


def answer(features):
    if (features < 0).any():
        return pb.InferenceResponse(error=pb.TritonError("features must not be negative"))
    mean = features.mean(axis=1, keepdims=True).astype(np.float32)
    return pb.InferenceResponse([pb.Tensor("prediction", mean)])
