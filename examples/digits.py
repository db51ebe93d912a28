r"""Handwritten digits: images in a file, a Flink SQL job, a real Triton, predictions in a file.

    python examples/digits.py

trains a classifier on one half of scikit-learn's 1,797 images, has Triton serve it, and streams the other
half, 50 times over, through ML_PREDICT. On a cluster, with a Triton of your own:

    python examples/digits.py --prepare /tmp/digits
    pyflink-triton serve /tmp/digits/models
    flink run -py examples/digits.py --endpoint http://localhost:8000 \
        --input /tmp/digits/images --output /tmp/digits/predictions
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pyflink.table import EnvironmentSettings, TableEnvironment

from pyflink_triton import jar_path
from pyflink_triton.server import TritonServer

STATEMENTS = """
ADD JAR '{jar}';

CREATE TEMPORARY TABLE images (
  id INT,
  label INT,              -- what the image shows, to check the predictions
  pixels ARRAY<FLOAT>     -- 8 x 8, from 0 to 16
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{input}');

CREATE TEMPORARY TABLE predictions (
  id INT,
  label INT,
  digit INT,
  confidence FLOAT
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{output}');

CREATE TEMPORARY MODEL digits
INPUT (pixels ARRAY<FLOAT>)
OUTPUT (digit INT, confidence FLOAT)
WITH ('provider' = 'triton', 'endpoint' = '{endpoint}', 'model-name' = 'digits');

INSERT INTO predictions
SELECT id, label, digit, confidence
FROM ML_PREDICT(TABLE images, MODEL digits, DESCRIPTOR(pixels))
"""
EXPECTED_ACCURACY = 0.93
SHADES = " .:-=+*#%@"


def main() -> int:
    """Run the example; the exit code says whether enough digits were read right."""
    options = parse_options()
    if options.prepare:
        prepare(options.prepare, options.times)
        return 0
    if options.input and options.output:
        directory = options.input.parent
    else:
        directory = Path(tempfile.mkdtemp(prefix="pyflink-triton-digits-"))
    images = options.input or directory / "images"
    predictions = options.output or directory / "predictions"
    if not options.input:
        prepare(directory, options.times)
    if options.endpoint:
        seconds = run_job(images, predictions, options.endpoint)
    else:
        with TritonServer(directory / "models") as triton:
            print(f"Triton serves it at {triton.http_url}.")
            seconds = run_job(images, predictions, triton.http_url)
    return report(images, predictions, seconds)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Read handwritten digits with Flink SQL and Triton.")
    parser.add_argument("--prepare", type=Path, metavar="DIR", help="only write DIR/models and DIR/images")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    parser.add_argument("--input", type=Path, help="the images (default: made in a new directory)")
    parser.add_argument("--output", type=Path, help="where the predictions go (default: beside the images)")
    parser.add_argument("--times", type=int, default=50, help="how often to stream each image (default: 50)")
    options = parser.parse_args(sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:])
    if options.input and not options.endpoint:
        parser.error("--input needs --endpoint: a model that is trained here is for images that are made here")
    if options.output and options.output.exists() and any(options.output.iterdir()):
        parser.error(f"--output {options.output} is not empty: give a new directory")
    return options


def prepare(directory: Path, times: int) -> None:
    """Train on one half of the images; write the model, and the other half so many times."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    pixels, labels = load_digits(return_X_y=True)
    train_pixels, test_pixels, train_labels, test_labels = train_test_split(
        pixels, labels, test_size=0.5, stratify=labels, random_state=0
    )
    network = MLPClassifier(hidden_layer_sizes=[64], max_iter=500, random_state=0)
    network.fit(train_pixels / 16, train_labels)

    model = directory / "models" / "digits"
    shutil.copytree(Path(__file__).resolve().parent / "models" / "digits", model, dirs_exist_ok=True)
    (w1, w2), (b1, b2) = network.coefs_, network.intercepts_
    weights = {"w1": w1, "b1": b1, "w2": w2, "b2": b2}
    np.savez(model / "1" / "weights.npz", **{name: each.astype(np.float32) for name, each in weights.items()})
    print(f"Trained on {len(train_pixels)} images: {model}")

    file = directory / "images" / "images.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lines:
        for n in range(times * len(test_labels)):
            image = n % len(test_labels)
            row = {"id": n, "label": int(test_labels[image]), "pixels": test_pixels[image].astype(int).tolist()}
            lines.write(json.dumps(row) + "\n")
    print(f"Wrote the other {len(test_labels)}, {times} times each: {file}")


def run_job(images: Path, predictions: Path, endpoint: str) -> float:
    """Run the statements, of which the last one is the job. Return how many seconds it ran."""
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    statements = STATEMENTS.format(
        jar=jar_path(), input=images.resolve().as_uri(), output=predictions.resolve().as_uri(), endpoint=endpoint
    )
    print(statements, flush=True)
    for statement in statements.split(";\n"):
        job = t_env.execute_sql(statement)
    started = time.perf_counter()
    job.wait()
    return time.perf_counter() - started


def report(images: Path, predictions: Path, seconds: float) -> int:
    """Show some images with what they were read as, and how many were read right."""
    pixels = {image["id"]: image["pixels"] for image in read_json(images)}
    read = sorted(read_json(predictions), key=lambda row: row["id"])
    wrong = [row for row in read if row["digit"] != row["label"]]
    show(read[:6], pixels)
    print("Read wrong, for instance:\n")
    show(wrong[:6], pixels)
    accuracy = 1 - len(wrong) / len(read)
    print(
        f"{len(read):,} images in {seconds:.1f} s, the start of the job included: {len(read) / seconds:,.0f} a second."
    )
    print(f"Accuracy {accuracy:.3f}. Predictions: {predictions}")
    if [row["id"] for row in read] != sorted(pixels):
        print(f"There were {len(pixels):,} images, and not each has one prediction.", file=sys.stderr)
        return 1
    return 0 if accuracy >= EXPECTED_ACCURACY else 1


def show(rows: list[dict[str, Any]], pixels: dict[int, list[int]]) -> None:
    """Draw images side by side, each above what it was read as."""
    for line in range(0, 64, 8):
        drawn = (
            "".join(SHADES[round(value / 16 * 9)] * 2 for value in pixels[row["id"]][line : line + 8]) for row in rows
        )
        print("  ".join(drawn))
    captions = [f"{row['digit']} ({row['confidence']:.0%})" for row in rows]
    print("  ".join(f"{caption:^16}" for caption in captions), end="\n\n")


def read_json(directory: Path) -> list[dict[str, Any]]:
    """Read the finished files of a directory, one JSON object a line; Flink hides the others with a dot."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.name[0] not in "._"]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


if __name__ == "__main__":
    sys.exit(main())
