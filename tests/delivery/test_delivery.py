"""What a delivery promises: identity, secrets, no second run where none is allowed, connections, the server's life."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import zlib
from collections.abc import Callable

import pytest
from deliveries import MODEL, QUICK, Model, header, model, proxied, request, through, upstream
from fault_proxy import FaultProxy, nobody
from faults import PASS, POISON, Step, page, triton_says
from triton import Triton

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.delivery.signature_guard import SignatureGuard
from pyflink_triton.delivery.warmup import warm_up
from pyflink_triton.errors import (
    ExhaustedError,
    JobError,
    LostError,
    NoSequenceError,
    RowError,
    SignatureError,
    UnavailableError,
)
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.validation import parse_options
from pyflink_triton.protocol.inference import InferenceRequest
from pyflink_triton.runtime.planning import wait_until_ready


def test_every_request_has_an_id_of_its_own_and_keeps_it_when_sent_again(triton: Triton) -> None:
    async def work(one: Model) -> None:
        assert await one.answers(1) == [1]
        assert await one.answers(2) == [2]

    log = through(triton, proxied(triton, page(503)), work).inferences
    ids = [json.loads(call.body[: int(header(call, "Inference-Header-Content-Length") or 0)])["id"] for call in log]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].split("-")[0] == ids[2].split("-")[0]


def test_a_server_fault_names_the_id_of_the_request(triton: Triton) -> None:
    async def work(one: Model) -> None:
        assert "(request " in (await one.predict(POISON)).errors[0]

    through(triton, proxied(triton), work)


def test_nothing_is_sent_that_nobody_asked_for(triton: Triton) -> None:
    async def work(one: Model) -> None:
        await one.answers(1)

    (call,) = through(triton, proxied(triton), work).inferences
    names = {line.partition(b":")[0].decode().lower() for line in call.head.strip().split(b"\r\n")[1:]}
    assert names == {"host", "content-type", "content-length", "inference-header-content-length", "accept-encoding"}
    assert header(call, "Accept-Encoding") == "identity"  # without it a gateway may compress as it likes


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bodies_are_compressed_from_a_size_on(triton: Triton, encoding: str) -> None:
    async def work(one: Model) -> None:
        assert await one.answers(1) == [1]
        assert await one.answers(*range(64)) == list(range(64))

    options = {"compression": encoding, "compression_min_bytes": "500"}
    small, large = through(triton, proxied(triton), work, **options).inferences
    assert header(small, "Content-Encoding") is None
    assert header(large, "Content-Encoding") == encoding
    plain = gzip.decompress(large.body) if encoding == "gzip" else zlib.decompress(large.body)
    assert len(plain) == int(header(large, "Inference-Header-Content-Length") or 0) + 64 * 8


NOT_AGAIN = [
    ("a reset after the request", Step("reset"), None),
    ("an answer cut off", Step("close", cut=-8), None),
    ("a time-out", Step("hang"), None),
    ("a dead backend", triton_says(500, "Stub process 'x' is not healthy."), 500),
    ("the model's own failure", triton_says(500, "it failed"), 500),
    ("the model's own refusal", triton_says(400, "not this row"), 400),
    ("a gateway's 502", page(502), 502),
    ("a gateway's 503", page(503), 503),
    ("a gateway's 504", page(504), 504),
]


@pytest.mark.parametrize(("step", "status"), [each[1:] for each in NOT_AGAIN], ids=[each[0] for each in NOT_AGAIN])
def test_what_may_have_run_and_must_not_run_twice_is_lost(triton: Triton, step: Step, status: int | None) -> None:
    async def work(one: Model) -> None:
        with pytest.raises(LostError, match="must not run twice") as error:
            await one.delivery.send(request(1, resend=False))
        assert error.value.status == status

    assert len(through(triton, proxied(triton, step), work, timeout="300 ms").inferences) == 1


@pytest.mark.parametrize(
    "step",
    [
        triton_says(503, "Exceeds maximum queue size"),
        triton_says(503, "Request timeout expired"),
        triton_says(404, "Request for unknown model: 'm' has no available versions"),
        page(429),
    ],
    ids=["queue full", "too long in the queue", "not loaded", "too many requests"],
)
def test_what_did_not_run_is_sent_again_to_the_same_endpoint(triton: Triton, step: Step) -> None:
    async def work(one: Model) -> None:
        answer = await one.delivery.send(request(1, resend=False, sticky=True))
        assert answer.endpoint.startswith("http://127.0.0.1:")

    assert len(through(triton, proxied(triton, step), work).inferences) == 2


def test_a_refused_request_that_must_not_run_twice_is_the_rows_own_failure(triton: Triton) -> None:
    async def work(one: Model) -> None:
        with pytest.raises(RowError, match="the START flag") as error:
            await one.delivery.send(request(1, resend=False))
        assert error.value.status == 400
        assert isinstance(error.value, NoSequenceError)

    step = triton_says(400, "inference request for sequence 7 must specify the START flag")
    assert len(through(triton, proxied(triton, step), work).inferences) == 1


def test_what_was_never_sent_waits_although_it_must_not_run_twice(triton: Triton) -> None:
    async def main() -> None:
        with nobody() as url:
            async with model(url, triton.http_url, **QUICK, total_timeout="300 ms", timeout="200 ms") as one:
                with pytest.raises(ExhaustedError, match="Connection refused"):
                    await one.delivery.send(request(1, resend=False))

    asyncio.run(main())


def test_a_sticky_request_stays_where_its_first_byte_went(triton: Triton) -> None:
    async def main() -> None:
        bad, good = proxied(triton, *[page(503)] * 2), proxied(triton)
        async with bad, good, model(f"{bad.url},{good.url}", triton.http_url, **QUICK) as one:
            places = [(await one.delivery.send(request(1, sticky=True))).endpoint for _ in range(4)]
            assert set(places) == {bad.url, good.url}
        assert len(bad.inferences) == places.count(bad.url) + 2

    asyncio.run(main())


def test_connections_are_kept_and_replaced_when_they_are_old(triton: Triton) -> None:
    async def work(one: Model) -> None:
        for _ in range(3):
            await one.answers(1)
        await asyncio.sleep(0.3)
        for _ in range(3):
            await one.answers(1)

    def connections(age: str) -> list[int]:
        return [call.connection for call in through(triton, proxied(triton), work, connection_max_age=age).inferences]

    assert connections("5 min") == [1] * 6
    assert connections("200 ms") == [1, 1, 1, 1, 2, 2]
    assert connections("0s") == [1, 2, 3, 4, 5, 6]


def test_proxies_of_the_environment_count_only_where_asked_for(triton: Triton, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(one: Model) -> None:
        await one.answers(1)

    async def main() -> None:
        async with proxied(triton) as proxy:
            for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy"):  # the machine may have its own
                monkeypatch.delenv(name, raising=False)
            monkeypatch.setenv("http_proxy", proxy.url)
            async with model(triton.http_url, triton.http_url) as one:
                await work(one)
            assert proxy.calls == []
            # A host may be written in capitals.
            shouted = triton.http_url.replace("127.0.0.1", "LOCALHOST")
            for count, url in ((1, triton.http_url), (2, shouted)):
                async with model(url, url, proxy_from_environment="true") as one:
                    await work(one)
                assert len(proxy.inferences) == count
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            async with model(triton.http_url, triton.http_url, proxy_from_environment="true") as one:
                await work(one)
            assert len(proxy.inferences) == 2

    asyncio.run(main())


def test_a_server_that_is_away_is_not_stormed(triton: Triton) -> None:
    """300 rows, a request each, the server away for 2 s: one probe at a time asks, and the rows wait unsent."""
    proxy = proxied(triton, *[PASS] * 40, Step("away", seconds=2))

    async def work(one: Model) -> None:
        assert await one.answers(*range(300)) == list(range(300))
        counters, _ = one.taken()
        assert counters["http_requests"] <= 1.2 * 300, proxy.troubles

    options = {"max_batch_size": "1", "max_in_flight_requests": "16", "retry_max_backoff": "2s", "max_retries": "4"}
    through(triton, proxy, work, **options)
    assert len(proxy.calls) <= 1.2 * 300


def test_many_rows_and_mixed_faults_are_each_answered_once_and_right(triton: Triton) -> None:
    """20,000 rows, 1% of the calls with a passing fault, two bad rows in a thousand."""
    chance = random.Random(7)
    faults = (
        Step("reset"),
        Step("close", cut=-8),
        page(503),
        page(429),
        page(504),
        triton_says(503, "Exceeds maximum"),
    )
    steps = [chance.choice(faults) if chance.random() < 0.01 else PASS for _ in range(20_000)]
    proxy = proxied(triton, *steps)
    rows = [-x if x % 500 == 7 else x for x in range(20_000)]

    async def work(one: Model) -> None:
        frames = [rows[start : start + 256] for start in range(0, len(rows), 256)]
        for start in range(0, len(frames), 6):
            done = await asyncio.gather(*[one.answers(*frame) for frame in frames[start : start + 6]])
            for frame, answers in zip(frames[start:], done, strict=False):
                assert answers == [None if x < 0 else x for x in frame]
        counters, _ = one.taken()
        assert (counters["failure"], counters["success"]) == (40, 20_000 - 40)
        assert counters["http_requests"] == len(proxy.inferences)
        ids = [call.body.partition(b",")[0] for call in proxy.inferences]
        assert counters["retries"] == len(ids) - len(set(ids))

    through(triton, proxy, work, max_batch_size="16", max_retries="4")
    assert proxy.troubles == []


def test_a_large_request_that_is_refused_before_it_is_read_is_refused_and_not_broken(triton: Triton) -> None:
    """As gateways do it: 413, and the end of the connection, while the body is still on its way."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.write_eof()
        while await reader.read(1 << 20):  # the gateway lingers, so that the answer is read
            pass
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, model(url, triton.http_url, **QUICK) as one:
            with pytest.raises(RowError) as error:
                await one.delivery.send(request(*range(1 << 20)))
            assert (error.value.status, error.value.splits) == (413, True)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_model_that_is_unloaded_and_loaded_again_costs_no_row(own_triton: Callable[..., Triton]) -> None:
    triton = own_triton(MODEL)

    async def main() -> None:
        async with model(triton.http_url, triton.http_url, **QUICK) as one:
            assert await one.answers(1) == [1]
            await asyncio.to_thread(triton.unload, MODEL)
            waiting = asyncio.ensure_future(one.answers(*range(64)))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            await asyncio.to_thread(triton.load, MODEL)
            assert await asyncio.wait_for(waiting, 20) == list(range(64))

    asyncio.run(main())


