"""y = x, but an error for a request that holds a negative x."""

import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [answer(pb.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]


def answer(x):
    if (x < 0).any():
        return pb.InferenceResponse(error=pb.TritonError("x must not be negative"))
    return pb.InferenceResponse([pb.Tensor("y", x)])
