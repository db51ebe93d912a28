"""How a request reaches the model: retries, deadlines, endpoints, load; and what its failure means."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying

from pyflink_triton._units import format_duration
from pyflink_triton.delivery.concurrency_limit import Slots
from pyflink_triton.delivery.endpoints import Endpoint, Endpoints
from pyflink_triton.delivery.error_messages import answered, no_answer, said, where
from pyflink_triton.delivery.failure_policy import FAULTS, Behaviour, Then, of_status
from pyflink_triton.delivery.prepared_request import Letter, write_letter
from pyflink_triton.delivery.readiness_probe import Probe
from pyflink_triton.delivery.request import Answer, Delivers, Request
from pyflink_triton.delivery.retries import Passing, Retries, retry_after
from pyflink_triton.errors import ContractError, ExhaustedError, LostError, TooManyRowsError, TritonError
from pyflink_triton.http.connections import Body
from pyflink_triton.http.transport import CallError, Reply, Transport
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.options import Options

__all__ = ["Answer", "Delivers", "Delivery", "Request"]

_HELD_BACK = Behaviour(Then.WAIT, nothing_ran=True)


class Delivery:
    """Delivers a model's requests to its endpoints.

    Args:
        options: The model's options.
        transport: What makes the calls; stays the caller's to close, after the delivery.
        metrics: Where calls are counted.
        recheck: Called with the base URL of an endpoint that answered 400 or 404, the seconds that it may take, and
            what was answered; raises where the model there is not the one that was planned.
        hides_readiness: Whether 404 says nothing about readiness, because something in front of the server hides it.
    """

    def __init__(
        self,
        options: Options,
        transport: Transport,
        metrics: Metrics,
        recheck: Callable[[str, float, str], Awaitable[None]] | None = None,
        *,
        hides_readiness: bool = False,
    ) -> None:
        self._options = options
        self._transport = transport
        self._metrics = metrics
        self._recheck = recheck
        self._loop = asyncio.get_running_loop()
        self._slots = Slots(options.max_in_flight_requests, options.timeout)
        probe = Probe(options, transport, hides_readiness)
        self._endpoints = Endpoints(options, probe.ask, metrics, self._loop.time)
        self._prefix = os.urandom(4).hex()
        self._numbers = itertools.count(1)
        self._row_timeout = options.row_timeout
        if options.health_check_enabled:
            self._endpoints.watch()

    async def close(self) -> None:
        """End probes and health checks."""
        await self._endpoints.close()

    async def send(self, request: Request) -> Answer:
        """Send one request; see ``Delivers.send``."""
        letter = await write_letter(request, f"{self._prefix}-{next(self._numbers)}", self._options)
        try:
            return await self._attempt(letter, None)
        except Passing as first:
            return await self._again(letter, first)

    async def _again(self, letter: Letter, first: Passing) -> Answer:
        """Send a request again that failed for a passing reason."""
        retries = Retries(self._options, lambda: self._remaining(letter.request))
        made: Passing | None = first
        try:
            async for attempt in AsyncRetrying(retry=retries.again, wait=retries.wait):
                with attempt:
                    if made is not None:  # tenacity begins with an attempt, and that one was made
                        failed, made = made, None
                        raise failed
                    return await self._attempt(letter, retries.last)
        except Passing as last:
            raise self._given_up(letter, last) from None
        raise AssertionError("the loop above returns or raises")

    def _given_up(self, letter: Letter, last: Passing) -> TritonError:
        if last.behaviour.then is not Then.RETRY and last.behaviour.then is not Then.WAIT:
            return last.behaviour.error(last.message, status=last.status)
        times = f"sent {letter.calls} time{'s' * (letter.calls != 1)}"
        limit = f"'total-timeout' allows {format_duration(self._row_timeout)}"
        if self._remaining(letter.request) > 0.0:
            limit = f"'max-retries' is {self._options.max_retries}"
        return ExhaustedError(f"{last.message} ({times}; the option {limit})", status=last.status)

    async def _attempt(self, letter: Letter, last: Passing | None) -> Answer:
        """Make one call; raises Passing where another may follow."""
        request = letter.request
        endpoint = await self._admit(request, last)
        remaining = self._remaining(request)
        limit = min(self._options.timeout, remaining)
        generation = self._transport.credentials.generation
        reply, behaviour = await self._call(letter, endpoint, limit)
        if behaviour is None:
            assert isinstance(reply, Reply)
            return Answer(reply.headers, reply.body, endpoint.base)
        is_sent = isinstance(reply, Reply) or reply.sent
        if request.sticky and is_sent:
            request.endpoint = endpoint.base
        if isinstance(reply, CallError):
            status, after, free = None, 0.0, "stale" if reply.stale else None
            message = no_answer(reply, endpoint.base, limit)
        else:
            status, after, free = reply.status, retry_after(reply.headers), None
            message = answered(self._options, endpoint.base, reply)
            if status >= 500:
                message += f" (request {letter.name})"
            if status in (401, 403) and self._transport.credentials.renew(generation):
                free = "renewed"
            if status in (400, 404) and self._recheck is not None:
                seconds = min(self._options.timeout, max(self._remaining(request), 0.0))
                await self._recheck(endpoint.base, seconds, message)
        if behaviour.then is Then.JOB and free is None:
            raise behaviour.error(message, status=status)
        is_harmless = request.resend or not is_sent or free == "renewed"
        if not is_harmless and (request.has_steps or not behaviour.nothing_ran):
            raise LostError(f"{message}. It may have run, and must not run twice", status=status)
        if behaviour.then is Then.ROW and (request.rows > 1 or not behaviour.retries):
            raise behaviour.row_error(message, status, endpoint.base)
        if behaviour.then is Then.WAIT:
            endpoint.trouble = message
        raise Passing(behaviour, message, status, endpoint, after, free)

    async def _call(
        self, letter: Letter, endpoint: Endpoint, limit: float
    ) -> tuple[Reply | CallError, Behaviour | None]:
        """Make one call and account for it; without a behaviour it is an answer."""
        breaker = endpoint.breaker
        ticket = breaker.enter() if breaker is not None else None
        if letter.calls:
            self._metrics.retry()
        letter.calls += 1
        self._metrics.begin(letter.request.rows)
        endpoint.in_flight += 1
        begun = self._slots.round
        failed: bool | None = None
        began = time.perf_counter()
        try:
            reply = await self._transport.call(
                "POST",
                endpoint.infer,
                body=Body(letter.buffers),
                headers=letter.headers,
                timeout=None if limit == self._options.timeout else max(limit, 0.001),
            )
            if reply.status == 200:
                failed = False
                self._endpoints.answered(endpoint)
                self._slots.answered(begun, letter.request.rows, time.perf_counter() - began)
                return reply, None
            behaviour = of_status(reply.status, said(reply))
            failed = True if behaviour.counts else None if behaviour.slows or behaviour.then is Then.WAIT else False
            self._learn(endpoint, behaviour, begun)
            return reply, behaviour
        except CallError as error:
            behaviour = FAULTS[error.fault]
            if not error.stale:
                failed = True if behaviour.counts else None
                self._learn(endpoint, behaviour, begun)
            return error, behaviour
        except ContractError as error:
            raise ContractError(f"{where(self._options, endpoint.base)}: {error}", status=error.status) from None
        finally:
            self._metrics.end(time.perf_counter() - began)
            endpoint.in_flight -= 1
            self._give(letter.request)
            if ticket is not None:
                self._endpoints.leave(endpoint, ticket, failed)

    def _learn(self, endpoint: Endpoint, behaviour: Behaviour, begun: int) -> None:
        """What a failure says about the endpoint and about load."""
        if behaviour.then is Then.WAIT:
            self._endpoints.unreachable(endpoint)
        elif behaviour.probes:
            self._endpoints.suspect(endpoint)
        if behaviour.counts:
            self._endpoints.failed(endpoint)
        if behaviour.slows:
            self._slots.slower(begun)

    async def _admit(self, request: Request, last: Passing | None) -> Endpoint:
        """Wait for an endpoint and a slot; the rows' time begins here at the latest."""
        avoid = None if last is None else last.endpoint
        while True:
            if not (request.urgent or self._slots.try_take() or await self._take_slot(request, last)):
                continue
            endpoint = self._endpoints.choose(request.endpoint, avoid)
            if endpoint is not None:
                if fewer := request.limits and request.limits.refuse(endpoint.base, request.rows, request):
                    self._give(request)
                    raise TooManyRowsError(fewer)
                if request.deadline is None:
                    request.deadline = self._loop.time() + self._row_timeout
                elif self._remaining(request) <= 0.0:
                    self._give(request)
                    raise self._late(request, last)
                return endpoint
            self._give(request)
            await self._hold_back(request, last)

    def _give(self, request: Request) -> None:
        if not request.urgent:
            self._slots.give()

    async def _take_slot(self, request: Request, last: Passing | None) -> bool:
        """Queue for a slot: unlimited before the first sending, and ahead of the others after it."""
        if self._endpoints.choose(request.endpoint) is None:
            await self._hold_back(request, last)
            return False
        is_under_way = request.deadline is not None
        if await self._slots.take(is_under_way, self._remaining(request) if is_under_way else None):
            return True
        raise self._late(request, last)

    async def _hold_back(self, request: Request, last: Passing | None) -> None:
        """Wait unsent until an endpoint may be free."""
        if request.deadline is None:
            request.deadline = self._loop.time() + self._row_timeout
        if self._options.default_value is not None and self._endpoints.waits_for_breakers(request.endpoint):
            raise ExhaustedError(f"the circuit breaker is open for {request.endpoint or self._options.endpoint}")
        try:
            await self._endpoints.change(max(self._remaining(request), 0.0))
        except asyncio.TimeoutError:
            raise self._late(request, last) from None

    def _late(self, request: Request, last: Passing | None) -> Exception:
        if last is not None:
            return last
        base = request.endpoint or self._options.endpoint
        trouble = self._endpoints.trouble(request.endpoint)
        return Passing(_HELD_BACK, trouble or f"no request could be sent to {where(self._options, base)}")

    def _remaining(self, request: Request) -> float:
        return self._row_timeout if request.deadline is None else request.deadline - self._loop.time()
