r"""A model over an aggregate that changes: the mood of each review, kept in Kafka by its key, and counted from there.

    python examples/upserts.py --connector flink-sql-connector-kafka-5.0.0-2.2.jar

The sentences of a review come one after the other. With each the review's text changes, and the model is asked about
the new text. The first job writes the answers to Kafka by their key, so each review keeps its last answer. The second
job reads that topic, and counts reviews by their mood. In one job Flink would have to take back each old answer, and
would ask the model again what it was (docs/updates.md says what is right when). A Kafka must run, and the connector's
jar be there: kafka_to_kafka.py says more. With a Triton of your own, too (sentiment.py says how to start one):

    python examples/upserts.py --connector ... --endpoint http://localhost:8000 --bootstrap-servers localhost:9092
"""

import argparse
import sys
import uuid
from pathlib import Path
from typing import Any

from pyflink.common import RowKind
from pyflink.table import TableEnvironment

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
TABLES = (
    """
CREATE TABLE sentences (
  id STRING,              -- the review's number, and the sentence's: 12_3
  rating DOUBLE,
  text STRING
) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{path}')""",
    """
CREATE TABLE moods (
  review STRING,
  sentences BIGINT,
  mood STRING,
  PRIMARY KEY (review) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'moods-{run}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset'               -- so that the second job ends; a service leaves this out
)""",
)
UPSERT = """
INSERT INTO moods
SELECT review, sentences, answer.label
FROM (
  SELECT review, sentences, sentiment(text) AS answer
  FROM (
    SELECT review, COUNT(*) AS sentences, LISTAGG(text, ' ') AS text
    FROM (SELECT SPLIT_INDEX(id, '_', 0) AS review, text FROM sentences)
    GROUP BY review
  )
)
"""
COUNT = "SELECT mood, COUNT(*) AS reviews, SUM(sentences) AS sentences FROM moods GROUP BY mood"
KEPT = "SELECT review, sentences, mood FROM moods"


def main() -> int:
    """Run the example; the exit code says whether each review and each sentence is counted once."""
    parser = argparse.ArgumentParser(description="Keep a model's answers over a changing aggregate in Kafka.")
    parser.add_argument("--connector", required=True, type=Path, help="the jar of flink-sql-connector-kafka")
    parser.add_argument("--bootstrap-servers", default="localhost:9092", help="the Kafka (default: localhost:9092)")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    if options.endpoint:
        return run(options, options.endpoint)
    serving_one = ["--model-control-mode=explicit", "--load-model=sentiment"]
    with TritonServer(HERE / "models", arguments=serving_one, requirements=["vaderSentiment==3.3.2"]) as triton:
        return run(options, triton.http_url)


def run(options: argparse.Namespace, endpoint: str) -> int:
    """Run both jobs, and compare the count with what the topic holds."""
    t_env = pyflink_triton.session(endpoint)
    t_env.execute_sql(f"ADD JAR '{options.connector.resolve()}'")
    names = {"run": uuid.uuid4().hex[:8], "servers": options.bootstrap_servers, "path": (HERE / "reviews.csv").as_uri()}
    for table in TABLES:
        print(table.format(**names), flush=True)
        t_env.execute_sql(table.format(**names))
    print(f"{UPSERT}\n{COUNT}\n", flush=True)
    t_env.execute_sql(UPSERT).wait()
    counted = last_rows(t_env, COUNT)
    for mood, (reviews, sentences) in counted.items():
        print(f"{mood:<8} {reviews:>3} reviews, {sentences:>3} sentences")
    kept = last_rows(t_env, KEPT)
    print(f"{len(kept)} reviews are in the topic.")
    expected: dict[str, tuple[int, int]] = {}
    for sentences, mood in kept.values():
        reviews, total = expected.get(mood, (0, 0))
        expected[mood] = reviews + 1, total + sentences
    with (HERE / "reviews.csv").open() as file:
        lines = file.read().splitlines()
    are_all = len(kept) == len({line.split("_")[0] for line in lines})
    return 0 if counted == expected and are_all and sum(total for _, total in expected.values()) == len(lines) else 1


def last_rows(t_env: TableEnvironment, query: str) -> dict[str, tuple[Any, ...]]:
    """What is left when a query's rows were all added and taken back: the columns after the first, by the first."""
    left: dict[str, tuple[Any, ...]] = {}
    with t_env.execute_sql(query).collect() as rows:
        for row in rows:
            key, *others = row
            if row.get_row_kind() in (RowKind.INSERT, RowKind.UPDATE_AFTER):
                left[key] = tuple(others)
            elif row.get_row_kind() is RowKind.DELETE:
                del left[key]
    return left


if __name__ == "__main__":
    sys.exit(main())
