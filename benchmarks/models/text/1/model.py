import numpy as np
import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            text = utils.get_input_tensor_by_name(request, "TEXT").as_numpy()
            first = np.array([each[0] for each in text.ravel()], dtype=np.float32).reshape(text.shape)
            label = np.where(first % 2 == 0, b"good", b"bad").astype(object)
            tensors = [utils.Tensor("LABEL", label), utils.Tensor("SCORE", first)]
            wanted = request.requested_output_names()
            responses.append(utils.InferenceResponse([each for each in tensors if each.name() in wanted]))
        return responses
