import numpy as np
import onnx
import onnxruntime
import triton_python_backend_utils as utils
from onnx import TensorProto, helper, numpy_helper

WORDS, HIDDEN, LAYERS, SIZE = 1000, 128, 2, 384


def network():
    """Mean of 64 words' vectors, then dense layers: ids INT64 [N, 64] to a vector FP32 [N, 384]."""
    random = np.random.default_rng(1)

    def weights(name, *shape):
        return numpy_helper.from_array((random.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32), name)

    sizes = [HIDDEN] * LAYERS + [SIZE]
    constants = [weights("words", WORDS, HIDDEN)]
    nodes = [
        helper.make_node("Gather", ["words", "IDS"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors"], ["x0"], axes=[1], keepdims=0),
    ]
    for layer, size in enumerate(sizes):
        constants.append(weights(f"w{layer}", HIDDEN, size))
        nodes.append(helper.make_node("MatMul", [f"x{layer}", f"w{layer}"], [f"y{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"y{layer}"], [f"x{layer + 1}"]))
    graph = helper.make_graph(
        nodes,
        "embed",
        [helper.make_tensor_value_info("IDS", TensorProto.INT64, ["N", 64])],
        [helper.make_tensor_value_info(f"x{len(sizes)}", TensorProto.FLOAT, ["N", SIZE])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(network(), options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        responses = []
        for request in requests:
            ids = utils.get_input_tensor_by_name(request, "IDS").as_numpy()
            (vector,) = self.session.run(None, {"IDS": ids})
            responses.append(utils.InferenceResponse([utils.Tensor("VECTOR", vector)]))
        return responses
