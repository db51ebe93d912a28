r"""Embeddings as BYTES: text in, and out 384 floats as one value that numpy reads in place.

    python examples/embeddings_as_bytes.py

As an ARRAY<FLOAT> each of the 384 numbers would be an object of its own between Flink's operators; as BYTES a
row's embedding is copied whole, to a file here, and as well to a column of a vector store. A second job finds the
nearest neighbours of some questions in that file. With a Triton of your own:

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
import numpy.typing as npt
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import udf

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
TABLES = """
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
WITH ('provider' = 'triton', 'model-name' = 'embeddings')
;

CREATE TABLE questions (
  question STRING
) WITH ('connector' = 'filesystem', 'format' = 'raw', 'path' = '{questions}')
"""
EMBED = "INSERT INTO embedded SELECT text, embed(text) FROM reviews"
QUESTIONS = ("is the battery good", "how are the pictures of this camera", "does the player skip", "is it easy to use")
# Each question is compared with each review, which is right for some thousands of them; ask a vector store beyond that.
NEAREST = """
SELECT question, place, nearness, text
FROM (
  SELECT question, text, nearness, ROW_NUMBER() OVER (PARTITION BY question ORDER BY nearness DESC) AS place
  FROM (
    SELECT question, text, nearness(asked, embedding) AS nearness
    FROM (SELECT question, embed(question) AS asked FROM questions) CROSS JOIN embedded
  )
)
WHERE place <= 3
"""


def nearness(one: pd.Series, other: pd.Series) -> pd.Series:
    """The cosine between embeddings, whose length is 1."""
    left, right = (np.frombuffer(b"".join(column), "<f4").reshape(len(column), -1) for column in (one, other))
    return pd.Series(np.sum(left * right, axis=1))


def main() -> int:
    """Run the example; the exit code says whether each review has an embedding of length 1, and the neighbours."""
    parser = argparse.ArgumentParser(description="Embed product reviews with Flink SQL and Triton.")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    if options.endpoint:
        return run(options.endpoint)
    serving_one = ["--model-control-mode=explicit", "--load-model=embeddings"]
    with TritonServer(HERE / "models", arguments=serving_one) as triton:
        return run(triton.http_url)


def run(endpoint: str) -> int:
    """Embed the reviews, find the neighbours of the questions, and check both."""
    t_env = pyflink_triton.session(endpoint, batch=True, configuration={"parallelism.default": 1})
    function = udf(nearness, result_type=DataTypes.FLOAT(), func_type="pandas")
    t_env.create_temporary_function("nearness", function)
    with tempfile.TemporaryDirectory(prefix="pyflink-triton-embeddings-") as directory:
        questions, embedded = Path(directory) / "questions.txt", Path(directory) / "embedded"
        questions.write_text("".join(f"{question}\n" for question in QUESTIONS))
        places = {"reviews": HERE / "reviews.csv", "questions": questions, "embedded": embedded}
        tables = TABLES.format(**{name: place.as_uri() for name, place in places.items()})
        for statement in tables.split(";\n\n"):
            print(statement, flush=True)
            t_env.execute_sql(statement)
        print(f"{EMBED}\n{NEAREST}", flush=True)
        t_env.execute_sql(EMBED).wait()
        with t_env.execute_sql(NEAREST).collect() as rows:
            neighbours = sorted(tuple(row) for row in rows)
        texts, embeddings = read(embedded)
    return report(texts, embeddings, neighbours)


def read(embedded: Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    """The texts and the embeddings that were written."""
    files = [path for path in sorted(embedded.rglob("*")) if path.is_file() and path.name[0] not in "._"]
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    contents = b"".join(base64.b64decode(row["embedding"]) for row in rows)
    return [row["text"] for row in rows], np.frombuffer(contents, "<f4").reshape(len(rows), 384)


def report(texts: list[str], embeddings: npt.NDArray[np.float32], neighbours: list[tuple[str, int, float, str]]) -> int:
    """Print the neighbours, and check what was written."""
    for question, place, how_near, text in neighbours:
        print(f"\n{question}" * (place == 1) + f"\n  {how_near:.2f}  {text}", end="")
    print(f"\n\n{len(texts)} embeddings of {embeddings.shape[1]} floats, {embeddings.nbytes:,} bytes.")
    are_long = np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    return 0 if are_long and [place for _, place, _, _ in neighbours] == [1, 2, 3] * len(QUESTIONS) else 1


if __name__ == "__main__":
    sys.exit(main())
