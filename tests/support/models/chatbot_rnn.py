"""reply = how many messages the conversation has had, and the first of them: what a stateful model remembers."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.conversations = {}

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        message, start, end, corrid = (
            pb.get_input_tensor_by_name(request, name).as_numpy().ravel()[0]
            for name in ("message", "START", "END", "CORRID")
        )
        if start:
            self.conversations[corrid] = (message, 0)
        first, count = self.conversations[corrid]
        self.conversations[corrid] = (first, count + 1)
        if end:
            del self.conversations[corrid]
        reply = f"{count + 1} since {first.decode()}".encode()
        return pb.InferenceResponse([pb.Tensor("reply", np.array([[reply]], np.object_))])
