"""The server's limit: `wrk`, a client in C, sends one recorded request again and again."""

from __future__ import annotations

import http.client
import os
import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.clients.raw import MOST_BYTES, request_bytes, response_sums
from benchmarks.cpu import measured
from benchmarks.workloads import WORKLOADS, Workload
from pyflink_triton.server.cache import cache_directory, make_once

CONNECTIONS = (2, 4, 8, 16)
_PACKAGES = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")
_LUA = """
local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.headers["Inference-Header-Content-Length"] = "{header}"
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def run(url: str, workload: str, rows: int, rate: float, connections: int, server: int | None) -> Any:
    """Let wrk send the recorded request for as long as so many rows take.

    Args:
        url: The server's endpoint.
        workload: The workload's name.
        rows: How many rows, about: wrk counts in whole seconds.
        rate: Rows a second that are expected.
        connections: How many.
        server: tritonserver's process.

    Returns:
        ``rows``, ``seconds``, ``cpu``, and the ``sums`` of one answer and its ``summed_rows``: all requests are equal.

    Raises:
        RuntimeError: There is no wrk, or it was answered with an error.
    """
    what, cpu = WORKLOADS[workload], dict[str, float]()
    batch = what.max_batch
    wrk, libraries = _wrk()
    with tempfile.TemporaryDirectory() as directory:
        body, header = request_bytes(what, batch)
        script = Path(directory) / "post.lua"
        recorded = Path(directory) / "request"
        recorded.write_bytes(body)
        script.write_text(_LUA.format(body=recorded, header=header))
        sums = _ask_once(url, what, body, header)
        command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(rows / rate))}s", f"-s{script}", "--timeout=30s"]
        with measured(server, cpu, resource.RUSAGE_CHILDREN):
            done = subprocess.run(
                [*command, f"{url}/v2/models/{what.model}/infer"],
                env={**os.environ, "LD_LIBRARY_PATH": libraries},
                capture_output=True,
                text=True,
                check=False,
            )
    said = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", done.stdout)
    if said is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"wrk could not measure: {done.stdout[-300:]} {done.stderr[-300:]}")
    requests = int(said[1])
    return {
        "rows": requests * batch,
        "seconds": float(said[2]) * _UNITS[said[3]],
        "cpu": cpu,
        "sums": sums,
        "summed_rows": batch,
    }


def search(url: str, workload: str) -> Any:
    """Try numbers of connections for a second each; return the fastest, ``connections`` and ``rate``."""
    tried = []
    for connections in CONNECTIONS:
        if connections * WORKLOADS[workload].max_batch * WORKLOADS[workload].row_bytes > MOST_BYTES:
            continue
        done = run(url, workload, 1, 1, connections, None)
        tried.append({"connections": connections, "rate": done["rows"] / done["seconds"]})
    return max(tried, key=lambda each: each["rate"])


def _ask_once(url: str, what: Workload, body: bytes, header: int | None) -> list[float]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(header)}
    connection.request("POST", f"/v2/models/{what.model}/infer", body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"the recorded request was answered with {response.status}: {text[:200]!r}")
    length = response.getheader("Inference-Header-Content-Length")
    return response_sums(what, text, None if length is None else int(length))


def _wrk() -> tuple[str, str]:
    """The program, and where its libraries are: the machine's, else Debian's package, unpacked beside Triton."""
    found = shutil.which("wrk")
    if found is not None:
        return found, os.environ.get("LD_LIBRARY_PATH", "")
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise RuntimeError("there is no wrk on this machine: install it, or leave out the server's limit")
    root = cache_directory() / "wrk"
    make_once(root, "wrk, from Debian", _unpack)
    return str(root / "usr/bin/wrk"), str(next(root.glob("usr/lib/*-linux-gnu")))


def _unpack(root: Path) -> None:
    done = subprocess.run(["apt-get", "download", *_PACKAGES], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"wrk could not be downloaded (apt-get install wrk): {done.stderr.strip()[-300:]}")
    for package in root.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