def test_a_server_that_restarts_costs_no_row(own_triton: Callable[..., Triton]) -> None:
    triton = own_triton(MODEL)
    assert triton.server is not None
    restart = triton.server.restart

    async def main() -> None:
        async with model(triton.http_url, triton.http_url, **QUICK, max_batch_size="1") as one:
            sending = asyncio.ensure_future(one.answers(*range(2000)))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(restart)
            assert await asyncio.wait_for(sending, 60) == list(range(2000))

    asyncio.run(main())


class Described:
    """Tells a signature as often as it is asked."""

    def __init__(self, *found: ModelSignature | Exception) -> None:
        self._found = list(found)
        self.asked = 0

    async def __call__(self, base: str) -> ModelSignature:
        self.asked += 1
        found = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(found, Exception):
            raise found
        return found


def test_a_changed_signature_is_found_by_one_look_for_many_refusals() -> None:
    old, new = ModelSignature("m", (), (), 64), ModelSignature("m", (), (), 8)
    now = [0.0]

    async def main() -> None:
        described = Described(old, UnavailableError("away"), new)
        guard = SignatureGuard(described, old, lambda: now[0])
        await asyncio.gather(*[guard.check("http://a", 10.0) for _ in range(20)])
        assert described.asked == 1
        now[0] = 5.0
        await guard.check("http://a", 10.0)  # away
        await guard.check("http://a", 10.0)
        assert described.asked == 2
        now[0] = 5.5
        with pytest.raises(SignatureError, match="at http://a: it takes 8 rows in a request, and took 64"):
            await guard.check("http://a", 10.0)

    asyncio.run(main())


