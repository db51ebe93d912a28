"""The embedded Triton and the command: ready when entered, and nothing left however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from model_repository import MODELS, write_repository
from places import SUPPORT
from triton import ARGUMENTS, Triton, call, no_container_engine

from pyflink_triton.server import TritonServer, TritonServerError, log
from pyflink_triton.server.cache import make_once
from pyflink_triton.server.examples import EXAMPLES, Example
from pyflink_triton.server.ready import ready_models

QUICK = (*ARGUMENTS, "--exit-timeout-secs=0")  # does not wait for models to unload
BROKEN_MODEL = "import no_such_module\n"
ADD = [model for model in MODELS if model.name == "add"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the model `add`."""
    return write_repository(tmp_path / "models", ADD)


@pytest.fixture
def broken(repository: Path) -> Path:
    """The same, whose model imports what is not there."""
    (repository / "add" / "1" / "model.py").write_text(BROKEN_MODEL)
    return repository


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        time.sleep(0.02)


def processes(shm_prefix: str) -> list[int]:
    """Return the processes of a server: all name its shared memory in their arguments."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            if shm_prefix.encode() in (directory / "cmdline").read_bytes():
                found.append(int(directory.name))
    return found


def regions(shm_prefix: str) -> list[Path]:
    return list(Path("/dev/shm").glob(f"{shm_prefix}*"))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ports(server: TritonServer) -> list[int]:
    urls = (server.http_url, server.grpc_url, server.metrics_url.removesuffix("/metrics"))
    return [int(url.rpartition(":")[2]) for url in urls]


def assert_gone(server: TritonServer) -> None:
    assert server.pid is None
    assert processes(server.shm_prefix) == []
    assert regions(server.shm_prefix) == []
    assert not any(listens(port) for port in ports(server))


def test_ready_when_entered_gone_when_left(repository: Path) -> None:
    with TritonServer(repository, arguments=ARGUMENTS) as server:
        assert call(server.http_url, "GET", "/v2/models/add/ready") == b""
        assert call(server.metrics_url, "GET", "/metrics")
        assert server.pid in processes(server.shm_prefix)
        assert len(processes(server.shm_prefix)) == 3  # supervisor, tritonserver, the model's stub
        assert regions(server.shm_prefix)
        assert len(set(ports(server))) == 3
        assert all(listens(port) for port in ports(server))
    assert_gone(server)


def test_gone_after_an_exception(repository: Path) -> None:
    with pytest.raises(ZeroDivisionError), TritonServer(repository, arguments=QUICK) as server:
        raise ZeroDivisionError
    assert_gone(server)


def test_restarts_on_the_same_ports(repository: Path) -> None:
    with TritonServer(repository, arguments=QUICK) as server:
        before, pid = ports(server), server.pid
        server.restart()
        assert ports(server) == before
        assert server.pid != pid
        server.kill()
        assert_gone(server)
        server.start()
        assert ports(server) == before
        call(server.http_url, "GET", "/v2/models/add/ready")


def test_starting_twice_is_refused(repository: Path) -> None:
    with (
        TritonServer(repository, arguments=QUICK) as server,
        pytest.raises(TritonServerError, match="runs already"),
    ):
        server.start()


def test_serves_beside_another_server(repository: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(TritonServer(repository, arguments=QUICK)) for _ in range(2)]
        servers[0].stop()
        call(servers[1].http_url, "GET", "/v2/models/add/ready")
        assert regions(servers[1].shm_prefix)


def test_explicit_model_control(repository: Path) -> None:
    with TritonServer(repository, arguments=["--model-control-mode=explicit"]) as server:
        triton = Triton(server.http_url)
        assert triton.index() == {"add": ""}
        triton.load("add")
        assert triton.index() == {"add": "READY"}
        triton.unload("add")
        eventually(lambda: triton.index() == {"add": "UNAVAILABLE"})


PARENT = """
import os, signal, sys
from pyflink_triton.server import TritonServer
server = TritonServer(sys.argv[1], arguments=sys.argv[3:])
server.start()
if sys.argv[2] == "forks" and os.fork() == 0:
    signal.pause()  # holds what the parent had open
