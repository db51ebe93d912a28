"""How a request reaches the model: retries, deadlines, endpoints and load."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tenacity import AsyncRetrying

from pyflink_triton._units import format_duration
from pyflink_triton.delivery.call_log import CallLog
from pyflink_triton.delivery.concurrency_limit import ConcurrencyLimit
from pyflink_triton.delivery.endpoints import Endpoint, Endpoints
from pyflink_triton.delivery.error_messages import describe_error, describe_model, describe_no_response
from pyflink_triton.delivery.failure_policy import BEHAVIOURS, HELD_BACK, OF_ROUTES, Action, Behaviour
from pyflink_triton.delivery.pace import Pace
from pyflink_triton.delivery.readiness_probe import Probe
from pyflink_triton.delivery.replicas import Replicas
from pyflink_triton.delivery.request import Request
from pyflink_triton.delivery.retries import Retries, RetryableError
from pyflink_triton.delivery.route_endpoints import RouteEndpoints
from pyflink_triton.delivery.route_health import RouteHealth
from pyflink_triton.delivery.shared_places import SharedPlaces
from pyflink_triton.delivery.trace_context import new_trace, traced
from pyflink_triton.errors import (
    ContractError,
    ExhaustedError,
    LostError,
    NoSequenceError,
    RowError,
    TooManyRowsError,
    TritonError,
)
from pyflink_triton.metric_table import ErrorClass
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import Cause, ErrorResponse, NoResponseError
from pyflink_triton.protocol.inference import InferenceRequest, InferenceResponse, PreparedRequest
from pyflink_triton.protocol.transport import InferenceTransport

#: Why a request may be sent again without using a retry: its connection was closed before, or it has new credentials.
_STALE, _RENEWED = "stale", "renewed"
#: A request is written anew for a call that has less than this share of the time that the server was told.
_STILL_TRUE = 0.99


@dataclass(slots=True)
class _Sending:
    """A request under way.

    Attributes:
        request: The request.
        prepared: What the transport sends.
        trace: The id of its trace; empty where it has none.
        calls: How often it was sent.
        told: The seconds for the server's queue that it says; 0 where it says none.
    """

    request: Request
    prepared: PreparedRequest
    trace: str = ""
    calls: int = 0
    told: float = 0.0

    @property
    def named(self) -> str:
        """Its id, and that of its trace, for messages."""
        trace = f", trace {self.trace}" if self.trace else ""
        return f"request {self.prepared.request_id}{trace}"


class Delivery:
    """Delivers a model's requests to its endpoints.

    Args:
        options: The model's options.
        transport: Makes the calls. The caller closes it, after the delivery.
        metrics: Where calls are counted.
        recheck: Called with the base URL of an endpoint whose error may come of a changed model, the seconds that it
            may take, and a description of the error; raises where the model there is not the one that was planned, and
            returns whether that one was seen there.
        hides_readiness: Whether something in front of the server answers readiness checks with 404.
        pace: How fast requests may be sent; None for as fast as they come.
        tells_time: Whether each request says how long it may be in the server's queue.
        shared: The places that the requests of all models take; None where there is one model.
        health: Where rows name this model, what finds out about it; it stands for ``recheck``.

    Attributes:
        limit: How many requests may be in flight.
    """

    def __init__(
        self,
        options: Options,
        transport: InferenceTransport,
        metrics: Metrics,
        recheck: Callable[[str, float, str], Awaitable[bool]] | None = None,
        *,
        hides_readiness: bool = False,
        pace: Pace | None = None,
        tells_time: bool = False,
        shared: SharedPlaces | None = None,
        health: RouteHealth | None = None,
    ) -> None:
        self._options = options
        self._transport = transport
        self._metrics = metrics
        self._recheck = recheck if health is None else health.check
        self._behaviours = BEHAVIOURS if health is None else OF_ROUTES
        self._health = health
        self._loop = asyncio.get_running_loop()
        self.limit = ConcurrencyLimit(options.max_in_flight_requests, options.timeout, pace, shared)
        self._pace = pace
        self._tells_time = tells_time
        self._endpoints: Endpoints
        if health is None:
            probe = Probe(options, transport, hides_readiness)
            self._endpoints = Endpoints(options, probe.ask, metrics, self._loop.time, self._check)
        else:
            self._endpoints = endpoints = RouteEndpoints(options, health.ask, metrics, self._loop.time)
            health.begin(endpoints)
        self._replicas: Replicas | None = None
        self._prefix = os.urandom(4).hex()
        self._numbers = itertools.count(1)
        self._row_timeout = options.row_timeout
        self._check_seconds = min(options.timeout, options.plan_check_timeout)
        self._log = CallLog(options)
        if options.health_check_enabled:
            self._endpoints.watch()

    @property
    def in_flight(self) -> int:
        """How many requests are in flight."""
        return self.limit.taken

    async def find_replicas(
        self, look_up: Callable[[str], Awaitable[Sequence[str]]], on_gone: Callable[[str], object]
    ) -> None:
        """Let each address of a host that has several be an endpoint of its own, from now on.

        Args:
            look_up: Gives the addresses of an endpoint's host; see ``Transport.addresses``.
            on_gone: Called with the name of an endpoint that there is no more.

        Raises:
            TritonError: The model at an address is not the one that was planned.
        """
        self._endpoints.on_gone = on_gone
        self._replicas = Replicas(self._options, self._endpoints, look_up)
        await self._replicas.begin(self._check_seconds)

    def follow_replicas(
        self, look_up: Callable[[str], Awaitable[Sequence[str]]], on_gone: Callable[[str], object]
    ) -> None:
        """The same, without waiting for the first look-up."""
        self._endpoints.on_gone = partial(self._forget, on_gone)
        self._replicas = Replicas(self._options, self._endpoints, look_up)
        if self._health is not None:
            self._health.look = self._replicas.look
        self._replicas.follow()

    def _forget(self, on_gone: Callable[[str], object], base: str) -> None:
        if self._health is not None:
            self._health.forget(base)
        on_gone(base)

    async def _check(self, endpoint: Endpoint) -> None:
        if self._recheck is not None:
            await self._recheck(endpoint.base, self._check_seconds, "")

    async def close(self) -> None:
        """End look-ups, probes, health checks and the waits for the pace."""
        self.limit.close()
        if self._replicas is not None:
            await self._replicas.close()
        await self._endpoints.close()

    async def send(self, request: Request) -> InferenceResponse:
        """Send one request; see ``Sender.send``."""
        request_id = f"{self._prefix}-{next(self._numbers)}"
        try:
            told = self._call_seconds(request) if self._tells_time else 0.0
            prepared = await self._transport.prepare(_telling(request.inference, told), request_id)
            sending = _Sending(request, prepared, new_trace() if self._options.trace_context else "", told=told)
            return await self._attempt(sending, None)
        except RetryableError as first:
            return await self._retry(sending, first)
        finally:
            if request.holds_place:  # it ended before it was sent
                request.holds_place = False
                self.limit.put_back()

    async def _retry(self, sending: _Sending, first: RetryableError) -> InferenceResponse:
        """Send a request again that failed for a transient reason."""
        retries = Retries(self._options, lambda: self._remaining(sending.request))
        first_failure: RetryableError | None = first
        try:
            async for attempt in AsyncRetrying(retry=retries.again, wait=retries.wait):
                with attempt:
                    if first_failure is not None:  # tenacity begins with an attempt, and that one was made before
                        failed, first_failure = first_failure, None
                        raise failed
                    return await self._attempt(sending, retries.last)
        except RetryableError as last:
            raise self._exhausted(sending, last) from None
        raise AssertionError("the loop above returns or raises")

    def _exhausted(self, sending: _Sending, last: RetryableError) -> TritonError:
        if last.behaviour.action not in (Action.RETRY, Action.HOLD_BACK):
            return last.behaviour.error(last.message, status=last.status)
        times = f"sent {sending.calls} time{'s' * (sending.calls != 1)}"
        reason = f"'total-timeout' allows {format_duration(self._row_timeout)}"
        if self._remaining(sending.request) > 0.0:
            reason = f"'max-retries' is {self._options.max_retries}"
        return ExhaustedError(f"{last.message} ({times}; the option {reason})", status=last.status, code=last.code)

    async def _attempt(self, sending: _Sending, last: RetryableError | None) -> InferenceResponse:
        """Make one call; raises RetryableError where another may follow."""
        request = sending.request
        endpoint = await self._admit(request, last)
        try:
            return await self._call(sending, endpoint)
        except NoResponseError as error:
            server = self._transport.server(endpoint.base)
            message = describe_no_response(endpoint.base, server, error)
            if not error.stale:
                self._log.failed(error.fault, message, sending.named, request.rows)
            is_sent, status, retry_after = error.sent, None, 0.0
            free = _STALE if error.stale else None
            behaviour, code = self._behaviours[error.fault], error.fault.name
        except ErrorResponse as error:
            server = self._transport.server(endpoint.base)
            message = describe_error(self._options, endpoint.base, server, error)
            words = self._log.words(endpoint.base, server, error)
            self._log.failed(error.cause, words, sending.named, request.rows)
            if error.status >= 500:
                message += f" ({sending.named})"
            is_sent, status, retry_after = True, error.status, error.retry_after
            free = _RENEWED if error.renewed else None
            behaviour, code = self._behaviours[error.cause], str(status)
            if error.cause is Cause.ANSWERED_ERROR:  # it came in a stream that began well
                code = error.cause.name
        if request.sticky and is_sent:
            request.endpoint = endpoint.base
        is_there = False
        if behaviour.rechecks and self._recheck is not None:
            seconds = min(self._options.timeout, max(self._remaining(request), 0.0))
            is_there = await self._recheck(endpoint.base, seconds, message)
        if behaviour.is_models and not is_there:
            behaviour = self._behaviours[Cause.NOT_FOUND]
        if behaviour.is_missing and self._health is not None:
            await self._health.lacks(endpoint)
        if behaviour.action is Action.FAIL_JOB and free is None:
            raise behaviour.error(message, status=status)
        may_run_again = request.resend or not is_sent or free == _RENEWED
        if not may_run_again and (request.has_steps or not behaviour.nothing_ran):
            raise LostError(f"{message}. It may have run, and must not run twice", status=status, code=code)
        if behaviour.action is Action.FAIL_ROW and (request.rows > 1 or not behaviour.retries):
            raise behaviour.row_error(message, status, endpoint.base, code)
        if behaviour.action is Action.HOLD_BACK:
            endpoint.trouble = message
        raise RetryableError(behaviour, message, status, endpoint, retry_after, free, code)

    async def _call(self, sending: _Sending, endpoint: Endpoint) -> InferenceResponse:
        """Make one call and count it."""
        request, breaker = sending.request, endpoint.breaker
        seconds, total = self._call_seconds(request), self._remaining(request)
        ticket = breaker.enter() if breaker is not None else None
        if sending.calls:
            self._metrics.retry()
        sending.calls += 1
        if request.since is not None:
            self._metrics.queued(self._loop.time() - request.since)
            request.since = None
        if self._log.is_verbose:
            self._log.sent(sending.named, request.rows, endpoint.base)
        self._metrics.begin(request.rows)
        endpoint.in_flight += 1
        begun = self.limit.round
        failed: bool | None = None
        began = time.perf_counter()
        try:
            if seconds < _STILL_TRUE * sending.told:
                sending.told = seconds
                told = _telling(request.inference, seconds)
                sending.prepared = await self._transport.prepare(told, sending.prepared.request_id)
            prepared = traced(sending.prepared, sending.trace) if sending.trace else sending.prepared
            started = partial(self._started, begun, request.rows, began)
            response = await self._transport.infer(prepared, endpoint.base, seconds, total, started)
            response.seconds = time.perf_counter() - began
            failed = False
            self._endpoints.answered(endpoint)
            return response
        except ErrorResponse as error:
            behaviour = self._behaviours[error.cause]
            self._metrics.error(behaviour.kind)
            is_elsewhere = behaviour.slows or behaviour.action is Action.HOLD_BACK
            failed = True if behaviour.counts else None if is_elsewhere else False
            self._learn(endpoint, behaviour, begun)
            raise
        except NoResponseError as error:
            behaviour = self._behaviours[error.fault]
            self._metrics.error(behaviour.kind)
            if not error.stale:
                failed = True if behaviour.counts else None
                self._learn(endpoint, behaviour, begun)
            raise
        except RowError:  # its responses are too large
            self._metrics.error(ErrorClass.PROTOCOL)
            raise
        except ContractError as error:
            self._metrics.error(ErrorClass.PROTOCOL)
            message = f"{self._model(endpoint.base)}: {error}"
            # Where other rows go to other models, it is a matter of these rows.
            raise (error.reworded(message) if self._health is None else RowError(message)) from None
        finally:
            self._metrics.end(time.perf_counter() - began)
            endpoint.in_flight -= 1
            self._give(request)
            if ticket is not None:
                self._endpoints.leave(endpoint, ticket, failed)

    def _started(self, begun: int, rows: int, began: float) -> None:
        """A response began to come: how long a whole stream takes says nothing about load."""
        self.limit.answered(begun, rows, time.perf_counter() - began)

    def _learn(self, endpoint: Endpoint, behaviour: Behaviour, begun: int) -> None:
        """Note what a failure says about the endpoint and about load."""
        if behaviour.action is Action.HOLD_BACK:
            self._endpoints.unreachable(endpoint)
        elif behaviour.probes:
            self._endpoints.suspect(endpoint)
        if behaviour.counts:
            self._endpoints.failed(endpoint)
        if behaviour.slows:
            self.limit.slower(begun)

    async def _admit(self, request: Request, last: RetryableError | None) -> Endpoint:
        """Wait for an endpoint and a place under the limit; the rows' time begins here at the latest."""
        avoid = None if last is None else last.endpoint
        while True:
            if request.urgent:
                await self._await_pace(request, last)
            elif not (self._has_place(request) or await self._take_place(request, last)):
                continue
            endpoint = self._endpoints.choose(request.endpoint, avoid)
            if endpoint is not None:
                if fewer := request.limits and request.limits.refuse(endpoint.base, request.rows, request):
                    self._put_back(request)
                    raise TooManyRowsError(fewer)
                if request.deadline is None:
                    request.deadline = self._loop.time() + self._row_timeout
                elif self._remaining(request) <= 0.0:
                    self._put_back(request)
                    raise self._late(request, last)
                return endpoint
            self._put_back(request)
            await self._hold_back(request, last)

    def _has_place(self, request: Request) -> bool:
        """Whether the request has a place, from before or because one is free."""
        held, request.holds_place = request.holds_place, False
        return held or self.limit.try_take()

    def _give(self, request: Request) -> None:
        if not request.urgent:
            self.limit.give()

    def _put_back(self, request: Request) -> None:
        """Give back what a request took that is not sent now."""
        if not request.urgent:
            self.limit.put_back()
        elif self._pace is not None:
            self._pace.put_back()

    async def _await_pace(self, request: Request, last: RetryableError | None) -> None:
        """Wait for the pace without a place: as long as it takes before the first sending."""
        if self._pace is None:
            return
        if request.deadline is not None and self._pace.wait() > (remaining := self._remaining(request)):
            await asyncio.sleep(max(remaining, 0.0))
            raise self._late(request, last)
        await self._pace.turn()

    async def _take_place(self, request: Request, last: RetryableError | None) -> bool:
        """Queue for a place: as long as it takes before the first sending, and ahead of the others after it."""
        if self._endpoints.choose(request.endpoint) is None:
            await self._hold_back(request, last)
            return False
        is_under_way = request.deadline is not None
        if await self.limit.take(is_under_way, self._remaining(request) if is_under_way else None):
            return True
        raise self._late(request, last)

    async def _hold_back(self, request: Request, last: RetryableError | None) -> None:
        """Wait unsent until an endpoint may be free."""
        if (failure := self._endpoints.standing_failure()) is not None:
            raise failure
        if self._endpoints.is_gone(request.endpoint):
            if not request.resend:
                raise NoSequenceError(f"the server at {request.endpoint} is gone, and the sequence with it")
            request.endpoint = None
            return
        if request.deadline is None:
            request.deadline = self._loop.time() + self._row_timeout
        if self._options.default_value is not None and self._endpoints.waits_for_breakers(request.endpoint):
            raise ExhaustedError(
                f"the circuit breaker is open for {request.endpoint or self._options.endpoint}", code="CIRCUIT_OPEN"
            )
        try:
            await self._endpoints.change(max(self._remaining(request), 0.0))
        except asyncio.TimeoutError:
            raise self._late(request, last) from None

    def _late(self, request: Request, last: RetryableError | None) -> Exception:
        if last is not None:
            return last
        base = request.endpoint or self._options.endpoint
        trouble = self._endpoints.trouble(request.endpoint)
        return RetryableError(HELD_BACK, trouble or f"no request could be sent to {self._model(base)}")

    def _model(self, base: str) -> str:
        return describe_model(self._options, base, self._transport.server(base))

    def _call_seconds(self, request: Request) -> float:
        """How long a call for it may take."""
        return min(self._options.timeout, self._remaining(request))

    def _remaining(self, request: Request) -> float:
        return self._row_timeout if request.deadline is None else request.deadline - self._loop.time()


def _telling(inference: InferenceRequest, seconds: float) -> InferenceRequest:
    """Say in a request how long it may be in the server's queue; 0: nothing is said."""
    if seconds <= 0.0:
        return inference
    microseconds = max(1, int(seconds * 1e6))
    return replace(inference, parameters={**inference.parameters, "timeout": microseconds})
