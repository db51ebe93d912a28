"""category and confidence of a text: the category of its most words, and their share among the known ones."""

import numpy as np
import triton_python_backend_utils as pb

WORDS = {
    "billing": {"bill", "invoice", "refund", "charged", "price"},
    "delivery": {"parcel", "late", "courier", "delivered", "arrived"},
    "praise": {"great", "thanks", "love", "excellent"},
}


class TritonPythonModel:
    def execute(self, requests):
        return [answer(pb.get_input_tensor_by_name(request, "text").as_numpy()) for request in requests]


def answer(text):
    found = [classify(set(each.decode().lower().split())) for each in text.ravel()]
    category = np.array([name.encode() for name, _ in found], np.object_).reshape(text.shape)
    confidence = np.array([share for _, share in found], np.float32).reshape(text.shape)
    return pb.InferenceResponse([pb.Tensor("category", category), pb.Tensor("confidence", confidence)])


def classify(words):
    counts = {name: len(words & known) for name, known in WORDS.items()}
    best = max(counts, key=counts.get)
    total = sum(counts.values())
    return (best, counts[best] / total) if total else ("other", 0.0)
