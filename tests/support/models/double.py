"""output_vector = twice the input_vector, of whatever length."""

import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [answer(pb.get_input_tensor_by_name(request, "input_vector").as_numpy()) for request in requests]


def answer(vector):
    return pb.InferenceResponse([pb.Tensor("output_vector", vector * 2)])
