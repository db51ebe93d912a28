"""The blocks of code in the docs, and how a first screen of a page is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster import clean_environment
from places import ROOT
from short_jobs import quick_jvms
from waiting import wait_for

from pyflink_triton.server import ports

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_PRINTS = re.compile(r"\n+```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (?:not run: (?P<why>[^>]+)|in a (?P<fresh>fresh) session) -->\n+ *\Z")


@dataclass(frozen=True)
class Snippet:
    """A block of code.

    Attributes:
        page: The file, from the project's root.
        line: Of its first line of code.
        language: As the fence says.
        text: The code, without what it is indented by.
        not_run: Why it is not run, as a comment in front says; empty where it is.
        is_fresh: Whether it begins a session of its own, as a comment in front says.
        prints: The block of text that follows it; empty where none does.
    """

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""
    is_fresh: bool = False
    prints: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(page: str, *languages: str) -> list[Snippet]:
    """The blocks of a page in these languages."""
    return list(_snippets(page, (ROOT / page).read_text(), languages))


def _snippets(page: str, text: str, languages: tuple[str, ...]) -> Iterator[Snippet]:
    for found in _FENCE.finditer(text):
        if found["language"] in languages:
            comment = _COMMENT.search(text, 0, found.start())
            why, fresh = comment.groups() if comment else (None, None)
            code = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
            line = text.count("\n", 0, found.start("text")) + 1
            follows = _PRINTS.match(text, found.end())
            prints = follows[1] if follows else ""
            yield Snippet(page, line, found["language"], code, why or "", bool(fresh), prints)


def run_first_screen(serve: str, program: str, cwd: Path) -> tuple[str, str]:
    """Serve and run a program, as a page says, on a port that is free.

    Args:
        serve: The command that serves.
        program: A Python program that asks `http://localhost:8000`.
        cwd: Where both run.

    Returns:
        What the program printed, and its standard error.
    """
    (port,) = ports.choose("localhost", 1, set())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = clean_environment() | quick_jvms() | {"PATH": path}
    command = [*serve.partition("#")[0].split(), "--http-port", str(port), "--grpc-port", "0", "--metrics-port", "0"]
    written, served = cwd / "program.py", cwd / "served"
    written.write_text(program.replace("http://localhost:8000", f"http://localhost:{port}"))
    with served.open("w") as output, subprocess.Popen(command, cwd=cwd, env=environment, stdout=output) as server:
        try:
            wait_for(lambda: "HTTP" in served.read_text() or server.poll() is not None, 300, "the server")
            done = subprocess.run(
                [sys.executable, written],
                cwd=cwd,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        finally:
            server.terminate()
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr
