"""Rows a second of models as PyFlink functions, beside those of PyFlink's own that do nothing in the same run."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.udf import udf

import pyflink_triton
from pyflink_triton.server import TritonServer
from pyflink_triton.table.session import prepare_functions

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from model_repository import MODELS, write_repository  # it is in the folder above


def session() -> TableEnvironment:
    """A streaming session of parallelism 1 with this package's defaults, which every function here gets."""
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.get_config().set("parallelism.default", "1")
    env.get_config().set("python.executable", sys.executable)
    prepare_functions(env)
    return env


def rate(env: TableEnvironment, function: Any, rows: int) -> float:
    """Rows a second: a long run less a short one, in a JVM that is warm."""
    short = rows // 10
    seconds(env, function, short)
    brief = seconds(env, function, short)
    return (rows - short) / (seconds(env, function, rows) - brief)


def seconds(env: TableEnvironment, function: Any, rows: int) -> float:
    """Run a job of so many rows."""
    env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (a FLOAT, b FLOAT) WITH ('connector' = 'datagen', "
        f"'number-of-rows' = '{rows}', 'rows-per-second' = '100000000')"
    )
    env.execute_sql("CREATE TEMPORARY TABLE answers (s FLOAT) WITH ('connector' = 'blackhole')")
    began = time.perf_counter()
    env.from_path("numbers").select(function(col("a"), col("b"))).execute_insert("answers").wait()
    taken = time.perf_counter() - began
    for table in ("numbers", "answers"):
        env.execute_sql(f"DROP TEMPORARY TABLE {table}")
    return taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--url", help="a server with the model `add`; by default one is started")
    arguments = parser.parse_args()
    if arguments.url:
        compare(arguments.url, arguments.rows)
        return
    with tempfile.TemporaryDirectory() as directory:
        repository = write_repository(Path(directory), [model for model in MODELS if model.name == "add"])
        with TritonServer(repository) as server:
            compare(server.http_url, arguments.rows)


def compare(url: str, rows: int) -> None:
    """Run each function, and PyFlink's of its kind."""
    options = {"endpoint": url, "model-name": "add"}
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(options)

    async def first(a: float, b: float) -> float:
        return a

    types = {"input_types": ["FLOAT", "FLOAT"], "result_type": "FLOAT"}
    pandas = udf(lambda a, b: a, func_type="pandas", **types)
    plain = udf(first, **types)
    env = session()
    for name, ours, pyflinks, part in (
        ("scalar_function", provider.scalar_function(), pandas, 1),
        ("async_scalar_function", provider.async_scalar_function(), plain, 10),
    ):
        mine, theirs = rate(env, ours, rows // part), rate(env, pyflinks, rows // part)
        print(f"{name}: {mine:,.0f} rows/s, {mine / theirs:.2f} of PyFlink's own that does nothing ({theirs:,.0f})")


if __name__ == "__main__":
    main()
