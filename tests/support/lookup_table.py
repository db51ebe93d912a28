"""A table for lookup joins, which no connector of PyFlink's distribution has: compiled when a test wants it."""

from __future__ import annotations

from pathlib import Path

from java_services import compile_service
from places import SUPPORT
from pyflink.table import TableEnvironment

SOURCE = SUPPORT / "lookup" / "LookupNumbers.java"


def lookup_jar(directory: Path) -> Path:
    """Compile the connector ``lookup-numbers`` into a jar."""
    jar = directory / "lookup-numbers.jar"
    compile_service(SOURCE, "org.apache.flink.table.factories.Factory", jar)
    return jar


def create_lookup_table(env: TableEnvironment, name: str, directory: Path) -> None:
    """Make the table: for each k above 0 a row (k, 10 * k)."""
    env.execute_sql(f"ADD JAR '{lookup_jar(directory)}'")
    env.execute_sql(f"CREATE TEMPORARY TABLE {name} (k BIGINT, v BIGINT) WITH ('connector' = 'lookup-numbers')")
