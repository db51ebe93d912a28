"""Answers each request x times, as only a decoupled model may."""

import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "x").as_numpy()
            sender = request.get_response_sender()
            for _ in range(int(x.max())):
                sender.send(pb.InferenceResponse([pb.Tensor("y", x)]))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
