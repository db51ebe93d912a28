r"""From Kafka to Kafka, exactly once: a topic of reviews in, a topic of their sentiments out.

    python examples/kafka_to_kafka.py --connector flink-sql-connector-kafka-5.0.0-2.2.jar

A Kafka must run (--bootstrap-servers, localhost:9092 if you give none). Flink's connector for it is on Maven Central:

    mvn dependency:copy -Dartifact=org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2 -DoutputDirectory=.

Each run makes two topics of its own. One job fills the first with the sentences of reviews.csv. A second one asks the
model of sentiment.py, and writes the second topic in transactions of Kafka. A third one counts what came out. Kill a
TaskManager while the second one runs: each record is there once for who reads with read_committed. On a cluster, with a
Triton of your own (sentiment.py says how to start one):

    flink run -py examples/kafka_to_kafka.py --connector /opt/jars/flink-sql-connector-kafka-5.0.0-2.2.jar \
        --endpoint http://localhost:8000 --bootstrap-servers localhost:9092
"""

import argparse
import sys
import uuid
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
SENTENCES = """
CREATE TEMPORARY TABLE sentences (
  id STRING,
  rating DOUBLE,
  text STRING
) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{path}')
"""
REVIEWS = """
CREATE TEMPORARY TABLE reviews (
  id STRING,
  text STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'reviews-{run}',
  'properties.bootstrap.servers' = '{servers}',
  'format' = 'json',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset'               -- so that the job ends; a service leaves this out
)
"""
SCORES = """
CREATE TEMPORARY TABLE scores (
  id STRING,
  label STRING,
  score FLOAT
) WITH (
  'connector' = 'kafka',
  'topic' = 'scores-{run}',
  'properties.bootstrap.servers' = '{servers}',
  'format' = 'json',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'scores-{run}',    -- a name that no other job uses
  'properties.transaction.timeout.ms' = '600000',     -- Flink's default is an hour, and a broker allows 15 minutes
  'properties.isolation.level' = 'read_committed',    -- for those who read it
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset'
)
"""
FILL = """
INSERT INTO reviews
SELECT id || '-' || CAST(n AS STRING), text FROM sentences CROSS JOIN UNNEST(ARRAY[{numbers}]) AS copies (n)
"""
PREDICT = """
INSERT INTO scores
SELECT id, label, score FROM ML_PREDICT(TABLE reviews, MODEL sentiment, DESCRIPTOR(text))
"""
COUNT = """
SELECT COUNT(*), COUNT(DISTINCT id), COUNT(DISTINCT id) FILTER (WHERE label IN ('positive', 'negative', 'neutral'))
FROM scores
"""
#: Records can be read once the checkpoint that they are part of has completed.
STREAMING = {"execution.checkpointing.interval": "1 s"}


def main() -> int:
    """Run the example; the exit code says whether each record is there once."""
    parser = argparse.ArgumentParser(description="Score the reviews of a Kafka topic into another, exactly once.")
    parser.add_argument("--connector", required=True, type=Path, help="the jar of flink-sql-connector-kafka")
    parser.add_argument("--bootstrap-servers", default="localhost:9092", help="the Kafka (default: localhost:9092)")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    parser.add_argument("--times", type=int, default=10, help="how often to write each of 300 reviews (default: 10)")
    options = parser.parse_args()
    if options.endpoint:
        return run(options, options.endpoint)
    serving_one = ["--model-control-mode=explicit", "--load-model=sentiment"]
    with TritonServer(HERE / "models", arguments=serving_one, requirements=["vaderSentiment==3.3.2"]) as triton:
        return run(options, triton.http_url)


def run(options: argparse.Namespace, endpoint: str) -> int:
    """Fill a topic, predict, and count what came out."""
    names = {"run": uuid.uuid4().hex[:8], "servers": options.bootstrap_servers}
    add_connector = f"ADD JAR '{options.connector.resolve()}'"
    reviews, scores = REVIEWS.format(**names), SCORES.format(**names)

    batch = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    for statement in (add_connector, SENTENCES.format(path=(HERE / "reviews.csv").as_uri()), reviews, scores):
        batch.execute_sql(statement)
    numbers = ", ".join(map(str, range(options.times)))
    batch.execute_sql(FILL.format(numbers=numbers)).wait()

    streaming = pyflink_triton.session(endpoint, configuration=STREAMING)
    for statement in (add_connector, reviews, scores):
        print(statement, flush=True)
        streaming.execute_sql(statement)
    print(PREDICT, flush=True)
    streaming.get_config().set("pipeline.name", f"scores-{names['run']}")
    streaming.execute_sql(PREDICT).wait()

    with batch.execute_sql(COUNT).collect() as rows:
        ((found, distinct, labelled),) = [tuple(row) for row in rows]
    print(
        f"{options.times * 300} records in reviews-{names['run']}; in scores-{names['run']}: {found}, {distinct} ids."
    )
    return 0 if found == distinct == labelled == options.times * 300 else 1


if __name__ == "__main__":
    sys.exit(main())
