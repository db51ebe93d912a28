"""y = 3 x + 1 after a random time, so that answers come in another order than questions."""

import random
import time

import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [answer(pb.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]


def answer(x):
    time.sleep(random.uniform(0, 0.020))
    return pb.InferenceResponse([pb.Tensor("y", x * 3 + 1)])
