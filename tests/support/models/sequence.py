"""sum = the running sum of x in a sequence, id = the sequence's id as the model sees it; x < 0 is an error."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.sums = {}

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        x, start, end = (pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("x", "START", "END"))
        control = pb.get_input_tensor_by_name(request, "CORRID")
        corrid = np.array([[str(request.correlation_id())]], object) if control is None else control.as_numpy()
        ready = pb.get_input_tensor_by_name(request, "READY")
        if ready is not None and not ready.as_numpy().any():  # a slot of the direct strategy that nobody waits for
            return pb.InferenceResponse([pb.Tensor("sum", x), pb.Tensor("id", corrid.reshape(x.shape))])
        if x.min() < 0:
            return pb.InferenceResponse(error=pb.TritonError("x is below 0"))
        key = corrid.ravel()[0]
        total = x + (0 if start.any() else self.sums[key])
        if end.any():
            self.sums.pop(key, None)
        else:
            self.sums[key] = total
        return pb.InferenceResponse([pb.Tensor("sum", total), pb.Tensor("id", corrid.reshape(x.shape))])
