"""The command `pyflink-triton`: its commands, and what becomes of their errors."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from pyflink_triton.command import check, describe, doctor, jar, models, options, serve, sql
from pyflink_triton.command.console import INTERRUPTED, MISUSED, OK, WRONG, CommandError, Misuse, tell
from pyflink_triton.version import __version__

_PROGRAM = "pyflink-triton"
_EPILOG = "Exit codes: 0 all is well, 1 something is wrong and stderr says what, 2 wrong arguments, 130 Ctrl-C."
#: What typer raises for wrong arguments; its own base class is private, and moved between its versions.
_MISUSES: tuple[type[Exception], ...] = tuple(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

#: What keeps an output from being written that was opened.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

app = typer.Typer(
    name=_PROGRAM,
    help="Triton models in Apache Flink.",
    epilog=_EPILOG,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        print(f"{_PROGRAM} {__version__}")
        raise typer.Exit(OK)
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(MISUSED)


app.command("serve")(serve.serve)
app.command("jar")(jar.jar)
app.command("options")(options.options)
app.command("models")(models.models)
app.command("describe")(describe.describe)
app.command("check")(check.check)
app.command("sql")(sql.sql)
app.command("doctor")(doctor.doctor)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process.

    Args:
        argv: The arguments after the program's name; those of this process by default.

    Raises:
        SystemExit: Always. The code is 0 for success, 1 for what was found or went wrong and was explained on stderr,
            2 for wrong arguments, and 130 for an interruption.
    """
    raise SystemExit(_run(list(sys.argv[1:] if argv is None else argv)))


def _run(arguments: list[str]) -> int:
    given, server_arguments = _split(arguments)
    try:
        if server_arguments and given[:1] != ["serve"]:
            raise Misuse("only the command serve takes arguments after --.")
        code = app(given, prog_name=_PROGRAM, standalone_mode=False, obj=server_arguments)
        sys.stdout.flush()
        return code or OK
    except CommandError as error:
        tell(str(error))
        return WRONG
    except Misuse as error:
        tell(str(error))
        return MISUSED
    except _MISUSES as error:
        tell(_misuse(error))
        return MISUSED
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # What reads the output has enough of it, as `head` has.
        _give_up_output()
        return WRONG
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        _give_up_output()
        tell(f"nothing more can be written: {error.strerror}.")
        return WRONG


def _give_up_output() -> None:
    """Write nowhere what is not written yet: Python would complain once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Separate this command's arguments from those after `--`, which are for tritonserver."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _misuse(error: Exception) -> str:
    """What typer says of wrong arguments, as one sentence with the command whose `--help` explains them."""
    message = getattr(error, "format_message", error.__str__)().strip().rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _PROGRAM
    return f"{message}. {path} --help lists what it takes."
