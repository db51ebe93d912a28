"""score = amount * 2 + account % 7, label = the note in upper case."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [pb.InferenceResponse(answer(request)) for request in requests]


def answer(request):
    amount, account, note = (
        pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("amount", "account", "note")
    )
    label = [text.decode().upper().encode() for text in note.ravel()]
    return [
        pb.Tensor("score", (amount * 2 + account % 7).astype(np.float32)),
        pb.Tensor("label", np.array(label, dtype=np.object_).reshape(note.shape)),
    ]
