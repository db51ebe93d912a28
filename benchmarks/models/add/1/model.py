import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            a = utils.get_input_tensor_by_name(request, "A").as_numpy()
            b = utils.get_input_tensor_by_name(request, "B").as_numpy()
            responses.append(utils.InferenceResponse([utils.Tensor("SUM", a + b)]))
        return responses
