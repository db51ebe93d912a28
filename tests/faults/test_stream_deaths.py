"""A backend or a server that dies in the middle of a stream, for each `responses`, in the core and behind each door."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack

import pytest
from doors import STREAM_DOORS, Door, assert_stream, stream_model
from model_repository import MODELS
from scripted import Scripted, script_model
from soak import IS_SOAK
from streams import DEATHS, MODES, OPTIONS, Death
from triton import serving
from waiting import wait_for

#: One way for each death, and each door but one; in full in the soak.
CASES = [
    pytest.param(door, mode, death, id=f"{' '.join(door)} {mode} {death.what}")
    for w, (door, mode) in enumerate(STREAM_DOORS)
    for death, chosen in zip(DEATHS, (9, 4, 12, 19, 25), strict=True)
    if IS_SOAK or w == chosen
]


@pytest.fixture(scope="module")
def two_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Scripted]]:
    models = [model for model in MODELS if model.name == "script"]
    directory = tmp_path_factory.mktemp("script")
    with ExitStack() as stack:
        servers = []
        for n in (0, 1):
            log = directory / f"{n}.log"
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SCRIPT_LOG", str(log))
                servers.append(Scripted(stack.enter_context(serving(directory / str(n), models)), log))
        yield servers
        for server in servers:
            server.kill()


@pytest.fixture
def servers(two_servers: list[Scripted]) -> Iterator[list[Scripted]]:
    """Both servers; the first is started anew, because it has the deaths."""
    for server in two_servers:
        server.log.unlink(missing_ok=True)
    yield two_servers
    two_servers[0].kill()
    two_servers[0].start()


def die(death: Death, servers: Sequence[Scripted], streams: int) -> None:
    """Kill what dies once so many streams have answered once."""
    wait_for(lambda: sum(server.noted("answered") for server in servers) == streams, 60, "streams under way")
    first = servers[0]
    assert first.noted("answered") == streams / len(servers)
    if death.dies == "backend":
        first.kill_backend()
        return
    first.kill()
    if death.returns:
        first.start()


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.what)
def test_in_the_core(death: Death, servers: list[Scripted]) -> None:
    """A model for each `responses` has a stream at each endpoint, so that one death is that of all."""
    servers = servers[: death.endpoints]
    options = {key.replace("-", "_"): value for key, value in {**OPTIONS, **death.options}.items()}

    async def main() -> None:
        async with AsyncExitStack() as stack:
            endpoints = ",".join(server.url for server in servers)
            opened = [script_model(endpoints, responses=mode, **options) for mode in MODES]
            models = [await stack.enter_async_context(each) for each in opened]
            killed = asyncio.to_thread(die, death, servers, len(servers) * len(MODES))
            predictions = asyncio.gather(*(model.predict([death.text] * len(servers)) for model in models))
            outcomes, _ = await asyncio.gather(predictions, killed)
        for mode, outcome in zip(MODES, outcomes, strict=True):
            expected, message = death.outcome(mode)
            assert outcome.parts == [expected] * len(servers), mode
            assert all(message in each for each in outcome.errors.values()), (mode, outcome.errors)
            assert len(outcome.errors) == (len(servers) if message else 0), (mode, outcome.errors)
            retries = outcome.counted["retries"]
            assert outcome.counted["http_requests"] == len(servers) + retries, mode
            # A server that comes back may be ready and refuse one more call.
            assert death.requests - 1 <= retries <= death.requests - 1 + death.returns, mode

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize(("way", "mode", "death"), CASES)
def test_behind_a_door(way: tuple[str, str], mode: str, death: Death, servers: list[Scripted]) -> None:
    servers = servers[: death.endpoints]
    endpoints = ",".join(server.url for server in servers)
    model = stream_model(mode, {**death.options, "endpoint": endpoints})
    door = Door(*way, servers[-1].url)
    with ThreadPoolExecutor() as pool:
        killed = pool.submit(die, death, servers, len(servers))
        answers = door.answers(model, [(death.text,)] * len(servers))
        killed.result()
    assert answers.keys() == set(range(len(servers)))
    for rows in answers.values():
        assert_stream(death, mode, rows)
