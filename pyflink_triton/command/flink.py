"""The options of commands that run a Flink in this process, and how its session is opened."""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from pyflink_triton.command.console import CommandError, Misuse
from pyflink_triton.command.server import pairs
from pyflink_triton.errors import TritonError, sentence
from pyflink_triton.remedies import Remedy

if TYPE_CHECKING:
    from pyflink_triton.table.embedded import EmbeddedSession


class ModeName(str, Enum):
    """How statements run."""

    streaming = "streaming"
    batch = "batch"


ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="A Triton whose models are functions, in a catalog named triton that is the current one.",
        show_default=False,
    ),
]
Configuration = Annotated[
    list[str] | None,
    typer.Option(
        "-D",
        metavar="KEY=VALUE",
        help="An option of Flink, as parallelism.default=4; may be repeated.",
        show_default=False,
    ),
]
Mode = Annotated[ModeName, typer.Option(help="How statements run.")]


def open_session(
    endpoint: str | None,
    option: list[str] | None,
    configuration: list[str] | None,
    mode: ModeName,
    more: dict[str, str] | None = None,
) -> EmbeddedSession:
    """Start a Flink in this process.

    Args:
        endpoint: The Triton whose models are functions.
        option: `key=value` of the options of its models.
        configuration: `key=value` of Flink's options.
        mode: `streaming` or `batch`.
        more: Options of Flink's that count where ``configuration`` has none.

    Raises:
        Misuse: The arguments do not fit together.
        CommandError: It cannot start.
    """
    options = pairs(option, "--option")
    if options and endpoint is None:
        raise Misuse(f"--option is for the models of a server. {Remedy.GIVE_ENDPOINT()}.")
    flink = {**(more or {}), **pairs(configuration, "-D")}
    from pyflink_triton.table.embedded import EmbeddedSession, StatementError

    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_is_no_interruption)
    try:
        return EmbeddedSession(endpoint, batch=mode is ModeName.batch, configuration=flink, options=options)
    except (TritonError, StatementError, FileNotFoundError) as error:
        raise CommandError(sentence(str(error))) from None


def _is_no_interruption(record: logging.LogRecord) -> bool:
    """Leave out what py4j logs, with a traceback and by no logger of its own, of Ctrl-C while it waits for Java."""
    return record.exc_info is None or record.exc_info[0] is not KeyboardInterrupt
