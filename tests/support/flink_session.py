"""Flink sessions for tests: a table environment with the shim jar, and jobs whose rows come back as Python values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment

import pyflink_triton

_LEAVES = {
    "BOOLEAN": DataTypes.BOOLEAN,
    "TINYINT": DataTypes.TINYINT,
    "SMALLINT": DataTypes.SMALLINT,
    "INT": DataTypes.INT,
    "BIGINT": DataTypes.BIGINT,
    "FLOAT": DataTypes.FLOAT,
    "DOUBLE": DataTypes.DOUBLE,
    "STRING": DataTypes.STRING,
    "BYTES": DataTypes.BYTES,
}


def session(mode: str = "streaming", *, with_jar: bool = True, **config: str) -> TableEnvironment:
    """Make a session with the tests' own Python for planning and for workers.

    Args:
        mode: ``streaming`` or ``batch``.
        with_jar: Whether to add the shim jar.
        config: Flink's configuration, ``__`` for ``.`` and ``_`` for ``-``.
    """
    _unwrap_class_loader()
    settings = EnvironmentSettings.in_batch_mode() if mode == "batch" else EnvironmentSettings.in_streaming_mode()
    env = TableEnvironment.create(settings)
    written = {
        "parallelism.default": "1",
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
    }
    written.update({key.replace("__", ".").replace("_", "-"): value for key, value in config.items()})
    for key, value in written.items():
        env.get_config().set(key, value)
    if with_jar:
        env.execute_sql(f"ADD JAR '{pyflink_triton.jar_path()}'")
    return env


def _unwrap_class_loader() -> None:
    """Take the class loaders of earlier sessions off this thread.

    PyFlink wraps another one around the last for each session, and every name that Py4J looks up goes through all of
    them: after some hundred sessions most of a test's time.
    """
    thread = get_gateway().jvm.Thread.currentThread()
    loader = thread.getContextClassLoader()
    while loader.getClass().getName() == "java.net.URLClassLoader":
        loader = loader.getParent()
    thread.setContextClassLoader(loader)


def create_model(
    env: TableEnvironment, name: str, url: str, served: str, inputs: str, outputs: str, **options: str
) -> None:
    """Write a CREATE MODEL."""
    written = {"provider": "triton", "endpoint": url, "model-name": served}
    written.update({key.replace("_", "-"): value for key, value in options.items()})
    clause = ", ".join(f"'{key}' = '{value}'" for key, value in written.items())
    env.execute_sql(f"CREATE MODEL {name} INPUT ({inputs}) OUTPUT ({outputs}) WITH ({clause})")


def data_type(text: str) -> Any:
    """A PyFlink data type from Flink's SQL."""
    if text.startswith("ARRAY<"):
        return DataTypes.ARRAY(data_type(text[6:-1]))
    if text.startswith(("BINARY(", "VARBINARY(")):
        name, length = text[:-1].split("(")
        return getattr(DataTypes, name)(int(length))
    if text.startswith("DECIMAL"):
        precision, scale = text[8:-1].split(",")
        return DataTypes.DECIMAL(int(precision), int(scale))
    return _LEAVES[text]()


def view(env: TableEnvironment, name: str, types: dict[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """Make a view of Python values."""
    fields = [DataTypes.FIELD(column, data_type(text)) for column, text in types.items()]
    env.create_temporary_view(name, env.from_elements([tuple(row) for row in rows], DataTypes.ROW(fields)))


def collect(env: TableEnvironment, sql: str) -> list[tuple[Any, ...]]:
    """Run a query and take its rows."""
    with env.execute_sql(sql).collect() as rows:
        return [tuple(row) for row in rows]


def collect_exactly(env: TableEnvironment, sql: str) -> list[dict[str, Any]]:
    """Run a query and take its rows through Arrow: PyFlink's own way breaks on infinities and NaN."""
    table = env.sql_query(sql)
    chunks = get_gateway().jvm.org.apache.flink.table.runtime.arrow.ArrowUtils.collectAsPandasDataFrame(
        table._j_table, 10_000
    )
    if not chunks.hasNext():
        return []
    data = b"".join(iter(lambda: bytes(chunks.next()) if chunks.hasNext() else b"", b""))
    rows: list[dict[str, Any]] = []
    for batch in pa.ipc.open_stream(data):
        rows.extend(batch.rename_columns(table.get_schema().get_field_names()).to_pylist())
    return rows


def read_lines(directory: Path) -> list[str]:
    """The lines of a file sink's finished files; hidden ones are not finished."""
    lines: list[str] = []
    for path in sorted(directory.rglob("*")):
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(directory).parts)
        if path.is_file() and not hidden:
            lines.extend(path.read_text().splitlines())
    return lines
