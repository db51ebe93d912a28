r"""Images as BYTES: the pixels of an image go through Flink as one value, from a file to a tensor of Triton.

    python examples/images_as_bytes.py

The images and the model are those of digits.py, where pixels are an ARRAY<FLOAT>. Here INPUT declares them BYTES, so
they are the tensor's content: 64 floats, four bytes each, little-endian, row after row. An image decoder gives them by
`pixels.astype("<f4").tobytes()`. Nothing else in the statements differs.
"""

import argparse
import base64
import json
import sys
import tempfile
import time
from pathlib import Path

import digits
import numpy as np
from pyflink.table import EnvironmentSettings, TableEnvironment

from pyflink_triton import jar_path
from pyflink_triton.server import TritonServer

STATEMENTS = """
ADD JAR '{jar}';

CREATE TEMPORARY TABLE images (
  id INT,
  label INT,              -- what the image shows, to check the predictions
  pixels BYTES            -- 8 x 8 floats; JSON holds them as base64
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{input}');

CREATE TEMPORARY TABLE predictions (
  id INT,
  label INT,
  digit INT,
  confidence FLOAT
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{output}');

CREATE TEMPORARY MODEL digits
INPUT (pixels BYTES)
OUTPUT (digit INT, confidence FLOAT)
WITH ('provider' = 'triton', 'endpoint' = '{endpoint}', 'model-name' = 'digits');

INSERT INTO predictions
SELECT id, label, digit, confidence
FROM ML_PREDICT(TABLE images, MODEL digits, DESCRIPTOR(pixels))
"""


def main() -> int:
    """Run the example; the exit code says whether enough digits were read right."""
    parser = argparse.ArgumentParser(description="Read handwritten digits, whose pixels are BYTES.")
    parser.add_argument("--times", type=int, default=10, help="how often to stream each image (default: 10)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pyflink-triton-images-") as made:
        directory = Path(made)
        digits.prepare(directory, options.times)
        images = digits.read_json(directory / "images")
        contents = directory / "contents.json"
        with contents.open("w") as lines:
            for image in images:
                pixels = np.array(image["pixels"], "<f4").tobytes()
                lines.write(json.dumps({**image, "pixels": base64.b64encode(pixels).decode()}) + "\n")
        with TritonServer(directory / "models") as triton:
            seconds = run_job(contents, directory / "predictions", triton.http_url)
        return digits.report(directory / "images", directory / "predictions", seconds)


def run_job(images: Path, predictions: Path, endpoint: str) -> float:
    """Run the statements, of which the last one is the job. Return how many seconds it ran."""
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    statements = STATEMENTS.format(
        jar=jar_path(), input=images.as_uri(), output=predictions.as_uri(), endpoint=endpoint
    )
    print(statements, flush=True)
    for statement in statements.split(";\n"):
        job = t_env.execute_sql(statement)
    started = time.perf_counter()
    job.wait()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
