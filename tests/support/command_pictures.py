"""Pictures of the command on a terminal, for the docs; run this file as a program to make them again.

Each is a real session: the command runs on a terminal of its own against a real Triton, and what it wrote there is
drawn. `python tests/support/command_pictures.py NAME...` makes some of them.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from model_repository import Model, Tensor, write_repository
from places import ROOT
from rich.console import Console
from rich.text import Text
from triton import ARGUMENTS

from pyflink_triton.jar import jar_path
from pyflink_triton.server import TritonServer

DOCS = ROOT / "docs"
_WIDTH = 104
_SECONDS = 300
#: What a picture shows in place of this machine's paths and ports.
_URL, _JAR = "http://localhost:8000", "/opt/predict/lib/python3.11/site-packages/pyflink_triton/lib"
_PREFIX = "/opt/predict"
_FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"
_SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: FONT; font-size: {char_height}px; line-height: {line_height}px;
  font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

_STREAM = "model_transaction_policy { decoupled: true }"
MODELS = (
    Model(
        "fraud",
        [Tensor("amount", "FP32"), Tensor("account", "INT64"), Tensor("note", "BYTES")],
        [Tensor("score", "FP32"), Tensor("label", "BYTES")],
        "multi",
    ),
    Model("risk", [Tensor("x", "INT64")], [Tensor("y", "INT64")], "pairing", instances=2),
    Model(
        "vllm_model",
        [
            Tensor("text_input", "BYTES"),
            Tensor("stream", "BOOL", optional=True),
            Tensor("sampling_parameters", "BYTES", optional=True),
        ],
        [Tensor("text_output", "BYTES", (-1,))],
        "script",
        max_batch_size=0,
        extra=_STREAM,
    ),
)
CHECKED = """CREATE TEMPORARY TABLE payments (id BIGINT, amount FLOAT, account BIGINT, note STRING)
  WITH ('connector' = 'datagen', 'number-of-rows' = '10');

SELECT id, fraud(amount, account).label
FROM payments;

SELECT id,
       CASE WHEN RAND() < 0.1 THEN risk(account) END AS sampled
FROM payments;

CREATE MODEL strict WITH ('provider' = 'triton', 'model-name' = 'fraud', 'tmeout' = '3s');
SELECT amuont FROM payments;
"""
LONG = """CREATE TEMPORARY TABLE payments (id BIGINT, account BIGINT)
  WITH ('connector' = 'datagen', 'number-of-rows' = '120000', 'rows-per-second' = '8000');
