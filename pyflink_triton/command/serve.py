"""`pyflink-triton serve`: a real Triton for a model repository, until Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from pyflink_triton.command.console import OK, CommandError, Misuse
from pyflink_triton.remedies import Remedy
from pyflink_triton.server import TritonServer, TritonServerError
from pyflink_triton.server.examples import EXAMPLES, Served, serve_example
from pyflink_triton.server.ready import ready_models

_WHICH = "; ".join(f"{example.name} ({example.what})" for example in EXAMPLES.values())


def _port(given: str | int) -> int:
    text = str(given)  # typer hands the default over, too
    if text.isdecimal() and int(text) <= 65_535:
        return int(text)
    raise typer.BadParameter(f"{text} is not a port: {Remedy.CHOOSE_PORT()}")


def serve(
    context: typer.Context,
    model_repository: Annotated[
        str | None, typer.Argument(metavar="MODEL_REPOSITORY", help="The directory of models.")
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help=f"A model to try: {_WHICH}.", autocompletion=lambda: list(EXAMPLES), show_default=False
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(parser=_port, metavar="PORT", help="0: any free port.")] = 8000,
    grpc_port: Annotated[int, typer.Option(parser=_port, metavar="PORT", help="0: any free port.")] = 8001,
    metrics_port: Annotated[int, typer.Option(parser=_port, metavar="PORT", help="0: any free port.")] = 8002,
    requirement: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PACKAGE",
            help="A package that the models import, as pip takes it; may be repeated.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve a model repository with a real Triton, without Docker, until Ctrl-C.

    Arguments after -- are tritonserver's own.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored
        signal.signal(number, _interrupt)
    ready = False
    try:
        served = _served(model_repository, example)
        with TritonServer(
            served.repository,
            host=host,
            http_port=http_port or None,
            grpc_port=grpc_port or None,
            metrics_port=metrics_port or None,
            arguments=[*served.arguments, *context.obj],
            requirements=[*served.requirements, *(requirement or ())],
        ) as server:
            ready = True
            print(f"HTTP    {server.http_url}", flush=True)
            print(f"gRPC    {server.grpc_url}", flush=True)
            print(f"metrics {server.metrics_url}", flush=True)
            print(f"log     {server.log_path}", flush=True)
            print(_ready(ready_models(server.http_url)), flush=True)
            server.wait()
            raise CommandError(str(server.failure()))
    except TritonServerError as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        if ready:
            raise typer.Exit(OK) from None
        raise


def _served(repository: str | None, example: str | None) -> Served:
    """What the command line names."""
    if (repository is None) == (example is None):
        raise Misuse("serve takes a directory of models or --example NAME, one of the two.")
    if example is None:
        return Served(str(repository))
    if example not in EXAMPLES:
        raise Misuse(f"--example is '{example}', which is none of the models to try: {', '.join(EXAMPLES)}.")
    return serve_example(EXAMPLES[example])


def _ready(models: Sequence[str]) -> str:
    """The line for a server that is ready."""
    serves = f", serving {', '.join(models)}" if models else ""
    return f"ready{serves}. Ctrl-C ends it"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
