"""Fault proxies in a thread of their own, for jobs that the test itself waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from deliveries import upstream
from fault_proxy import FaultProxy, full_queue, nobody
from faults import Case


@dataclass(frozen=True)
class Places:
    """The places that a case's endpoint may name.

    Attributes:
        urls: Their names and URLs.
        proxies: The proxies among them.
    """

    urls: Mapping[str, str]
    proxies: tuple[FaultProxy, ...]

    def endpoint(self, case: Case) -> str:
        """What the option `endpoint` takes."""
        return case.endpoint.format(**self.urls)

    @property
    def calls(self) -> int:
        """How many inferences came."""
        return sum(len(proxy.inferences) for proxy in self.proxies)


@contextmanager
def loop_in_a_thread() -> Iterator[Any]:
    """An event loop that turns while the test does something else: a function that runs a coroutine there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    try:
        yield run
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def background_proxy(url: str, **faults: Any) -> Iterator[FaultProxy]:
    """A proxy in front of a server.

    Args:
        url: The server's.
        faults: Fields of the proxy.
    """
    with loop_in_a_thread() as run:
        proxy = FaultProxy(upstream(url), apart=True, **faults)
        run(proxy.__aenter__())
        try:
            yield proxy
        finally:
            run(proxy.__aexit__())


@contextmanager
def places_of(case: Case, url: str) -> Iterator[Places]:
    """The places of a case.

    Args:
        case: What goes wrong.
        url: The Triton's.
    """
    with ExitStack() as stack:
        made = {"steps": case.steps, "always": case.always, "poison": case.poison}
        proxy = stack.enter_context(background_proxy(url, **made))
        other = stack.enter_context(background_proxy(url))
        urls = {"proxy": proxy.url, "other": other.url}
        urls["nobody"] = stack.enter_context(nobody())
        urls["full_queue"] = stack.enter_context(full_queue())
        yield Places(urls, (proxy, other))