CREATE TEMPORARY TABLE scored (id BIGINT, risk BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO scored SELECT id, risk(MOD(account, 1000)) FROM payments;
"""


@dataclass(frozen=True)
class Session:
    """What a picture shows.

    Attributes:
        commands: What is typed, one after the other; `URL` stands for the server's, `LOCAL` for the same by the name
            of this machine, and `GRPC` for its port of gRPC.
        until: What to wait for before Ctrl-C; empty where the last command ends by itself.
        snapshot: Words of a line that changes: it is shown as it was in the middle.
    """

    commands: tuple[str, ...]
    until: str = ""
    snapshot: str = ""


SESSIONS = {
    "serve": Session(
        ("pyflink-triton serve --example embeddings --http-port 0 --grpc-port 0 --metrics-port 0",),
        until="Ctrl-C ends it",
    ),
    "jar": Session(("pyflink-triton jar",)),
    "options": Session(("pyflink-triton options circuit-breaker",)),
    "models": Session(("pyflink-triton models --endpoint URL",)),
    "describe": Session(("pyflink-triton describe fraud --endpoint URL",)),
    "describe-language-model": Session(("pyflink-triton describe vllm_model --name llm --endpoint URL",)),
    "check": Session(("pyflink-triton check -f payments.sql --endpoint URL",)),
    "sql": Session(
        (
            "pyflink-triton sql --endpoint URL --mode batch -e "
            "\"SELECT id, fraud(amount, account, note) AS f FROM (VALUES (1, 250.0, 7, 'rent'), "
            "(2, 3.5, 9, 'coffee')) AS p (id, amount, account, note)\"",
        )
    ),
    "sql-progress": Session(("pyflink-triton sql --endpoint URL -p 1 -f long.sql",), snapshot=" left"),
    "doctor": Session(("pyflink-triton doctor --endpoint LOCAL --model fraud --measure",)),
    "doctor-fault": Session(("pyflink-triton doctor --endpoint GRPC --model fraud",)),
    "errors": Session(
        ("pyflink-triton serve models --http-port abc", "pyflink-triton models --endpoint http://localhost:9")
    ),
}


def places(server: TritonServer) -> Mapping[str, tuple[str, str]]:
    """What stands for a URL in what is typed: the URL, and what a picture shows."""
    ports = {"LOCAL": server.http_url, "GRPC": f"http://{server.grpc_url}"}
    local = {name: f"http://localhost:{url.rpartition(':')[2]}" for name, url in ports.items()}
    return {
        "URL": (server.http_url, _URL),
        "LOCAL": (local["LOCAL"], _URL),
        "GRPC": (local["GRPC"], "http://localhost:8001"),
    }


def draw(name: str, session: Session, known: Mapping[str, tuple[str, str]], directory: Path) -> None:
    """Run a session and write its picture."""
    console = Console(record=True, width=_WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    for typed in session.commands:
        real, told = typed, typed
        for place, (url, instead) in known.items():
            real, told = real.replace(place, url), told.replace(place, instead)
        console.print(Text.assemble(("$ ", "bold green"), (told, "bold")))
        shown = _screen(_run(real, session, directory), session.snapshot).replace(str(Path(jar_path()).parent), _JAR)
        for url, instead in known.values():
            shown = shown.replace(urlsplit(url).netloc, urlsplit(instead).netloc)
        shown = shown.replace(sys.prefix, _PREFIX)
        console.print(Text.from_ansi(re.sub(r"/\S+/logs/", "~/.cache/pyflink-triton/logs/", shown).rstrip()))
    svg = console.export_svg(
        title=f"pyflink-triton {name.partition('-')[0]}", code_format=_SVG.replace("FONT", _FONT), unique_id=f"t-{name}"
    )
    (DOCS / f"command-{name}.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def _run(typed: str, session: Session, directory: Path) -> str:
    """Run a command on a terminal; what it wrote there."""
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 60, _WIDTH, 0, 0))
    _, *arguments = shlex.split(typed)
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "pyflink_triton", *arguments],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        cwd=directory,
        env={**variables, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    os.close(its_end)
    read, until, told = b"", time.monotonic() + _SECONDS, False
    try:
        while time.monotonic() < until:
            try:
                got = os.read(terminal, 65_536)
            except OSError:
                got = b""
            if not got:
                return read.decode()
            read += got
            if session.until and session.until.encode() in read and not told:
                told = True
                process.send_signal(signal.SIGINT)
        raise TimeoutError(typed)
    finally:
        if process.poll() is None and process.wait(30) is None:
            process.kill()
        os.close(terminal)


def _screen(written: str, snapshot: str) -> str:
    """What a terminal shows in the end, and of a line that changes how it was in the middle."""
    lines, row, seen = [""], 0, list[str]()
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row - len(lines) + 1)
        elif part == "\x1b[2K":
            seen += [lines[row]] if snapshot and snapshot in lines[row] else []
            lines[row] = ""
        elif re.fullmatch(r"\x1b\[\d*A", part):
            row -= int(part[2:-1] or 1)
        elif part.endswith("m") or not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return "\n".join([*seen[len(seen) // 2 :][:1], *lines])


def main(names: list[str]) -> None:
    """Make the pictures of these names, or all."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        (directory / "payments.sql").write_text(CHECKED)
        (directory / "long.sql").write_text(LONG)
        (directory / "models").mkdir()
        with TritonServer(write_repository(directory / "served", MODELS), arguments=ARGUMENTS) as server:
            for name in names or SESSIONS:
                draw(name, SESSIONS[name], places(server), directory)


if __name__ == "__main__":
    main(sys.argv[1:])
