"""The machine and the versions that figures are of."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pyflink_triton
from benchmarks import jvm

_PACKAGES = ("apache-flink", "tritonclient", "pyarrow", "numpy", "aiohttp", "uvloop", "httptools")


def describe() -> dict[str, Any]:
    """Describe where this runs, and with what."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {each.name.lower(): each.version for each in metadata.distributions()}
    versions = {
        "pyflink-triton": pyflink_triton.__version__,
        "python": platform.python_version(),
        "java": jvm.version(),
    }
    versions |= {package: installed[package] for package in _PACKAGES if package in installed}
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "cpu": cpu[1].strip() if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "commit": commit.stdout.strip(),
        "versions": versions,
    }
