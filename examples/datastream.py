r"""A DataStream with a model in its middle: to a table, through the model, and back to a DataStream.

    python examples/datastream.py

The model and the sentences are those of sentiment.py. With a Triton of your own (sentiment.py says how to start one):

    python examples/datastream.py --endpoint http://localhost:8000
"""

import argparse
import csv
import sys
from pathlib import Path

from pyflink.common import Row, Types
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run the example; the exit code says whether each sentence has a label."""
    parser = argparse.ArgumentParser(description="Ask a Triton model in the middle of a PyFlink DataStream.")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    if options.endpoint:
        return run(options.endpoint)
    serving_one = ["--model-control-mode=explicit", "--load-model=sentiment"]
    with TritonServer(HERE / "models", arguments=serving_one, requirements=["vaderSentiment==3.3.2"]) as triton:
        return run(triton.http_url)


def run(endpoint: str) -> int:
    """Run the program, and print its rows."""
    env = StreamExecutionEnvironment.get_execution_environment()
    t_env = StreamTableEnvironment.create(env)
    pyflink_triton.connect(t_env, endpoint)

    with (HERE / "reviews.csv").open() as file:
        reviews = [Row(id_, float(rating), text) for id_, rating, text in csv.reader(file)]
    types = Types.ROW_NAMED(["id", "rating", "text"], [Types.STRING(), Types.DOUBLE(), Types.STRING()])
    stream = env.from_collection(reviews, types).filter(lambda row: abs(row["rating"]) >= 2)

    scored = score(t_env, stream).map(
        lambda row: f"{row['rating']:>5.2f}  {row['score']:>5.2f}  {row['label']:<8}  {row['text']:.80}", Types.STRING()
    )
    with scored.execute_and_collect("scored reviews") as rows:
        lines = list(rows)
    print("\n".join(lines[:20]))
    expected = sum(abs(row[1]) >= 2 for row in reviews)
    print(f"\n{len(lines)} of {len(reviews)} reviews are clear ones, and have a score.")
    return 0 if len(lines) == expected else 1


def score(t_env: StreamTableEnvironment, stream: DataStream) -> DataStream:
    """The rows of a stream, and what the model says of each."""
    table = t_env.from_data_stream(stream)
    answers = pyflink_triton.predict(table, "sentiment", ["text"])
    return t_env.to_data_stream(answers)


if __name__ == "__main__":
    sys.exit(main())
