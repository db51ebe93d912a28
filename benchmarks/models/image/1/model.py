import numpy as np
import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            x = utils.get_input_tensor_by_name(request, "X").as_numpy()
            x = x.reshape(len(x), -1)
            label = (x[:, :1] + x[:, -1:]).astype(np.int32)
            responses.append(utils.InferenceResponse([utils.Tensor("LABEL", label)]))
        return responses
