"""`pyflink-triton sql`: statements in a Flink of this process, or in a SQL gateway; results as they come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pyflink_triton.command.check import read_script
from pyflink_triton.command.console import Misuse
from pyflink_triton.command.flink import Configuration, Mode, ModeName, ServerUrl
from pyflink_triton.command.rows import Format
from pyflink_triton.command.server import Settings


def sql(
    execute: Annotated[
        str | None, typer.Option("--execute", "-e", metavar="SQL", help="One statement or more.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="A script; - for standard input.", show_default=False),
    ] = None,
    endpoint: ServerUrl = None,
    option: Settings = None,
    configuration: Configuration = None,
    parallelism: Annotated[
        int | None, typer.Option("--parallelism", "-p", min=1, metavar="N", help="Subtasks of each operator.")
    ] = None,
    mode: Mode = ModeName.streaming,
    gateway: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Flink's SQL gateway, in place of a Flink in this process.", show_default=False
        ),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How rows are printed.")] = Format.table,
) -> None:
    """Run statements and print what they give; Ctrl-C ends the job that runs."""
    if (execute is None) == (file is None):
        raise Misuse("sql takes -e STATEMENT or -f FILE, one of the two.")
    text = execute if execute is not None else read_script(file or Path())
    given = list(configuration or ())
    if parallelism is not None:
        given.append(f"parallelism.default={parallelism}")
    from pyflink_triton.command.runner import Runner
    from pyflink_triton.command.sql_places import Place, embedded, on_gateway

    place: Place = (
        embedded(endpoint, option, given, mode)
        if gateway is None
        else on_gateway(gateway, endpoint, option, given, mode)
    )
    try:
        Runner(place, format_, name=str(file) if file is not None else None).run(text)
    finally:
        place.close()
