"""A real recurrent network, silero-vad's, over streams of audio: the same scores as running it directly.

The model is that of examples/speech.py.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from flink_session import collect, create_model, session, view
from places import ROOT, SUPPORT

from pyflink_triton.server import TritonServer
from pyflink_triton.server.environment import ensure_environment, ensure_model_environment

#: silero-vad's own requirement, torch, is for its audio tools alone.
REQUIREMENTS = ("--no-deps", "silero-vad==6.2.3", "onnxruntime==1.23.2")
STREAMS, CHUNKS = 4, 40
RUN = SUPPORT / "models" / "run_speech.py"


@pytest.fixture(scope="module")
def speech() -> Iterator[str]:
    """The URL of a server with the network."""
    serving_one = ["--model-control-mode=explicit", "--load-model=speech"]
    with TritonServer(ROOT / "examples" / "models", arguments=serving_one, requirements=REQUIREMENTS) as server:
        yield server.http_url


@pytest.fixture(scope="module")
def streams() -> npt.NDArray[np.float32]:
    """Streams of voice-like sound, each with pauses and a pitch of its own: (streams, chunks, 512)."""
    dice = np.random.default_rng(7)
    time = np.arange(CHUNKS * 512) / 16000
    sounds = []
    for stream in range(STREAMS):
        pitch = 90 + 40 * stream + 15 * np.sin(2 * np.pi * 3 * time)
        pulses = np.sin(2 * np.pi * np.cumsum(pitch) / 16000) ** 15
        voice = sum(np.convolve(pulses, _formant(hertz), "same") for hertz in (700, 1220, 2600))
        loud = np.sin(2 * np.pi * (1.3 + 0.4 * stream) * time) > -0.3
        sounds.append(0.5 * voice / np.abs(voice).max() * loud + 0.003 * dice.standard_normal(len(time)))
    return np.asarray(sounds, np.float32).reshape(STREAMS, CHUNKS, 512)


def _formant(hertz: float) -> npt.NDArray[np.float64]:
    time = np.arange(200) / 16000
    shape: npt.NDArray[np.float64] = np.exp(-400 * time) * np.sin(2 * np.pi * hertz * time)
    return shape


def run_directly(streams: npt.NDArray[np.float32], directory: Path) -> npt.NDArray[np.float32]:
    """What the network itself says for (streams, chunks, 512): (streams, chunks)."""
    np.save(directory / "streams.npy", streams)
    python = ensure_model_environment(ensure_environment(), REQUIREMENTS) / "bin" / "python"
    subprocess.run([python, RUN, directory / "streams.npy", directory / "scores.npy"], check=True, timeout=300)
    found: npt.NDArray[np.float32] = np.load(directory / "scores.npy")
    return found


def test_streams_get_the_scores_of_the_network(speech: str, streams: npt.NDArray[np.float32], tmp_path: Path) -> None:
    env = session()
    rows: list[tuple[Any, ...]] = [
        (stream, chunk, streams[stream, chunk].tolist()) for chunk in range(CHUNKS) for stream in range(STREAMS)
    ]
    view(env, "audio", {"caller": "INT", "chunk": "INT", "samples": "ARRAY<FLOAT>"}, rows)
    options = {"sequence-id": "call-${caller}", "sequence-start": "true"}
    create_model(env, "speech", speech, "speech", "samples ARRAY<FLOAT>, caller INT", "score FLOAT", **options)
    query = "SELECT caller, chunk, score FROM ML_PREDICT(TABLE audio, MODEL speech, DESCRIPTOR(samples, caller))"
    found = np.zeros((STREAMS, CHUNKS), np.float32)
    answers = collect(env, query)
    assert len(answers) == STREAMS * CHUNKS
    for stream, chunk, score in answers:
        found[stream, chunk] = score
    np.testing.assert_allclose(found, run_directly(streams, tmp_path), rtol=0, atol=1e-6)
    alone = run_directly(streams.reshape(-1, 1, 512), tmp_path).reshape(found.shape)
    assert np.abs(found - alone).max() > 0.05, "what was heard before is to matter"
