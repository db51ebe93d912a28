"""The command `pyflink-triton` in this process, which shares its JVM with other tests."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from pyflink_triton.command.app import main


@dataclass(frozen=True)
class Done:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: What it printed.
        err: What it said on stderr.
    """

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def command(*arguments: object) -> Done:
    """Run the command; without a terminal, as in a pipe."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            return Done(int(str(end.code)), out.getvalue(), err.getvalue())