@pytest.mark.parametrize("status", [404, 501])
def test_a_code_of_the_models_own_is_believed_only_where_the_model_is_there(triton: Triton, status: int) -> None:
    """Something in front of the server may use the same form."""

    async def work(one: Model) -> None:
        with pytest.raises(JobError, match=f"HTTP {status}.*no route"):
            await one.answers(1)

    elsewhere = FaultProxy(upstream(triton.http_url), always=triton_says(status, "no route"), hidden={"": 404})
    through(triton, elsewhere, work, default_value="null")


def test_the_signature_is_looked_at_where_the_refusal_came_from(triton: Triton) -> None:
    asked: list[str] = []

    async def recheck(base: str, _: float, words: str) -> bool:
        asked.append(base)
        raise SignatureError("it has changed")

    async def work(one: Model) -> None:
        one.delivery._recheck = recheck
        for _ in range(4):
            await one.answers(1)

    refusing = proxied(triton, always=page(400))

    async def main() -> None:
        async with proxied(triton) as other, refusing, model(f"{other.url},{refusing.url}", triton.http_url) as one:
            with pytest.raises(SignatureError):
                await work(one)

    asyncio.run(main())
    assert asked == [refusing.url]


def test_a_look_at_the_signature_takes_no_longer_than_the_rows_have(triton: Triton) -> None:
    async def never(_: str) -> ModelSignature:
        await asyncio.sleep(60)
        raise AssertionError

    async def work(one: Model) -> None:
        one.delivery._recheck = SignatureGuard(never, ModelSignature("m", (), (), 64)).check
        began = asyncio.get_running_loop().time()
        assert await one.answers(1) == [None]
        assert asyncio.get_running_loop().time() - began < 30

    through(triton, proxied(triton, always=page(400)), work, timeout="200 ms", total_timeout="400 ms")


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_fault_that_comes_compressed_is_the_fault_that_its_status_says(triton: Triton, encoding: str) -> None:
    async def work(one: Model) -> None:
        assert await one.answers(1) == [1]

    busy = page(503, f"Content-Encoding: {encoding}")
    assert len(through(triton, proxied(triton, busy, busy), work).inferences) == 3


