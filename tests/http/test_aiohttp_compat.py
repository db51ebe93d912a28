"""With aiohttp's connector changed on purpose, a model is refused with a sentence; see docs/compat.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.connector import BaseConnector

from pyflink_triton._internals import Library
from pyflink_triton.errors import JobError
from pyflink_triton.http.compat import AIOHTTP, Connector, check_aiohttp
from pyflink_triton.http.proxied_client import ProxiedClient
from pyflink_triton.options.validation import parse_options
from pyflink_triton.remedies import Remedy


async def _with_timeout(self: Any, key: Any, traces: Any, timeout: Any) -> None: ...


def _at_once(self: Any, key: Any, traces: Any) -> None: ...


def _release(self: Any, key: Any, protocol: Any) -> None: ...


def _without_pool(original: Callable[..., None]) -> Callable[..., None]:
    def made(self: Any, **more: Any) -> None:
        original(self, **more)
        del self._conns

    return made


CHANGES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "a newer version": (
        lambda patch: patch.setattr(aiohttp, "__version__", "3.15.0"),
        "its version is not one of 3.11, 3.12, 3.13, 3.14",
    ),
    "an older version": (lambda patch: patch.setattr(aiohttp, "__version__", "3.10.11"), "its version is not one of"),
    "another parameter": (
        lambda patch: patch.setattr(BaseConnector, "_get", _with_timeout),
        "TCPConnector._get takes (self, key, traces, timeout), and (self, key, traces) was expected",
    ),
    "no coroutine": (
        lambda patch: patch.setattr(BaseConnector, "_get", _at_once),
        "TCPConnector._get is not a coroutine function",
    ),
    "a parameter less": (
        lambda patch: patch.setattr(BaseConnector, "_release", _release),
        "TCPConnector._release takes (self, key, protocol)",
    ),
    "a method less": (
        lambda patch: patch.delattr(BaseConnector, "_release"),
        "TCPConnector has no '_release'",
    ),
    "no function": (
        lambda patch: patch.setattr(aiohttp.TCPConnector, "_create_connection", 1),
        "TCPConnector._create_connection is not a function",
    ),
    "requests without a body": (
        lambda patch: patch.delattr(aiohttp.ClientRequest, "body"),
        "ClientRequest has no 'body'",
    ),
    "connections kept elsewhere": (
        lambda patch: patch.setattr(aiohttp.TCPConnector, "__init__", _without_pool(aiohttp.TCPConnector.__init__)),
        "TCPConnector._conns is not a dict",
    ),
}


async def opened() -> None:
    await ProxiedClient(parse_options({"endpoint": "http://127.0.0.1:1", "model-name": "m"}), {}).close()


def test_the_installed_version_is_known() -> None:
    check_aiohttp()
    asyncio.run(opened())
    overridden = {name for name in vars(Connector) if name.startswith("_") and hasattr(BaseConnector, name)}
    internal = {name for name in overridden if not name.startswith("__") and callable(getattr(Connector, name))}
    assert internal == {"_get", "_create_connection", "_release"}


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_refused(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    make, words = CHANGES[change]
    make(monkeypatch)
    with pytest.raises(JobError) as error:
        asyncio.run(opened())
    assert str(error.value).startswith("aiohttp ")
    assert words in str(error.value)
    assert str(error.value).endswith(Remedy.INSTALL_TESTED(requirement=AIOHTTP.tested))


def test_a_version_that_nothing_names_is_refused_all_the_same() -> None:
    message = str(Library("nothing", "no-such-distribution==1.0").refused("it is not there"))
    assert message.startswith("nothing of an unknown version in ")
