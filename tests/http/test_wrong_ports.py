"""An endpoint that is not Triton's HTTP port: what is said names what answers there, and what to write instead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from certificates import Authority, serving
from deliveries import upstream
from fault_proxy import FaultProxy
from model_repository import MODELS
from triton import Triton
from triton import serving as serving_models

from pyflink_triton.errors import TritonError
from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import open_model
from pyflink_triton.runtime.planning import DeclaredModel, check, describe, list_models

COLUMN: list[ColumnType] = [{"name": "x", "type": "BIGINT"}]


def asked(url: str, **options: str) -> OpenRequest:
    written = {"endpoint": url, "model-name": "dbl", "timeout": "5s", **options}
    return {"model": "m", "options": written, "input": COLUMN, "output": COLUMN}


async def opened(url: str) -> None:
    """As where nothing was asked when the statement was planned."""
    written = {"plan-check": "off", "max-batch-size": "8", "warmup-timeout": "0 s"}
    model = await open_model(asked(url, **written), Metrics())
    try:
        await model.predict(pa.record_batch([pa.array([1], pa.int64())], names=["c0"]))
    finally:
        await model.close()


async def listed(url: str) -> None:
    await list_models({"options": {"endpoint": url, "timeout": "5s"}})


ASKING: dict[str, Callable[[str], Awaitable[Any]]] = {
    "plan": lambda url: check(DeclaredModel.parse(asked(url))),
    "describe": lambda url: describe({"model": "m", "options": asked(url)["options"], "output": COLUMN}),
    "open": opened,
    "list": listed,
}


@asynccontextmanager
async def web(answer: bytes) -> Any:
    """A server that answers so whatever it is asked."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answered, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def page(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status.encode(), len(body), body)


#: What else may answer, and what is said of it; asked for its models it says something else.
NOT_HTTP = "is not Triton's HTTP port"
PLACES: dict[str, tuple[str, str]] = {
    "metrics": ("is Triton's metrics port", "is Triton's metrics port"),
    "grpc": ("is a gRPC port", "is a gRPC port"),
    "site": (NOT_HTTP, NOT_HTTP),
    "other service": ("does not follow the KServe v2 protocol", NOT_HTTP),
    "absent": ("HTTP 404 for /v2/models/dbl", "HTTP 404 for /v2/repository/index: '<html>"),
    "https for http": ("write the option 'endpoint' with http. If", "write the option 'endpoint' with http. If"),
    "https for grpc": ("is a gRPC port", "is a gRPC port"),
    "https for metrics": ("write the option 'endpoint' with http. If", "write the option 'endpoint' with http. If"),
    "http for https": ("Write the option 'endpoint' with https", "Write the option 'endpoint' with https"),
    "http for https of clients": ("Write the option 'endpoint' with https", "Write the option 'endpoint' with https"),
}


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("place", PLACES)
def test_what_answers_there_is_named_with_what_to_write(triton: Triton, tmp_path: Path, place: str, ask: str) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            await ASKING[ask](await url_of(place, triton, tmp_path, stack))

    with pytest.raises(TritonError) as error:
        asyncio.run(asyncio.wait_for(main(), 60))
    sentence = str(error.value)
    assert PLACES[place][ask == "list"] in sentence
    assert "endpoint" in sentence
    assert "best-effort" not in sentence or place in ("https for http", "https for metrics", "absent")


async def url_of(place: str, triton: Triton, directory: Path, stack: AsyncExitStack) -> str:
    if place == "metrics":
        assert triton.metrics_url is not None
        return triton.metrics_url.removesuffix("/metrics")
    if place == "grpc":
        return f"http://{triton.grpc_url}"
    if place.startswith("https for"):
        assert triton.metrics_url is not None
        metrics = triton.metrics_url.split("/")[2]
        addresses = {"http": triton.address, "grpc": triton.grpc_url, "metrics": metrics}
        return f"https://{addresses[place.removeprefix('https for ')]}"
    if place.startswith("http for https"):
        authority = Authority(directory)
        tls = serving(authority.sign("server"), authority.pem if place.endswith("clients") else None)
        proxy = await stack.enter_async_context(FaultProxy(upstream(triton.http_url), tls=tls))
        return proxy.url.replace("https:", "http:")
    answers = {
        "site": page("200 OK", b"<html>welcome</html>"),
        "other service": page("200 OK", b'{"status": "ok"}'),
        "absent": page("404 Not Found", b"<html>no such page</html>"),
    }
    url: str = await stack.enter_async_context(web(answers[place]))
    return url


def test_a_server_that_is_away_is_not_taken_for_another(triton: Triton) -> None:
    """One that hangs up speaks no TLS."""

    async def main() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            await ASKING["plan"](f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    with pytest.raises(TritonError, match="broke before an answer") as error:
        asyncio.run(asyncio.wait_for(main(), 60))
    assert "https" not in str(error.value)


def test_a_port_of_grpc_over_tls_is_named_once_it_is_trusted(tmp_path: Path) -> None:
    """Before, its certificate is what is wrong: nothing more is asked."""
    authority = Authority(tmp_path)
    shown = authority.sign("server")
    tls = ("--grpc-use-ssl=1", f"--grpc-server-cert={shown.pem}", f"--grpc-server-key={shown.key}")
    models = [model for model in MODELS if model.name == "identity_fp32"]
    with serving_models(tmp_path, models, *tls) as triton:
        for options, words in (({}, "issuer certificate"), ({"tls-ca-file": str(authority.pem)}, "is a gRPC port")):
            with pytest.raises(TritonError, match=words):
                asyncio.run(check(DeclaredModel.parse(asked(f"https://{triton.grpc_url}", **options))))
