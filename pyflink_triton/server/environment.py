"""The Python environment of tritonserver: made once, in the user's cache, and then used offline."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyflink_triton.server.cache import cache_directory, make_once
from pyflink_triton.server.errors import TritonServerError
from pyflink_triton.server.libpython import libpython_directory

_SERVER_WHEEL = "nvidia-pytriton==0.7.0"  # holds tritonserver 2.51.0
_NUMPY = "numpy==1.26.4"  # with numpy 2 the stub crashes on BYTES tensors
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class TritonEnvironment:
    """Where tritonserver is, and all that it needs."""

    root: Path
    libpython: Path | None  # the directory of libpython, None where the loader finds it by itself

    @property
    def packages(self) -> Path:
        """The site-packages directory."""
        return _site_packages(self.root)

    @property
    def tritonserver(self) -> Path:
        """The server's program."""
        return self.packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    @property
    def backends(self) -> Path:
        """The directory of the backends."""
        return self.packages / "pytriton" / "tritonserver" / "backends"

    def variables(self, models: Path) -> dict[str, str]:
        """Build the environment variables of a server.

        Args:
            models: The root of the environment that the models' code runs in.

        Returns:
            This process's variables, changed so that the server finds its libraries, and the models'
            code finds its packages and none of this process.
        """
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        libraries = [str(self.packages / "nvidia_pytriton.libs")]
        libraries += [str(self.libpython)] if self.libpython else []
        libraries += [variables["LD_LIBRARY_PATH"]] if variables.get("LD_LIBRARY_PATH") else []
        variables["LD_LIBRARY_PATH"] = ":".join(libraries)
        # The backend's stub ignores PYTHONPATH: it runs in the environment of the first python3 in PATH.
        variables["PATH"] = f"{models / 'bin'}:{variables.get('PATH', os.defpath)}"
        variables["VIRTUAL_ENV"] = str(models)
        # Each model instance is a process, and threads in each would compete for the CPUs.
        variables.setdefault("OMP_NUM_THREADS", "1")
        variables.setdefault("OPENBLAS_NUM_THREADS", "1")
        return variables


def ensure_environment() -> TritonEnvironment:
    """Return the server's environment, and make it first if it does not exist.

    Returns:
        The environment.

    Raises:
        TritonServerError: It cannot be made: the wrong platform or Python, no libpython, pip failed.
    """
    if sys.platform != "linux":
        raise TritonServerError(f"tritonserver does not run on {sys.platform}, only on Linux: use its container there")
    libpython = libpython_directory()
    key = hashlib.sha256(f"{_SERVER_WHEEL} {_NUMPY} {sys.base_prefix} {sys.version}".encode()).hexdigest()[:12]
    root = cache_directory() / "environments" / f"{_SERVER_WHEEL.replace('==', '-')}-cp{_PYTHON}-{key}"
    make_once(root, "tritonserver 2.51.0, a download of about 75 MB and some 230 MB on disk, once", _build_environment)
    return TritonEnvironment(root, libpython)


def ensure_model_environment(server: TritonEnvironment, requirements: Sequence[str]) -> Path:
    """Return the environment that models run in, and make it first if it does not exist.

    Args:
        server: The server's own environment, whose packages models can import too.
        requirements: What pip installs, too. Equal requirements share an environment.

    Returns:
        Its root: the server's own where there are no requirements.

    Raises:
        TritonServerError: pip failed.
    """
    if not requirements:
        return server.root
    wanted = sorted(set(requirements))
    key = hashlib.sha256("\n".join([server.root.name, *wanted]).encode()).hexdigest()[:12]
    root = cache_directory() / "models" / key

    def build(directory: Path) -> None:
        venv.EnvBuilder(symlinks=True).create(directory)
        packages = _site_packages(directory)
        _pip_install(_pip_of(server.root), packages, wanted, constraint=_NUMPY)
        (packages / "server.pth").write_text(f"{server.packages}\n")

    make_once(root, f"packages for models: {' '.join(wanted)}", build)
    return root


def _site_packages(root: Path) -> Path:
    return root / "lib" / f"python{_PYTHON}" / "site-packages"


def _build_environment(root: Path) -> None:
    has_pip = importlib.util.find_spec("pip") is not None
    venv.EnvBuilder(symlinks=True, with_pip=not has_pip).create(root)
    made = TritonEnvironment(root, None)
    _pip_install(_pip_of(root), made.packages, ["--no-deps", _SERVER_WHEEL, _NUMPY])
    stub = made.backends.parent / "python_backend_stubs" / _PYTHON / "triton_python_backend_stub"
    if not stub.exists():
        raise TritonServerError(f"{_SERVER_WHEEL} has no python backend for Python {_PYTHON}: use 3.10, 3.11 or 3.12")
    shutil.copy2(stub, made.backends / "python" / stub.name)


def _pip_of(root: Path) -> str:
    """Return a Python that has pip: this one, else that of the environment being made."""
    return sys.executable if importlib.util.find_spec("pip") else str(root / "bin" / "python")


def _pip_install(python: str, target: Path, arguments: list[str], constraint: str | None = None) -> None:
    options = [
        "--no-input",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--target",
        str(target),
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        if constraint:
            constraints.write(constraint + "\n")
            constraints.flush()
            options += ["--constraint", constraints.name]
        command = [python, "-m", "pip", "install", *options, *arguments]
        # pip reports its progress on this process's stderr.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, check=False)
    if done.returncode:
        wanted = " ".join(argument for argument in arguments if not argument.startswith("-"))
        raise TritonServerError(
            f"pip could not install {wanted} with {python}, and the reason is on stderr, just above; "
            "if no package index can be reached, set pip's index-url or find-links, and try again"
        )
