r"""Embeddings as BYTES: text in, and out 384 floats as one value that numpy reads in place.

    python examples/embeddings_as_bytes.py

As an ARRAY<FLOAT> each of the 384 numbers would be an object of its own between Flink's operators; as BYTES a
row's embedding is copied whole, to a file here, and as well to a column of a vector store. With a Triton of your own:

    pyflink-triton serve examples/models -- --model-control-mode=explicit --load-model=embeddings
    python examples/embeddings_as_bytes.py --endpoint http://localhost:8000
"""

import argparse
import base64
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from pyflink.table import EnvironmentSettings, TableEnvironment

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
STATEMENTS = """
CREATE TABLE reviews (
  id STRING,
  rating DOUBLE,
  text STRING
) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{reviews}');

CREATE TABLE embedded (
  text STRING,
  embedding BYTES         -- 384 floats, four bytes each, little-endian; JSON holds them as base64
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{embedded}');

CREATE MODEL embed
INPUT (text STRING)
OUTPUT (embedding BYTES)
WITH ('provider' = 'triton', 'model-name' = 'embeddings');

INSERT INTO embedded SELECT text, embed(text) FROM reviews
"""


def main() -> int:
    """Run the example; the exit code says whether each review has an embedding of length 1."""
    parser = argparse.ArgumentParser(description="Embed product reviews with Flink SQL and Triton.")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pyflink-triton-embeddings-") as directory:
        embedded = Path(directory) / "embedded"
        if options.endpoint:
            run_job(options.endpoint, embedded)
        else:
            serving_one = ["--model-control-mode=explicit", "--load-model=embeddings"]
            with TritonServer(HERE / "models", arguments=serving_one) as triton:
                run_job(triton.http_url, embedded)
        return report(embedded)


def run_job(endpoint: str, embedded: Path) -> None:
    """Run the statements, of which the last one is the job."""
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    pyflink_triton.connect(t_env, endpoint)
    statements = STATEMENTS.format(reviews=(HERE / "reviews.csv").as_uri(), embedded=embedded.as_uri())
    print(statements, flush=True)
    for statement in statements.split(";\n\n"):
        job = t_env.execute_sql(statement)
    job.wait()


def report(embedded: Path) -> int:
    """Print the reviews that are most alike."""
    files = [path for path in sorted(embedded.rglob("*")) if path.is_file() and path.name[0] not in "._"]
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    contents = b"".join(base64.b64decode(row["embedding"]) for row in rows)
    embeddings = np.frombuffer(contents, "<f4").reshape(len(rows), 384)
    alike = embeddings @ embeddings.T
    np.fill_diagonal(alike, -1)
    for place in np.argsort(alike.max(axis=1))[:-11:-2]:
        print(f"{alike[place].max():.2f}  {rows[place]['text']}\n      {rows[alike[place].argmax()]['text']}")
    print(f"\n{len(rows)} embeddings of {embeddings.shape[1]} floats, {len(contents):,} bytes.")
    return 0 if np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5) else 1


if __name__ == "__main__":
    sys.exit(main())
