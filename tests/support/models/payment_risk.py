"""fraud_score = amount / 1000, at most 1; a merchant that is also the device's name counts double."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("fraud_score", answer(request))]) for request in requests]


def answer(request):
    user, amount, merchant, device = (
        pb.get_input_tensor_by_name(request, name).as_numpy()
        for name in ("user_id", "amount", "merchant_id", "device_fingerprint")
    )
    known = np.where(user > 0, 1.0, 2.0)
    return np.minimum(amount / 1000 * np.where(merchant == device, 2.0, known), 1.0).astype(np.float32)
