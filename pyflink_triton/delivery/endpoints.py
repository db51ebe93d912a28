"""The endpoints of a model: which one gets a request, and which get none until a probe finds them ready."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pyflink_triton.delivery.circuit_breaker import CircuitBreaker, State
from pyflink_triton.errors import TritonError
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
        base: The URL before ``/v2``, and the address where its host has several (``with_address``).
        breaker: Its circuit breaker; None where there is none.
        group: The list that it is in: it gets requests only while no endpoint of a list before can be reached.
        in_flight: Calls under way.
        reachable: Whether requests go there. If not, a probe is under way.
        is_in_doubt: Whether it is not reachable only until the first probe has said more.
        is_unchecked: Whether its model's signature is to be checked before it gets a request.
        is_gone: Whether its host no longer has its address.
        is_missing: Whether it has no such model; known only where rows name their models.
        faults: Server errors in succession.
        returns: How often it was unreachable since it last answered.
        aside_until: The time until which others are preferred.
        trouble: Why it could not be reached last, in one sentence.
    """

    base: str
    breaker: CircuitBreaker | None
    group: int = 0
    in_flight: int = 0
    reachable: bool = True
    is_in_doubt: bool = False
    is_unchecked: bool = False
    is_gone: bool = False
    is_missing: bool = False
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
        check: Raises where the model at a new endpoint is not the one that was planned.

    Attributes:
        all: Those that there are now.
        failure: What ``check`` raised.
        on_change: Called when an endpoint can no longer be reached, or can be again.
        on_gone: Called with the name of an endpoint that there is no more.
    """

    def __init__(
        self,
        options: Options,
        probe: Callable[[Endpoint], Awaitable[bool]],
        metrics: Metrics,
        clock: Callable[[], float],
        check: Callable[[Endpoint], Awaitable[None]] | None = None,
    ) -> None:
        self._options = options
        self._probe = probe
        self._metrics = metrics
        self._clock = clock
        self._check = check
        self.failure: TritonError | None = None
        self.on_change: Callable[[], object] = _ignore
        self.on_gone: Callable[[str], object] = _ignore
        self._last = 0
        self._tasks: dict[Endpoint | None, asyncio.Task[None]] = {}
        self._changed: asyncio.Future[None] | None = None
        groups = enumerate(options.groups)
        self.all: list[Endpoint] = [self._endpoint(base, group) for group, bases in groups for base in bases]
        self._by_base = {endpoint.base: endpoint for endpoint in self.all}
        self._only = self.all[0] if len(self.all) == 1 else None
        self._openings = 0
        self._timers: dict[Endpoint, asyncio.TimerHandle] = {}
        self._tell_breakers()

    def _endpoint(self, base: str, group: int) -> Endpoint:
        options = self._options
        breaker = None
        if options.circuit_breaker_enabled:
            breaker = CircuitBreaker(
                options.circuit_breaker_failure_threshold,
                options.circuit_breaker_timeout,
                options.circuit_breaker_half_open_requests,
                self._clock,
            )
        return Endpoint(base, breaker, group)

    def add(self, base: str, group: int) -> Endpoint:
        """Add an endpoint; it gets no request before ``admit``, or ``suspect`` and a probe.

        Args:
            base: Its URL and address.
            group: The list that it is in.
        """
        endpoint = self._endpoint(base, group)
        endpoint.reachable, endpoint.is_in_doubt, endpoint.is_unchecked = False, True, True
        self.all.append(endpoint)
        self._by_base[base] = endpoint
        self._only = None
        return endpoint

    def rename(self, endpoint: Endpoint, base: str) -> None:
        """Give an endpoint the name of its address; it keeps the one that it had, because sequences know it by that."""
        self.on_gone(endpoint.base)
        endpoint.base = base
        self._by_base[base] = endpoint

    def remove(self, endpoint: Endpoint) -> None:
        """Send no request there any more; calls under way go on."""
        endpoint.is_gone = True
        self.all.remove(endpoint)
        self.on_gone(endpoint.base)
        self._by_base = {base: each for base, each in self._by_base.items() if each is not endpoint}
        self._only = self.all[0] if len(self.all) == 1 and self.failure is None else None
        for left in (self._timers.pop(endpoint, None), self._tasks.pop(endpoint, None)):
            if left is not None:
                left.cancel()
        if endpoint.breaker is not None:
            self._openings -= endpoint.breaker.openings
            self._tell_breakers()
        self.notify()

    def standing_failure(self) -> TritonError | None:
        """Why no request goes anywhere any more; None where that is not so."""
        return self.failure

    def is_gone(self, fixed: str | None) -> bool:
        """Whether the only endpoint that may be chosen is no longer there."""
        return fixed is not None and fixed not in self._by_base

    def choose(self, fixed: str | None, avoid: Endpoint | None = None) -> Endpoint | None:
        """Choose where a request goes: the free endpoint with the least under way.

        Args:
            fixed: The base URL of the only endpoint that may be chosen; None for any.
            avoid: The one that failed last; others are preferred.

        Returns:
            The endpoint; None while no request may go to any of them.
        """
        only = self._only if fixed is None else self._by_base.get(fixed)
        if only is not None:
            return only if only.is_free else None
        if fixed is not None or self.failure is not None:
            return None
        self._last = (self._last + 1) % len(self.all)  # of endpoints with as much under way, each in turn
        turns = [*self.all[self._last :], *self.all[: self._last]]
        free = [endpoint for endpoint in turns if endpoint.is_free]
        if not free:
            return None
        now = self._clock()

        def is_worse(each: Endpoint) -> bool:
            # One request at a time tries an endpoint that comes back.
            is_tried = each.faults >= _EJECT_AFTER and each.in_flight > 0
            return each.aside_until > now or is_tried or each is avoid

        best = min(free, key=lambda each: (each.group, is_worse(each), each.in_flight))
        if best.group and any(each.is_in_doubt and each.group < best.group for each in turns):
            return None  # a connection that broke is no reason to go to another region
        return best

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
            self._metrics.breaker(max(breaker.state.value for breaker in breakers), openings - self._openings, self)
            self._openings = openings

    def waits_for_breakers(self, fixed: str | None) -> bool:
        """Whether no request may go anywhere because circuit breakers are open."""
        return all(endpoint.is_open for endpoint in self._among(fixed))

    def trouble(self, fixed: str | None) -> str:
        """Why no request may go anywhere, in one sentence."""
        return next((endpoint.trouble for endpoint in self._among(fixed) if endpoint.trouble), "")

    def _among(self, fixed: str | None) -> Sequence[Endpoint]:
        return self.all if fixed is None else [self._by_base[fixed]] if fixed in self._by_base else []

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
        self._end_doubt(endpoint)
        if not endpoint.reachable:
            return  # many calls were under way together, and all of them saw the same outage
        # If a probe finds the model ready and requests still fail, they wait longer each time.
        wait = self._options.retry_initial_backoff * 2**endpoint.returns
        self._leave_alone(endpoint, min(wait, self._options.retry_max_backoff))
        endpoint.returns = min(endpoint.returns + 1, 30)

    def suspect(self, endpoint: Endpoint) -> None:
        """Send no request there until a probe finds the model ready; the first probe runs at once."""
        if endpoint.reachable or endpoint not in self._tasks:
            endpoint.is_in_doubt = True
            self._leave_alone(endpoint, 0.0)

    def _end_doubt(self, endpoint: Endpoint) -> None:
        if endpoint.is_in_doubt:
            endpoint.is_in_doubt = False
            self.notify()

    def _leave_alone(self, endpoint: Endpoint, seconds: float) -> None:
        if not endpoint.is_gone:
            endpoint.reachable = False
            self._tasks[endpoint] = asyncio.get_running_loop().create_task(self._bring_back(endpoint, seconds))
            self.on_change()

    async def _bring_back(self, endpoint: Endpoint, seconds: float) -> None:
        wait = self._options.retry_initial_backoff
        await asyncio.sleep(seconds)
        while endpoint.is_open or not await self._is_back(endpoint):
            self._end_doubt(endpoint)
            if self.failure is not None:
                return
            await asyncio.sleep(wait * random.uniform(0.8, 1.0))
            wait = min(2 * wait, self.longest_pause(endpoint))
        await self.admit(endpoint)

    def longest_pause(self, endpoint: Endpoint) -> float:
        """How many seconds may be between two probes of a server."""
        return max(min(self._options.retry_max_backoff, _PROBE_SECONDS), self._options.retry_initial_backoff)

    async def admit(self, endpoint: Endpoint) -> None:
        """Send requests there. A new endpoint is checked first: if it fails, no request goes anywhere any more."""
        try:
            if endpoint.is_unchecked and self._check is not None:
                await self._check(endpoint)
        except TritonError as error:
            self.failure, self._only = error, None
        endpoint.is_unchecked = endpoint.is_in_doubt = False
        endpoint.reachable = True
        self.on_change()
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
            for endpoint in list(self.all):
                if endpoint.reachable and not endpoint.is_open and not await self._probe(endpoint):
                    self.unreachable(endpoint)

    async def close(self) -> None:
        """End all probes."""
        self._metrics.forget(self)
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ignore(*_: object) -> None:
    """What is called before somebody wants to know."""