print(server.shm_prefix, os.getpid(), server.pid, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("how", ["alone", "forks"])
def test_gone_when_the_parent_is_killed(repository: Path, how: str) -> None:
    command = [sys.executable, "-c", PARENT, str(repository), how, *QUICK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        shm_prefix = parent.stdout.readline().split()[0]
        assert processes(shm_prefix)
        parent.kill()
        parent.wait()
        try:
            eventually(lambda: not processes(shm_prefix) and not regions(shm_prefix))
        finally:
            if how == "forks":
                os.killpg(parent.pid, signal.SIGKILL)


def test_gone_when_the_supervisor_is_killed(repository: Path) -> None:
    with TritonServer(repository, arguments=QUICK) as server:
        assert server.pid is not None
        status = Path(f"/proc/{server.pid}/status").read_text()
        supervisor = int(status.partition("PPid:")[2].split()[0])
        os.kill(supervisor, signal.SIGKILL)
        eventually(lambda: not processes(server.shm_prefix))
    for region in regions(server.shm_prefix):  # nobody was left to do it
        region.unlink()


def test_a_taken_port_is_one_sentence(repository: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TritonServerError) as caught:
            TritonServer(repository, http_port=port).start()
    assert str(caught.value).startswith(f"port {port} on 127.0.0.1, wanted for http, is taken")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("service", ["HTTP", "GRPC", "Metrics"])
def test_a_port_taken_meanwhile_is_recognised(service: str) -> None:
    said = f"failed to start {service} service: Unavailable - Socket '127.0.0.1:8000' already in use "
    line = f'E1123 15:52:04.922920 14836 main.cc:257] "{said}"'
    assert log.says_port_taken(line)
    assert log.relevant_lines(f"I1123 15:52:04.922920 14836 main.cc:1] loading\n{line}\n") == [line]


def test_a_port_among_the_arguments_is_refused(repository: Path) -> None:
    with pytest.raises(TritonServerError, match="--http-port cannot be an argument"):
        TritonServer(repository, arguments=["--http-port=8000"])


def test_a_repository_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TritonServerError, match=r"model repository .*nowhere is not a directory"):
        TritonServer(tmp_path / "nowhere").start()


@pytest.mark.parametrize("name", ["a b", "a'b", "a$b", "a;b", "a&b", "a(b", "é", "a\tb"])
def test_a_path_that_no_model_starts_from_is_one_sentence(tmp_path: Path, name: str) -> None:
    repository = write_repository(tmp_path / name, ADD)
    with pytest.raises(TritonServerError, match=r"model repository .* holds the character") as caught:
        TritonServer(repository, arguments=ARGUMENTS).start()
    assert "symbolic link" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_link_to_such_a_path_serves(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(write_repository(tmp_path / "a b é", ADD))
    with TritonServer(link, arguments=QUICK) as server:
        assert server.pid


def test_other_characters_in_a_path_serve(tmp_path: Path) -> None:
    with TritonServer(write_repository(tmp_path / "a{b}[c]*#~%^!@+=:,-._", ADD), arguments=QUICK) as server:
        assert server.pid


def test_a_model_of_such_a_name_is_named(repository: Path) -> None:
    (repository / "add").rename(repository / "add b")
    with pytest.raises(TritonServerError, match=r"model .*add b/1/model\.py holds the character ' '"):
        TritonServer(repository).start()


def test_a_cache_at_such_a_path_is_named(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYFLINK_TRITON_CACHE", str(tmp_path / "a b"))
    with pytest.raises(TritonServerError, match=r"cache directory .* set PYFLINK_TRITON_CACHE"):
        TritonServer(repository, arguments=ARGUMENTS).start()


def test_a_model_that_does_not_load_is_named_with_the_reason(broken: Path) -> None:
    server = TritonServer(broken, arguments=["--disable-auto-complete-config"])
    with pytest.raises(TritonServerError) as caught:
        server.start()
    message = str(caught.value)
    assert message.startswith("tritonserver ended with exit code 1 before it was ready: model add failed to load")
    assert "No module named 'no_such_module'" in message
    assert str(server.log_path) in message
    assert_gone(server)


def test_a_model_that_does_not_load_can_be_tolerated(broken: Path) -> None:
    arguments = ["--disable-auto-complete-config", "--exit-on-error=false"]
    with TritonServer(broken, arguments=arguments) as server:
        assert Triton(server.http_url).index() == {"add": "UNAVAILABLE"}


def test_a_wrong_argument_is_an_error(repository: Path) -> None:
    with pytest.raises(TritonServerError, match="no-such-option"):
        TritonServer(repository, arguments=["--no-such-option"]).start()


def test_too_slow_a_start_is_an_error(repository: Path) -> None:
    server = TritonServer(repository, startup_timeout=0.001)
    with pytest.raises(TritonServerError, match=r"was not ready within 0\.001 s"):
        server.start()
    assert_gone(server)


def test_models_import_the_requirements(repository: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "tiny_answer-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        metadata = "tiny_answer-1.0.dist-info"
        archive.writestr("tiny_answer.py", "ANSWER = 42\n")
        archive.writestr(f"{metadata}/METADATA", "Metadata-Version: 2.1\nName: tiny-answer\nVersion: 1.0\n")
        archive.writestr(f"{metadata}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{metadata}/RECORD", "")
    model = repository / "add" / "1" / "model.py"
    model.write_text("import numpy, tiny_answer\nassert tiny_answer.ANSWER == 42\n" + model.read_text())
    with TritonServer(repository, arguments=QUICK, requirements=[str(wheel)]) as server:
        call(server.http_url, "GET", "/v2/models/add/ready")


def test_a_requirement_that_cannot_be_had_is_an_error(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(TritonServerError, match=r"pip could not install .*missing\.whl"):
        TritonServer(repository, requirements=[str(tmp_path / "missing.whl")]).start()


MAKER = """
import sys
from pathlib import Path
from pyflink_triton.server.cache import make_once
directory, builds = map(Path, sys.argv[1:])
def build(partial):
    with builds.open("a") as file:
        file.write("build\\n")
    print("building", flush=True)
    sys.stdin.readline()
    (partial / "done").touch()
make_once(directory, "a test", build)
"""


def _maker(directory: Path, builds: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", MAKER, str(directory), str(builds)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_make_a_directory_once(tmp_path: Path) -> None:
    directory, builds = tmp_path / "made", tmp_path / "builds"
    with _maker(directory, builds) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "building\n"
        with _maker(directory, builds) as second:
            assert second.stderr is not None
            assert "waiting for another process" in second.stderr.readline()
            first.communicate("go\n")
            second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert (directory / "done").exists()
    assert builds.read_text() == "build\n"


def test_an_interrupted_making_leaves_nothing_half_made(tmp_path: Path) -> None:
    directory, builds = tmp_path / "made", tmp_path / "builds"
    with _maker(directory, builds) as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()
    assert not directory.exists()
    make_once(directory, "a test", lambda partial: (partial / "done").touch())
    assert [path.name for path in directory.iterdir()] == ["done"]
    assert list(tmp_path.glob("*partial*")) == []


@contextmanager
def _serve(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "pyflink_triton", "serve", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


ANY_PORTS = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")


def _urls(command: "subprocess.Popen[str]") -> dict[str, str]:
    assert command.stdout is not None
    lines = [command.stdout.readline().split(maxsplit=1) for _ in range(5)]
    return {line[0].rstrip(","): line[1].strip() for line in lines}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_until_told_to_end(repository: Path, number: signal.Signals) -> None:
    with _serve(str(repository), *ANY_PORTS, "--", *QUICK) as command:
        urls = _urls(command)
        assert urls["ready"] == "serving add. Ctrl-C ends it"
        call(urls["HTTP"], "GET", "/v2/models/add/ready")
        command.send_signal(number)
        _, errors = command.communicate(timeout=30)
    assert (command.returncode, errors) == (0, "")
    assert not listens(int(urls["HTTP"].rpartition(":")[2]))


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_serve_a_model_to_try(example: Example) -> None:
    with _serve("--example", example.name, *ANY_PORTS, "--", "--exit-timeout-secs=0") as command:
        urls = _urls(command)
        assert urls["ready"] == f"serving {example.name}. Ctrl-C ends it"
        index = json.loads(call(urls["HTTP"], "POST", "/v2/repository/index"))
        assert [model["name"] for model in index if model.get("state") == "READY"] == [example.name]


def test_serve_is_ready_where_no_model_is_or_none_is_listed(repository: Path) -> None:
    with _serve(str(repository), *ANY_PORTS, "--", "--model-control-mode=explicit") as command:
        assert _urls(command)["ready."] == "Ctrl-C ends it"
    assert ready_models("http://127.0.0.1:9") == []


def test_serve_says_why_the_server_ended(repository: Path) -> None:
    with _serve(str(repository), *ANY_PORTS, "--", *QUICK) as command:
        urls = _urls(command)
        server = next(pid for pid in processes(urls["log"][-16:-4]) if "tritonserver" in _program(pid))
        os.kill(server, signal.SIGKILL)
        _, errors = command.communicate(timeout=30)
    assert command.returncode == 1
    assert "tritonserver ended by itself" in errors
    assert "Started HTTPService" in errors


def _program(pid: int) -> str:
    return Path(f"/proc/{pid}/exe").readlink().name


def test_serve_explains_a_failure_without_a_traceback(broken: Path) -> None:
    with _serve(str(broken), *ANY_PORTS) as command:
        _, errors = command.communicate(timeout=60)
    assert command.returncode == 1
    assert errors.startswith("pyflink-triton: tritonserver ended")
    assert "Traceback" not in errors


def test_every_model_of_the_test_repository_is_ready(triton: Triton) -> None:
    assert triton.index() == {model.name: "READY" for model in MODELS}


def test_without_a_container_engine_tests_are_skipped(tmp_path: Path) -> None:
    if no_container_engine() is None:
        pytest.skip("there is a container engine")
    (tmp_path / "test_it.py").write_text("from triton import triton\ndef test_it(triton): pass\n")
    command = [sys.executable, "-m", "pytest", "-rs", "-o", f"pythonpath={SUPPORT}", str(tmp_path)]
    variables = {**os.environ, "PYFLINK_TRITON_TEST_SERVER": "container"}
    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 skipped" in done.stdout
    assert "PYFLINK_TRITON_TEST_SERVER=container needs" in done.stdout
