"""What stands in the way of a release is said, and known vulnerabilities are looked up."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from pyflink_triton import __version__

NOBODY = "http://127.0.0.1:9/v1/querybatch"


def test_both_languages_have_one_version() -> None:
    (version,) = re.findall(r"^  <version>(.*)</version>$", (ROOT / "java-shim" / "pom.xml").read_text(), re.MULTILINE)
    assert version == __version__


def test_the_changelog_begins_with_this_version() -> None:
    sections = re.findall(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0][0] == __version__
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for _, day in sections[1:]), "only the newest may be unreleased"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with what is looked at before anything is built."""
    for name in (".ci/release", "pyflink_triton/version.py", "java-shim/pom.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(f"## {__version__} - unreleased\n")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=directory, check=True)


def commit(directory: Path) -> None:
    git(directory, "add", "-A")
    git(directory, "commit", "-qm", "all")


def refusal(checkout: Path) -> str:
    done = subprocess.run([checkout / ".ci" / "release"], capture_output=True, text=True)
    assert done.returncode == 1
    assert not (checkout / "dist").exists()
    return done.stderr.strip()


def test_what_is_not_ready_is_no_release(checkout: Path) -> None:
    assert refusal(checkout) == f"release: CHANGELOG.md has no section '## {__version__} - YYYY-MM-DD'"
    version = checkout / "pyflink_triton" / "version.py"
    version.write_text('__version__ = "9.9.9"\n')
    assert refusal(checkout) == "release: the checkout has changes that are not committed"
    commit(checkout)
    assert refusal(checkout) == "release: java-shim/pom.xml has another version than pyflink_triton/version.py: 9.9.9"


def audit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_without_a_network_nothing_is_checked_and_that_is_said() -> None:
    done = audit("--url", NOBODY)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"Known vulnerabilities were not checked: {NOBODY} did not answer (")
    assert audit("--url", NOBODY, "--required").returncode == 1


@contextmanager
def advisories(vulnerable: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers as OSV does, of which one package is vulnerable; the URL, and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"])
            results = [{"vulns": [{"id": "X-1"}]} if each["package"]["name"] == vulnerable else {} for each in asked]
            body = json.dumps({"results": results}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()


def test_what_the_jar_holds_and_the_package_needs_is_looked_up() -> None:
    with advisories("com.fasterxml.jackson.core:jackson-databind") as (url, asked):
        done = audit("--url", url)
    assert done.returncode == 1
    assert re.search(
        r"^Maven com\.fasterxml\.jackson\.core:jackson-databind 2\.[\d.]+: X-1$", done.stdout, re.MULTILINE
    )
    assert "1 with vulnerabilities that are not accepted." in done.stdout
    named = {(each["package"]["ecosystem"], each["package"]["name"]) for each in asked}
    expected = {
        ("Maven", "org.apache.arrow:arrow-vector"),
        ("Maven", "ch.randelshofer:fastdoubleparser"),
        ("PyPI", "apache-flink"),
        ("PyPI", "aiohttp"),
        ("PyPI", "py4j"),
    }
    assert expected <= named
    assert ("PyPI", "pytest") not in named
    assert all(each["version"] for each in asked)
