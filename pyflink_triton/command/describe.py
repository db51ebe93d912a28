"""`pyflink-triton describe`: what a model takes and gives, and the statements to paste for it."""

from __future__ import annotations

from typing import Annotated

import typer

from pyflink_triton.command.console import Json
from pyflink_triton.command.server import Endpoint, Settings, ask, with_endpoint


def describe(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name on the server.")],
    endpoint: Endpoint,
    option: Settings = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it in Flink; its own name by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what a model takes and gives, and the CREATE MODEL to paste, in both forms."""
    from pyflink_triton.command.description import describe_model, print_description

    written = {**with_endpoint(endpoint, option), "model-name": model}
    print_description(ask(describe_model(name or model, written)), json=json)
