"""sentiment_score = the share of praising words less that of blaming ones, from -1 to 1."""

import numpy as np
import triton_python_backend_utils as pb

PRAISE = {"great", "good", "love", "loved", "excellent", "fantastic"}
BLAME = {"bad", "awful", "broken", "hate", "terrible", "boring"}


class TritonPythonModel:
    def execute(self, requests):
        return [answer(pb.get_input_tensor_by_name(request, "text").as_numpy()) for request in requests]


def answer(text):
    scores = [score(each.decode().lower().split()) for each in text.ravel()]
    return pb.InferenceResponse([pb.Tensor("sentiment_score", np.array(scores, np.float32).reshape(text.shape))])


def score(words):
    return (sum(word in PRAISE for word in words) - sum(word in BLAME for word in words)) / max(len(words), 1)
