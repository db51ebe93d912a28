"""A table for lookup joins, which no connector of PyFlink's distribution has: compiled when a test wants it."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pyflink
from places import SUPPORT
from pyflink.table import TableEnvironment

SOURCE = SUPPORT / "lookup" / "LookupNumbers.java"
_FACTORIES = "META-INF/services/org.apache.flink.table.factories.Factory"


def lookup_jar(directory: Path) -> Path:
    """Compile the connector ``lookup-numbers`` into a jar."""
    libraries = Path(pyflink.__file__).parent / "lib"
    classes = directory / "classes"
    command = ["javac", "-d", str(classes), "-cp", f"{libraries}/*", "--release", "11", str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)
    jar = directory / "lookup-numbers.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for path in classes.rglob("*.class"):
            archive.write(path, path.relative_to(classes))
        archive.writestr(_FACTORIES, SOURCE.stem)
    return jar


def create_lookup_table(env: TableEnvironment, name: str, directory: Path) -> None:
    """Make the table: for each k above 0 a row (k, 10 * k)."""
    env.execute_sql(f"ADD JAR '{lookup_jar(directory)}'")
    env.execute_sql(f"CREATE TEMPORARY TABLE {name} (k BIGINT, v BIGINT) WITH ('connector' = 'lookup-numbers')")
