"""Rows a second and latency of ML_PREDICT, beside raw tritonclient on the same server in the same run."""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyflink
import raw
from pyflink.table import EnvironmentSettings, TableEnvironment

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).parent
ML_PREDICT = "table.exec.async-ml-predict.max-concurrent-operations"
#: Seconds between two rows of the latency run: each is answered before the next one comes.
PAUSE = 0.005


class Job:
    """A Flink session with the model ``add``, streaming, parallelism 1."""

    def __init__(self, url: str, capacity: int | None) -> None:
        self._env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
        config = self._env.get_config()
        config.set("parallelism.default", "1")
        config.set("python.executable", sys.executable)
        config.set("python.client.executable", sys.executable)
        if capacity is not None:
            config.set(ML_PREDICT, str(capacity))
        self._env.execute_sql(f"ADD JAR '{pyflink_triton.jar_path()}'")
        self._env.execute_sql(
            "CREATE MODEL adder INPUT (a FLOAT, b FLOAT) OUTPUT (`sum` FLOAT) WITH "
            f"('provider' = 'triton', 'endpoint' = '{url}', 'model-name' = 'add')"
        )

    def seconds(self, rows: int) -> float:
        """Run a job of so many rows."""
        self._source(rows)
        self._env.execute_sql("CREATE TEMPORARY TABLE answers (s FLOAT) WITH ('connector' = 'blackhole')")
        began = time.perf_counter()
        self._env.execute_sql(
            "INSERT INTO answers SELECT `sum` FROM ML_PREDICT(TABLE numbers, MODEL adder, DESCRIPTOR(a, b))"
        ).wait()
        taken = time.perf_counter() - began
        self._drop()
        return taken

    def latencies(self, rows: int, jar: str) -> Sequence[float]:
        """Seconds from just before ML_PREDICT to just after it, one row at a time.

        The operators are not chained: the clock before ML_PREDICT pauses in a thread of its own, and the two hops
        between threads are in the figure.
        """
        config = self._env.get_config()
        config.set("pipeline.operator-chaining.enabled", "false")
        config.set("execution.buffer-timeout.interval", "0 ms")
        self._source(rows)
        self._env.execute_sql(f"ADD JAR '{jar}'")
        self._env.execute_sql("CREATE TEMPORARY FUNCTION nano AS 'NanoTime'")
        pause = round(PAUSE * 1000)
        self._env.execute_sql(
            f"CREATE TEMPORARY VIEW timed AS SELECT a, b, nano(CAST({pause} AS BIGINT)) AS t FROM numbers"
        )
        query = "SELECT nano() - t FROM ML_PREDICT(TABLE timed, MODEL adder, DESCRIPTOR(a, b))"
        with self._env.execute_sql(query).collect() as answers:
            taken = [row[0] / 1e9 for row in answers]
        return taken[len(taken) // 4 :]  # the first ones warm the JVM

    def _source(self, rows: int) -> None:
        self._env.execute_sql(
            "CREATE TEMPORARY TABLE numbers (a FLOAT, b FLOAT) WITH ('connector' = 'datagen', "
            f"'number-of-rows' = '{rows}', 'rows-per-second' = '100000000')"
        )

    def _drop(self) -> None:
        for table in ("numbers", "answers"):
            self._env.execute_sql(f"DROP TEMPORARY TABLE {table}")


def throughput(job: Job, rows: int) -> float:
    """Rows a second: a long run less a short one, in a JVM that is warm."""
    short = rows // 10
    job.seconds(rows // 4)
    brief = min(job.seconds(short) for _ in range(2))
    return (rows - short) / (job.seconds(rows) - brief)


def nano_jar(directory: Path) -> str:
    """Compile the clock function."""
    if shutil.which("javac") is None:
        sys.exit("A JDK 17 is needed (Debian: apt-get install openjdk-17-jdk-headless).")
    home = Path(pyflink.__file__).parent / "lib"
    jars = ":".join(str(jar) for jar in home.glob("*.jar"))
    subprocess.run(["javac", "-cp", jars, "-d", str(directory), str(HERE / "NanoTime.java")], check=True)
    jar = directory / "nano.jar"
    subprocess.run(["jar", "cf", str(jar), "-C", str(directory), "NanoTime.class"], check=True)
    return str(jar)


def milliseconds(seconds: Sequence[float]) -> str:
    """The middle and the hundredth worst."""
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--latency-rows", type=int, default=2_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, TritonServer(HERE / "models") as server:
        url = server.http_url
        ceiling, how = raw.best_throughput(url)
        print(f"raw tritonclient, best of its clients   {ceiling:10,.0f} rows/s   ({how})", flush=True)
        tuned = throughput(Job(url, 2000), arguments.rows)
        print(
            f"ML_PREDICT, batch 64, capacity 2000     {tuned:10,.0f} rows/s   {tuned / ceiling:.2f} of raw", flush=True
        )
        unset = throughput(Job(url, None), arguments.rows)
        print(f"ML_PREDICT, nothing set by the user     {unset:10,.0f} rows/s   {unset / tuned:.2f} of the former")
        again, _ = raw.best_throughput(url)
        print(
            f"raw tritonclient, again                 {again:10,.0f} rows/s   {tuned / again:.2f} is ML_PREDICT's share"
        )
        alone = raw.latencies(url, arguments.latency_rows, PAUSE)
        print(f"one row at a time, raw tritonclient     {milliseconds(alone)}", flush=True)
        job = Job(url, None).latencies(arguments.latency_rows, nano_jar(Path(directory)))
        print(f"one row at a time, ML_PREDICT           {milliseconds(job)}")


if __name__ == "__main__":
    main()
