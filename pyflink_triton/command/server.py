"""The options of commands that ask a Triton, and how its answers are waited for."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Annotated, Any, TypeVar

import typer

from pyflink_triton.command.console import CommandError, Misuse
from pyflink_triton.errors import TritonError, sentence
from pyflink_triton.remedies import Remedy

_Answer = TypeVar("_Answer")

Endpoint = Annotated[
    str, typer.Option("--endpoint", metavar="URL", help="The server, as http://host:8000.", show_default=False)
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-o",
        metavar="KEY=VALUE",
        help="An option of the model, as auth-token='${SECRET:triton}'; may be repeated.",
        show_default=False,
    ),
]


def pairs(written: list[str] | None, option: str) -> dict[str, str]:
    """Read `key=value` of an option of the command.

    Args:
        written: What was given.
        option: The option's name, for the message.

    Raises:
        Misuse: One of them has no `=`.
    """
    for each in written or ():
        if not each.partition("=")[0].strip() or "=" not in each:
            raise Misuse(f"{option} is '{each}': {Remedy.WRITE_PAIR()}.")
    split = (each.partition("=") for each in written or ())
    return {key.strip(): value for key, _, value in split}


def ask(question: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Wait for a server's answer.

    Raises:
        CommandError: There is none, or it is an error.
    """
    from pyflink_triton._async import run

    try:
        return run(question)
    except TritonError as error:
        raise CommandError(sentence(str(error))) from None


def with_endpoint(endpoint: str, written: list[str] | None) -> Mapping[str, str]:
    """The options that the command line gives for a server."""
    return {"endpoint": endpoint, **pairs(written, "--option")}
