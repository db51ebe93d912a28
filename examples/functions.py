r"""A model as a SQL function, and as a PyFlink function: nothing is declared that the server knows.

    python examples/functions.py

The model and the sentences are those of sentiment.py. With a Triton of your own (sentiment.py says how to start one):

    python examples/functions.py --endpoint http://localhost:8000
"""

import argparse
import sys
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
REVIEWS = """
CREATE TABLE reviews (
  id STRING,
  rating DOUBLE,          -- what people said: from -4, the worst, to 4
  text STRING
) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{path}')
"""
# `sentiment` is the server's model; it has two outputs, so the function gives a ROW of them.
IN_SQL = """
SELECT label, COUNT(*) AS reviews, AVG(score) AS mean_score, AVG(rating) AS mean_rating
FROM (SELECT rating, s.label AS label, s.score AS score FROM (SELECT rating, sentiment(text) AS s FROM reviews))
GROUP BY label
"""


def main() -> int:
    """Run the example; the exit code says whether both ways count the same."""
    parser = argparse.ArgumentParser(description="Call a Triton model as a function.")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    if options.endpoint:
        return run(options.endpoint)
    serving_one = ["--model-control-mode=explicit", "--load-model=sentiment"]
    with TritonServer(HERE / "models", arguments=serving_one, requirements=["vaderSentiment==3.3.2"]) as triton:
        return run(triton.http_url)


def run(endpoint: str) -> int:
    """Run the queries and print their rows."""
    t_env = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    pyflink_triton.connect(t_env, endpoint)
    t_env.execute_sql(REVIEWS.format(path=(HERE / "reviews.csv").as_uri()))
    print(IN_SQL)
    with t_env.execute_sql(IN_SQL).collect() as rows:
        in_sql = {label: count for label, count, _, _ in map(report, rows)}

    # The same model as a vectorized PyFlink function; this way needs no jar and no catalog.
    options = {"endpoint": endpoint, "model-name": "sentiment"}
    sentiment = pyflink_triton.TritonModelProviderFactory().create_model_provider(options).scalar_function()
    labels = t_env.from_path("reviews").select(sentiment(col("text")).get("label").alias("label"))
    counted = labels.group_by(col("label")).select(col("label"), col("label").count.alias("reviews"))
    with counted.execute().collect() as rows:
        in_python = dict(tuple(row) for row in rows)
    print(f"\nAs a PyFlink function: {in_python}")
    return 0 if in_sql == in_python else 1


def report(row: tuple[str, int, float, float]) -> tuple[str, int, float, float]:
    """Print a row and give it back."""
    label, count, score, rating = row
    print(f"{label:<8} {count:>4} reviews, score {score:>5.2f}, people {rating:>5.2f}")
    return label, count, score, rating


if __name__ == "__main__":
    sys.exit(main())