@pytest.mark.parametrize("seconds", ["300 ms", "0 ms"])
def test_a_job_waits_for_a_server_that_never_answers_no_longer_than_warmup_timeout(seconds: str) -> None:
    async def main() -> None:
        async with await asyncio.start_server(_hang, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            written = {"endpoint": f"http://{host}:{port}", "model-name": "m", "warmup-timeout": seconds}
            options = parse_options({**written, "timeout": "60 s" if seconds != "0 ms" else "100 ms"})
            async with ModelClient(options) as client:
                with pytest.raises(UnavailableError, match="the option 'warmup-timeout'"):
                    await asyncio.wait_for(wait_until_ready(client, options), 30)

    asyncio.run(main())


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


def test_a_refusal_looks_at_the_signature_once(triton: Triton) -> None:
    async def work(one: Model) -> None:
        for _ in range(5):
            assert await one.answers(1) == [None]

    log = through(triton, proxied(triton, always=page(400)), work)
    model = "/v2/models/fails"
    others = [call.path for call in log.calls if not call.is_inference]
    assert sorted(others) == ["/v2", model, f"{model}/config", f"{model}/ready"]
    assert len(log.inferences) == 5


@pytest.mark.parametrize("name", ["multi", "types_array", "types_nested_nobatch", "optional", "identity_bytes_matrix"])
def test_warming_up_sends_one_request_of_zeros(triton: Triton, name: str) -> None:
    async def main() -> None:
        options = parse_options({"endpoint": triton.http_url, "model-name": name})
        async with ModelClient(options) as client:
            signature = await client.signature()
            metrics = Metrics()
            delivery = Delivery(options, client.transport, metrics)
            request = InferenceRequest((), signature.outputs, {})
            assert await warm_up(delivery, signature, request, 30.0) is None
            await delivery.close()
        taken = metrics.take()
        assert taken is not None
        assert taken["counters"]["http_requests"] == 1

    asyncio.run(main())


def test_a_warm_up_that_fails_is_a_warning(triton: Triton) -> None:
    async def work(one: Model) -> None:
        warning = await one.predictor.warm_up(0.3)
        assert warning is not None
        assert "HTTP 503" in warning

    through(triton, proxied(triton, always=page(503)), work)


def test_health_checks_ask_for_the_model(triton: Triton) -> None:
    async def work(one: Model) -> None:
        await asyncio.sleep(0.3)
        assert await one.answers(1) == [1]

    log = through(triton, proxied(triton), work, health_check_enabled="true", health_check_interval="20 ms")
    asked = {call.head.split(b" ")[1] for call in log.calls if not call.is_inference}
    assert asked == {f"/v2/models/{MODEL}/ready".encode()}


def test_cancelled_requests_leave_nothing_behind(triton: Triton) -> None:
    async def work(one: Model) -> None:
        task = asyncio.ensure_future(one.answers(*range(64)))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await one.answers(1) == [1]
        assert one.taken()[1]["in_flight"] == 0

    options = {"max_in_flight_requests": "1", "circuit_breaker_enabled": "true", "timeout": "2s"}
    through(triton, proxied(triton, Step("hang")), work, **options)
