"""Run silero-vad's network directly: streams of 512 samples each from one file of numbers, its scores to another.

Started with the Python of the models' environment: ``run_speech.py STREAMS.npy SCORES.npy``; streams are
(streams, chunks, 512), scores (streams, chunks).
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def score(network: onnxruntime.InferenceSession, stream: np.ndarray) -> list[float]:
    state, context, scores = np.zeros((2, 1, 128), "f4"), np.zeros(64, "f4"), []
    for chunk in stream:
        heard = np.concatenate([context, chunk])[None]
        found, state = network.run(None, {"input": heard, "state": state, "sr": np.array(16000, "i8")})
        context = chunk[-64:]
        scores.append(found[0, 0])
    return scores


if __name__ == "__main__":
    package = Path(importlib.util.find_spec("silero_vad").submodule_search_locations[0])
    network = onnxruntime.InferenceSession(package / "data" / "silero_vad.onnx")
    np.save(sys.argv[2], [score(network, stream) for stream in np.load(sys.argv[1])])
