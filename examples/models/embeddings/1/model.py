"""Embeddings by feature hashing: each word and each of its trigrams adds to one of 384 places; no weights are needed."""

from zlib import crc32

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.respond(pb_utils.get_input_tensor_by_name(r, "text").as_numpy()) for r in requests]

    def respond(self, texts):
        embeddings = np.zeros((len(texts), 384), np.float32)
        for embedding, text in zip(embeddings, texts.ravel(), strict=True):
            for word in text.decode().lower().split():
                for feature in {word, *(f" {word} "[n : n + 3] for n in range(len(word)))}:
                    code = crc32(feature.encode())
                    embedding[code % 384] += 1 if code >> 31 else -1
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return pb_utils.InferenceResponse([pb_utils.Tensor("embedding", embeddings / np.maximum(lengths, 1e-9))])
