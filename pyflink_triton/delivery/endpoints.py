"""The endpoints of a model: which one gets a request, and which get none until a probe finds them ready."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pyflink_triton.delivery.circuit_breaker import CircuitBreaker, State
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.options import Options

#: After this many server errors in succession other endpoints are preferred ...
_EJECT_AFTER = 3
#: ... for this many seconds, first and at most.
_EJECT_SECONDS = (1.0, 30.0)
#: The longest pause in seconds between two probes of a server that is away.
_PROBE_SECONDS = 2.0


@dataclass(eq=False)
class Endpoint:
    """One server that has the model.

    Attributes:
        base: The URL before ``/v2``.
        breaker: Its circuit breaker; None where there is none.
        in_flight: Calls under way.
        reachable: Whether requests go there. If not, a probe is under way.
        faults: Server errors in succession.
        returns: How often it was unreachable since it last answered.
        aside_until: The time until which others are preferred.
        trouble: Why it could not be reached last, in one sentence.
    """

    base: str
    breaker: CircuitBreaker | None
    in_flight: int = 0
    reachable: bool = True
    faults: int = 0
    returns: int = 0
    aside_until: float = 0.0
    trouble: str = ""

    @property
    def is_open(self) -> bool:
        """Whether its circuit breaker is open."""
        return self.breaker is not None and self.breaker.state is State.OPEN

    @property
    def is_free(self) -> bool:
        """Whether a request may go there now."""
        return self.reachable and (self.breaker is None or self.breaker.admits)


class Endpoints:
    """All endpoints of a model.

    Args:
        options: The model's options.
        probe: Asks an endpoint whether the model is ready there.
        metrics: Where circuit breakers are counted.
        clock: Returns seconds that only grow.
    """

    def __init__(
        self,
        options: Options,
        probe: Callable[[Endpoint], Awaitable[bool]],
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._probe = probe
        self._metrics = metrics
        self._clock = clock
        self._last = 0
        self._tasks: dict[Endpoint | None, asyncio.Task[None]] = {}
        self._changed: asyncio.Future[None] | None = None
        self.all: Sequence[Endpoint] = [self._endpoint(base) for base in options.endpoints]
        self._by_base = {endpoint.base: endpoint for endpoint in self.all}
        self._only = self.all[0] if len(self.all) == 1 else None
        self._openings = 0
        self._timers: dict[Endpoint, asyncio.TimerHandle] = {}
        self._tell_breakers()

    def _endpoint(self, base: str) -> Endpoint:
        options = self._options
        breaker = None
        if options.circuit_breaker_enabled:
            breaker = CircuitBreaker(
                options.circuit_breaker_failure_threshold,
                options.circuit_breaker_timeout,
                options.circuit_breaker_half_open_requests,
                self._clock,
            )
        return Endpoint(base, breaker)

    def choose(self, fixed: str | None, avoid: Endpoint | None = None) -> Endpoint | None:
        """Choose where a request goes: the free endpoint with the least under way.

        Args:
            fixed: The base URL of the only endpoint that may be chosen; None for any.
            avoid: The one that failed last; others are preferred.

        Returns:
            The endpoint; None while no request may go to any of them.
        """
        only = self._only if fixed is None else self._by_base[fixed]
        if only is not None:
            return only if only.is_free else None
        free = [endpoint for endpoint in self.all if endpoint.is_free]
        if not free:
            return None
        now = self._clock()

        def is_worse(each: Endpoint) -> bool:
            # One request at a time tries an endpoint that comes back.
            is_tried = each.faults >= _EJECT_AFTER and each.in_flight > 0
            return each.aside_until > now or is_tried or each is avoid

        self._last = (self._last + 1) % len(self.all)  # of endpoints with as much under way, each in turn
        order = [*self.all[self._last :], *self.all[: self._last]]
        return min(free, key=lambda each: (is_worse(each), each.in_flight, order.index(each)))

    def leave(self, endpoint: Endpoint, ticket: int | None, failed: bool | None) -> None:
        """Give the ticket of a call back to the circuit breaker; see ``CircuitBreaker.leave``."""
        breaker = endpoint.breaker
        assert breaker is not None
        was_open, was_admitting = endpoint.is_open, breaker.admits
        breaker.leave(ticket, failed)
        if opens := endpoint.is_open and not was_open:
            self._half_open_in(self._options.circuit_breaker_timeout, endpoint)
        self._tell_breakers()
        if opens or (breaker.admits and not was_admitting):
            self.notify()

    def _half_open_in(self, seconds: float, endpoint: Endpoint) -> None:
        self._timers[endpoint] = asyncio.get_running_loop().call_later(seconds, self._half_open, endpoint)

    def _half_open(self, endpoint: Endpoint) -> None:
        """Let a breaker be half-open whose time is over. A timer may come a little early."""
        if endpoint.is_open:
            self._half_open_in(0.001, endpoint)
            return
        self._tell_breakers()
        self.notify()

    def _tell_breakers(self) -> None:
        breakers = [endpoint.breaker for endpoint in self.all if endpoint.breaker is not None]
        if breakers:
            openings = sum(breaker.openings for breaker in breakers)
            self._metrics.breaker(max(breaker.state.value for breaker in breakers), openings - self._openings)
            self._openings = openings

    def waits_for_breakers(self, fixed: str | None) -> bool:
        """Whether no request may go anywhere because circuit breakers are open."""
        return all(endpoint.is_open for endpoint in self._among(fixed))

    def trouble(self, fixed: str | None) -> str:
        """Why no request may go anywhere, in one sentence."""
        return next((endpoint.trouble for endpoint in self._among(fixed) if endpoint.trouble), "")

    def _among(self, fixed: str | None) -> Sequence[Endpoint]:
        return self.all if fixed is None else [self._by_base[fixed]]

    async def change(self, seconds: float) -> None:
        """Wait until what ``choose`` and ``waits_for_breakers`` say may have changed; raises asyncio.TimeoutError."""
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([self._changed], timeout=seconds)
        if not done:
            raise asyncio.TimeoutError

    def notify(self) -> None:
        """Wake those that wait for a change."""
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    def answered(self, endpoint: Endpoint) -> None:
        """The endpoint answered a request."""
        endpoint.faults = endpoint.returns = 0
        endpoint.aside_until = 0.0

    def failed(self, endpoint: Endpoint) -> None:
        """The endpoint failed a request, and the server is to blame."""
        endpoint.faults += 1
        if self._only is None and endpoint.faults >= _EJECT_AFTER:
            first, most = _EJECT_SECONDS
            endpoint.aside_until = self._clock() + min(most, first * 2 ** (endpoint.faults - _EJECT_AFTER))

    def unreachable(self, endpoint: Endpoint) -> None:
        """Send no request there until a probe finds the model ready; one probe runs at a time."""
        if not endpoint.reachable:
            return  # many calls were under way together, and all of them saw the same outage
        # If a probe finds the model ready and requests still fail, they wait longer each time.
        wait = self._options.retry_initial_backoff * 2**endpoint.returns
        self._leave_alone(endpoint, min(wait, self._options.retry_max_backoff))
        endpoint.returns = min(endpoint.returns + 1, 30)

    def suspect(self, endpoint: Endpoint) -> None:
        """Send no request there until a probe finds the model ready; the first probe runs at once."""
        self._leave_alone(endpoint, 0.0)

    def _leave_alone(self, endpoint: Endpoint, seconds: float) -> None:
        if endpoint.reachable:
            endpoint.reachable = False
            self._tasks[endpoint] = asyncio.get_running_loop().create_task(self._bring_back(endpoint, seconds))

    async def _bring_back(self, endpoint: Endpoint, seconds: float) -> None:
        wait = self._options.retry_initial_backoff
        most = max(min(self._options.retry_max_backoff, _PROBE_SECONDS), wait)
        await asyncio.sleep(seconds)
        while endpoint.is_open or not await self._is_back(endpoint):
            await asyncio.sleep(wait * random.uniform(0.8, 1.0))
            wait = min(2 * wait, most)
        endpoint.reachable = True
        self.notify()

    async def _is_back(self, endpoint: Endpoint) -> bool:
        """Probe it; while its circuit breaker is half-open nothing else tries it, so a probe that fails is a trial."""
        is_back, breaker = await self._probe(endpoint), endpoint.breaker
        if not is_back and breaker is not None and breaker.state is State.HALF_OPEN:
            self.leave(endpoint, breaker.enter(), True)
        return is_back

    def watch(self) -> None:
        """Begin the health checks."""
        self._tasks[None] = asyncio.get_running_loop().create_task(self._check_health())

    async def _check_health(self) -> None:
        while True:
            await asyncio.sleep(self._options.health_check_interval)
            for endpoint in self.all:
                if endpoint.reachable and not endpoint.is_open and not await self._probe(endpoint):
                    self.unreachable(endpoint)

    async def close(self) -> None:
        """End all probes."""
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
