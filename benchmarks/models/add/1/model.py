import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            a = utils.get_input_tensor_by_name(request, "a").as_numpy()
            b = utils.get_input_tensor_by_name(request, "b").as_numpy()
            responses.append(utils.InferenceResponse([utils.Tensor("sum", a + b)]))
        return responses
