"""y = x, but an error for a request that holds a negative x; some have a code, by the HTTP status that it becomes."""

import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.codes = {-404: pb.TritonError.NOT_FOUND, -501: pb.TritonError.UNSUPPORTED}

    def execute(self, requests):
        return [self.answer(pb.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]

    def answer(self, x):
        for bad in x[x < 0]:
            code = self.codes.get(int(bad), pb.TritonError.INTERNAL)
            return pb.InferenceResponse(error=pb.TritonError("x must not be negative", code))
        return pb.InferenceResponse([pb.Tensor("y", x)])
