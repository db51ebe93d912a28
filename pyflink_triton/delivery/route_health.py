"""Whether an endpoint has a model that rows name, and whether the model keeps to what is declared of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pyflink_triton._async import within
from pyflink_triton.delivery.endpoints import Endpoint
from pyflink_triton.delivery.error_messages import describe_model, describe_no_response
from pyflink_triton.delivery.failure_policy import BEHAVIOURS, Action
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.delivery.route_endpoints import RouteEndpoints
from pyflink_triton.errors import (
    AccessError,
    ContractError,
    OptionError,
    RowError,
    SchemaError,
    TritonError,
    UnavailableError,
    WrongPortError,
)
from pyflink_triton.http.transport import HttpTransport
from pyflink_triton.model.contract import breach
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.options.routes import Route
from pyflink_triton.protocol.failures import Cause, ErrorResponse, Fault, NoResponseError
from pyflink_triton.remedies import Remedy

#: A probe that takes longer finds the model not ready.
_SECONDS = 5.0
#: For so many seconds after one that took as long, no other model is asked for at that endpoint.
_SILENT_SECONDS = 1.0
#: A model that is unloaded may be loaded again at once, and a server unloads all before it ends.
_UNLOADED_SECONDS = 2.0
#: One check of the signature counts for all refusals within these seconds.
_CHECKED_SECONDS = 5.0
#: So many models at once are asked for at an endpoint.
_AT_ONCE = 8
#: The code of rows that name a model which does not keep to the declaration.
_MISFIT = "MODEL_MISFIT"


class Turns:
    """Lets a few models at a time be asked for at an endpoint, and tells the others that it gives no answer."""

    def __init__(self) -> None:
        self._of: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE))
        self._silent_until: dict[str, float] = {}

    def of(self, base: str) -> asyncio.Semaphore:
        """The turns at an endpoint."""
        return self._of[base]

    def is_silent(self, base: str) -> bool:
        """Whether an endpoint has just let a question time out, so that no other model waits for the same."""
        return time.monotonic() < self._silent_until.get(base, 0.0)

    def timed_out(self, base: str) -> None:
        """An endpoint gave no answer."""
        self._silent_until[base] = time.monotonic() + _SILENT_SECONDS

    def forget(self, base: str) -> None:
        """There is no endpoint of that name any more."""
        self._of.pop(base, None)
        self._silent_until.pop(base, None)


class RouteHealth:
    """Finds out about one model.

    No message names a model that no server was seen to have, because its name is a row's value alone.

    Args:
        options: The options of the model.
        subject: What messages call it as long as no server was seen to have it.
        transport: Makes the calls.
        contract: The signature that is made of the declaration.
        turns: Of all models.
    """

    #: The endpoints, from ``begin`` on.
    endpoints: RouteEndpoints

    def __init__(
        self, options: Options, subject: str, transport: HttpTransport, contract: ModelSignature, turns: Turns
    ) -> None:
        self._options = options
        self._route = Route(options.model_name, options.model_version)
        self._subject = subject
        self._transport = transport
        self._client = ModelClient(options, transport)
        self._contract = contract
        self._turns = turns
        self._seconds = min(options.timeout, _SECONDS)
        #: Looks up which addresses the endpoints' hosts have.
        self.look: Callable[[], Awaitable[None]] | None = None
        self._unloaded_since: dict[str, float] = {}
        self._check_at: dict[str, float] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def begin(self, endpoints: RouteEndpoints) -> None:
        """Probe all endpoints, and let no request go to one before.

        Args:
            endpoints: The model's.
        """
        self.endpoints = endpoints
        endpoints.begin(f"{self._subject} was not seen yet at {self._options.endpoint}. {Remedy.LOAD_MODEL()}")

    async def ask(self, endpoint: Endpoint) -> bool:
        """Return whether requests may go to an endpoint; what else is known goes to ``endpoints``."""
        async with self._turns.of(endpoint.base):
            if not self._turns.is_silent(endpoint.base):
                try:
                    return await within(self._seconds, self._is_there(endpoint))
                except asyncio.TimeoutError:
                    self._turns.timed_out(endpoint.base)
        endpoint.is_missing = False
        endpoint.trouble = f"{endpoint.base}, asked for {self._subject}, gave no answer"
        return False

    async def _is_there(self, endpoint: Endpoint) -> bool:
        base = endpoint.base
        try:
            # By a connection of its own: a server that shuts down may still answer on those that are kept.
            await self._transport.ready(base, self._seconds)
        except NoResponseError as error:
            return self._is_away(endpoint, error)
        except ErrorResponse:
            pass  # what follows says why
        try:
            found = await self._client.signature(base)
        except TritonError as error:
            # The server may let only inferences through, and the declaration stands for all models then.
            return error.hides or await self._is_there_after(endpoint, error)
        self._unloaded_since.pop(base, None)
        endpoint.is_missing = False
        broken = self._breach(base, found)
        if broken is not None:
            self.endpoints.refuse(broken)
            return False
        return True

    async def _is_there_after(self, endpoint: Endpoint, error: TritonError) -> bool:
        """What follows from an error of a model's description; returns False."""
        if isinstance(error, UnavailableError):
            await self._wait_or_miss(endpoint)
        elif isinstance(error, (AccessError, OptionError, WrongPortError)):
            self.endpoints.refuse(error)  # whatever model it is
        elif isinstance(error, (ContractError, SchemaError)):
            self.endpoints.refuse(RowError(str(error), code=_MISFIT))
        return False

    def _is_away(self, endpoint: Endpoint, error: NoResponseError) -> bool:
        endpoint.is_missing = False
        endpoint.trouble = describe_no_response(endpoint.base, self._transport.server(endpoint.base), error)
        if error.fault in (Fault.TIMEOUT, Fault.CONNECT_TIMEOUT):
            self._turns.timed_out(endpoint.base)
        behaviour = BEHAVIOURS[error.fault]
        if behaviour.action is Action.FAIL_JOB:
            self.endpoints.refuse(behaviour.error(endpoint.trouble))
        return False

    async def _wait_or_miss(self, endpoint: Endpoint) -> None:
        """Tell a model that will be ready soon from one that is not there."""
        base = endpoint.base
        endpoint.trouble = f"{self._subject} is not ready at {base}. {Remedy.LOAD_MODEL()}"
        try:
            described = await self._transport.metadata(base)
            if described.get("name") == self._route.model:
                return  # it has become ready just now, and is asked again
            cause = Cause.NOT_FOUND  # where Triton has something else, as its statistics at `stats`
        except ErrorResponse as error:
            cause = error.cause
        except NoResponseError as error:
            self._is_away(endpoint, error)
            return
        endpoint.is_missing = False
        if cause is Cause.NOT_FOUND:
            await self.lacks(endpoint)
        elif cause is Cause.NOT_LOADED and await self._is_unloaded(base):
            since = self._unloaded_since.setdefault(base, time.monotonic())
            if time.monotonic() - since >= _UNLOADED_SECONDS:
                self.miss(endpoint)
        else:
            self._unloaded_since.pop(base, None)

    async def _is_unloaded(self, base: str) -> bool:
        """Whether the server's list says that nothing loads the model; False where it lists nothing."""
        try:
            entries: Sequence[Mapping[str, Any]] = await self._transport.entries(base)
        except (ErrorResponse, NoResponseError, ContractError):
            return False
        model, version = self._route
        own = [
            entry
            for entry in entries
            if entry["name"] == model and (version is None or entry.get("version", version) == version)
        ]
        return all(entry.get("state") in ("UNAVAILABLE", "") for entry in own)

    async def lacks(self, endpoint: Endpoint) -> None:
        """An endpoint answered that it has no such model; another address of its host may have it."""
        if self.look is not None and not endpoint.is_missing:
            with contextlib.suppress(asyncio.TimeoutError):
                await within(self._seconds, self.look())
        self.miss(endpoint)

    def miss(self, endpoint: Endpoint) -> None:
        """An endpoint has no such model."""
        at = endpoint.base if len(self.endpoints.all) == 1 else "any of its endpoints"
        said = f"{self._subject} is not loaded at {at}. {Remedy.LOAD_MODEL()}"
        self.endpoints.miss(endpoint, RowError(said, status=404))

    async def check(self, base: str, seconds: float, words: str = "") -> bool:
        """Check whether the model still keeps to the declaration; see ``SignatureGuard.check``.

        Raises:
            RowError: It does not.
        """
        try:
            return await within(seconds, self._check(base))
        except asyncio.TimeoutError:
            return False

    async def _check(self, base: str) -> bool:
        asked_at = time.monotonic()
        async with self._locks[base]:
            if asked_at < self._check_at.get(base, 0.0):
                return True
            try:
                found = await self._client.signature(base)
            except TritonError:  # the errors of the requests say more
                return False
            broken = self._breach(base, found)
            if broken is not None:
                self.endpoints.refuse(broken)
                raise broken
            self._check_at[base] = time.monotonic() + _CHECKED_SECONDS
            return True

    def _breach(self, base: str, found: ModelSignature) -> RowError | None:
        what = breach(self._contract, found)
        if what is None:
            return None
        model = describe_model(self._options, base, self._transport.server(base))
        return RowError(f"{model} does not fit INPUT and OUTPUT: {what}. {_SENTENCE}", code=_MISFIT)

    def forget(self, base: str) -> None:
        """There is no endpoint of that name any more."""
        for known in (self._unloaded_since, self._check_at, self._locks):
            known.pop(base, None)
        self._turns.forget(base)


_DECLARE = Remedy.DECLARE_TENSORS()
#: The same as a sentence of its own.
_SENTENCE = _DECLARE[0].upper() + _DECLARE[1:]
