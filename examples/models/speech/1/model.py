"""score = how likely the next 512 samples of a stream (16 kHz) are speech, by silero-vad's recurrent network."""

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        # The package itself would import torch.
        package = Path(importlib.util.find_spec("silero_vad").submodule_search_locations[0])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(package / "data" / "silero_vad.onnx", options)
        self.streams = {}

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        samples, start, end, corrid = (
            pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("samples", "START", "END", "CORRID")
        )
        key = int(corrid.ravel()[0])
        state, context = (np.zeros((2, 1, 128), "f4"), np.zeros((1, 64), "f4")) if start.any() else self.streams[key]
        heard = np.concatenate([context, samples], axis=1)
        score, state = self.session.run(None, {"input": heard, "state": state, "sr": np.array(16000, "i8")})
        self.streams[key] = (state, samples[:, -64:])
        if end.any():
            del self.streams[key]
        return pb.InferenceResponse([pb.Tensor("score", score)])
