r"""Sentiment of product reviews: text in, a label and a score out, from a lexicon that Triton serves.

    python examples/sentiment.py

The model is VADER, a package from PyPI that Triton's Python model imports. The 300 sentences in reviews.csv
were each rated by 20 people, so its answers can be checked. With a Triton of your own:

    pyflink-triton serve examples/models --requirement vaderSentiment==3.3.2 \
        -- --model-control-mode=explicit --load-model=sentiment
    python examples/sentiment.py --endpoint http://localhost:8000
"""

import argparse
import sys
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

from pyflink_triton import jar_path
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
STATEMENTS = """
ADD JAR '{jar}';

CREATE TEMPORARY TABLE reviews (
  id STRING,
  rating DOUBLE,          -- what people said: from -4, the worst, to 4
  text STRING
) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{reviews}');

CREATE TEMPORARY MODEL sentiment
INPUT (text STRING)
OUTPUT (label STRING, score FLOAT)
WITH ('provider' = 'triton', 'endpoint' = '{endpoint}', 'model-name' = 'sentiment');

SELECT rating, text, label, score
FROM ML_PREDICT(TABLE reviews, MODEL sentiment, DESCRIPTOR(text))
"""
EXPECTED_ACCURACY = 0.70


def main() -> int:
    """Run the example; the exit code says whether enough labels agree with the people's ratings."""
    parser = argparse.ArgumentParser(description="Score product reviews with Flink SQL and Triton.")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    if options.endpoint:
        return report(run_job(options.endpoint))
    serving_one = ["--model-control-mode=explicit", "--load-model=sentiment"]
    with TritonServer(HERE / "models", arguments=serving_one, requirements=["vaderSentiment==3.3.2"]) as triton:
        return report(run_job(triton.http_url))


def run_job(endpoint: str) -> list[tuple[float, str, str, float]]:
    """Run the statements; return the rows of the last one."""
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    reviews = (HERE / "reviews.csv").as_uri()
    statements = STATEMENTS.format(jar=jar_path(), reviews=reviews, endpoint=endpoint)
    print(statements, flush=True)
    for statement in statements.split(";\n"):
        result = t_env.execute_sql(statement)
    with result.collect() as rows:
        return [tuple(row) for row in rows]


def report(rows: list[tuple[float, str, str, float]]) -> int:
    """Print a table of the first rows, and how often label and rating agree."""
    print(f"{'people':>6}  {'score':>5}  {'label':<8}  text")
    for rating, text, label, score in rows[:20]:
        print(f"{rating:>6.1f}  {score:>5.2f}  {label:<8}  {text:.80}")
    agreed = sum(label == ("positive" if rating > 0 else "negative") for rating, _, label, _ in rows)
    accuracy = agreed / len(rows)
    print(f"\n{len(rows)} reviews; the label agrees with the people's rating in {accuracy:.1%} of them.")
    return 0 if accuracy >= EXPECTED_ACCURACY else 1


if __name__ == "__main__":
    sys.exit(main())
