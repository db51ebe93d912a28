"""The value behind a secret reference is found nowhere, and the server got it; a literal only where Flink prints it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from checking_proxy import CheckingProxy, checking_proxy
from triton import Triton

from pyflink_triton.server import ports

JOB = Path(__file__).with_name("canary_job.py")
SECONDS = 400


@dataclass(frozen=True)
class Seen:
    """What could be seen of a session: a text for each place.

    Attributes:
        places: What was written down, by the name of the place.
        canaries: The secrets' values.
        proxy: What the server saw.
    """

    places: dict[str, bytes]
    canaries: dict[str, str]
    proxy: CheckingProxy


@pytest.fixture(scope="module")
def seen(triton: Triton, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    directory = tmp_path_factory.mktemp("canary")
    canaries = {name: f"canary{uuid4().hex}" for name in ("file", "env", "broken", "literal", "proxy")}
    secrets, found, logs = (directory / name for name in ("secrets", "found", "logs"))
    for each in (secrets, found, logs):
        each.mkdir()
    (secrets / "file-canary").write_text(canaries["file"] + "\n")
    (secrets / "broken-canary").write_text(f"two\n{canaries['broken']}")
    (directory / "literal").write_text(canaries["literal"])
    required = {
        "literal": ("Authorization", f"Bearer {canaries['literal']}"),
        "token": ("Authorization", f"Bearer {canaries['file']}"),
        "json": ("X-Json", f"key {canaries['env']}"),
        "list": ("X-List", canaries["file"]),
        "own": ("X-Own", canaries["env"]),
    }
    (port,) = ports.choose("localhost", 1, set())
    environment = {
        **os.environ,
        "PYFLINK_TRITON_SECRETS_DIR": str(secrets),
        "PYFLINK_TRITON_SECRET_ENV_CANARY": canaries["env"],
        "NO_PROXY": "127.0.0.1,localhost",
        "FLINK_LOG_DIR": str(logs),
        "ROOT_LOG_LEVEL": "DEBUG",
        "PYTHONASYNCIODEBUG": "1",
        "_python_worker_execution_mode": "process",  # else functions run in the client's own process
    }
    with checking_proxy(triton.http_url, required) as proxy:
        done = subprocess.run(
            [sys.executable, JOB, proxy.url, str(port), directory / "literal", found],
            env={**environment, "HTTP_PROXY": f"http://user:{canaries['proxy']}@{urlsplit(proxy.url).netloc}"},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout.decode()[-5000:]
    places = {path.name: path.read_bytes() for path in found.iterdir()}
    places.update({f"log_{path.name}": path.read_bytes() for path in logs.iterdir()})
    places["output"] = done.stdout
    return Seen(places, canaries, proxy)


def holding(seen: Seen, name: str) -> list[str]:
    """The places where a secret's value is found."""
    canary = seen.canaries[name].encode()
    return [place for place, text in seen.places.items() if canary in text]


def test_the_server_got_every_secret(seen: Seen) -> None:
    assert all(seen.proxy.passed[place] > 0 for place in ("token", "json", "list", "own"))


@pytest.mark.parametrize("name", ["file", "broken"])
def test_a_secret_from_a_file_is_found_nowhere(seen: Seen, name: str) -> None:
    assert holding(seen, name) == []


def test_a_secret_from_the_environment_is_only_in_the_environment_of_flinks_own_processes(seen: Seen) -> None:
    assert holding(seen, "env") == ["proc_environ_own"]
