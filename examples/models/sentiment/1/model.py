"""VADER: a lexicon of 7,500 words rated by people, and rules for negation and emphasis."""

import numpy as np
import triton_python_backend_utils as pb_utils
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer


class TritonPythonModel:
    def initialize(self, args):
        self.analyzer = SentimentIntensityAnalyzer()

    def execute(self, requests):
        return [self.respond(pb_utils.get_input_tensor_by_name(r, "text").as_numpy()) for r in requests]

    def respond(self, texts):
        scores = [self.analyzer.polarity_scores(text.decode())["compound"] for text in texts.ravel()]
        labels = ["positive" if score > 0 else "negative" if score < 0 else "neutral" for score in scores]
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("label", np.array(labels, dtype=np.object_).reshape(texts.shape)),
                pb_utils.Tensor("score", np.array(scores, dtype=np.float32).reshape(texts.shape)),
            ]
        )
