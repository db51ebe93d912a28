"""Asks a server about a model: whether it is ready, and what its signature is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pyflink_triton._async import within
from pyflink_triton.addresses import unaddressable
from pyflink_triton.delivery.error_messages import describe_model, describe_no_response
from pyflink_triton.delivery.failure_policy import BEHAVIOURS, Action
from pyflink_triton.delivery.other_servers import check_datatypes, check_metadata, check_server
from pyflink_triton.errors import AccessError, JobError, TritonError, UnavailableError
from pyflink_triton.http.transport import HttpTransport
from pyflink_triton.model.scheduling import read_scheduling
from pyflink_triton.model.signature import ModelSignature, read_signature, with_scheduling
from pyflink_triton.options.environment import missing_variable
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import Cause, ErrorResponse, NoResponseError
from pyflink_triton.remedies import Remedy

_Listed = TypeVar("_Listed")

#: What to do where only inferences are let through.
_DECLARE = Remedy.DECLARE_ALL()
_CREDENTIALS = Remedy.CHECK_CREDENTIALS()


class ModelClient:
    """One model, as its server describes it.

    Args:
        options: The model's options.
        transport: Makes the calls, and is closed elsewhere; None for one of its own.

    Attributes:
        transport: Makes the calls, also those of inferences.
        hides_readiness: Whether something in front of the server answers readiness checks with 404.

    Raises:
        UnavailableError: An endpoint refers to a variable of the environment that is not set on this machine.
        OptionError: A TLS file cannot be used.
        AccessError: A secret is missing.
    """

    def __init__(self, options: Options, transport: HttpTransport | None = None) -> None:
        variable = missing_variable(options.endpoint)
        if variable is not None:
            raise UnavailableError(
                f"the endpoint '{options.endpoint}' refers to the environment variable {variable}, which is not set "
                f"on this machine. {Remedy.SET_VARIABLE()}"
            )
        self._options = options
        self.transport = transport or HttpTransport(options)
        self.hides_readiness = False

    async def __aenter__(self) -> ModelClient:
        """Use as a context manager."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """End every call under way and close the connections."""
        await self.transport.close()

    async def signature(self, base: str | None = None, seconds: float | None = None) -> ModelSignature:
        """Read what the model takes and gives.

        Args:
            base: The base URL of an endpoint; None for the first one that has the model ready.
            seconds: How long each endpoint may take.

        Raises:
            UnavailableError: No server could be reached, or the model is not ready.
            JobError: There is no such model, or the server refuses the call.
            SchemaError: The model's metadata is of a kind that this version does not know.
        """
        bases = self._options.every_endpoint if base is None else [base]
        failures: list[TritonError] = []
        for each in bases:
            found = await self._tried(each, seconds)
            if isinstance(found, ModelSignature):
                return found
            failures.append(found)
        raise next((failure for failure in failures if failure.hides), failures[-1])

    async def _tried(self, base: str, seconds: float | None) -> ModelSignature | TritonError:
        """The signature, or an error after which another endpoint is asked."""
        try:
            return await (self._signature(base) if seconds is None else within(seconds, self._signature(base)))
        except asyncio.TimeoutError:
            return UnavailableError(f"{self._model(base)} gave no answer")
        except TritonError as error:
            if isinstance(error, UnavailableError) or (error.hides and self._options.trusts_declaration):
                return error
            raise

    async def _signature(self, base: str) -> ModelSignature:
        not_ready = await self._not_ready(base)
        check_server(self.transport.dialect(base), self._options, base)
        if not_ready is not None and not not_ready.hides:
            raise self._unavailable(base, await self._explained(base, not_ready))
        # Triton describes only what is ready.
        with self._failures(base):
            try:
                metadata = await self.transport.metadata(base)
            except ErrorResponse as error:
                self._note_readiness(not_ready)
                if error.hides:
                    raise self._hidden(base, error) from None
                raise (self._refused if not_ready is None else self._unavailable)(base, error) from None
            self._note_readiness(not_ready)
            config: Mapping[str, Any] | None = None
            try:
                config = await self.transport.config(base)
            except ErrorResponse as error:
                if not error.hides:
                    model = self._model(base)
                    raise UnavailableError(f"{model} answered {error.description} for its configuration") from None
            dialect = self.transport.dialect(base)
            check_server(dialect, self._options, base)
            check_metadata(dialect, self._options, self._model(base), metadata)
            signature = read_signature(metadata, config, self._options.max_batch_size)
            check_datatypes(dialect, self._model(base), signature)
            if not dialect.has_extensions:
                return signature
            scheduling = None if config is None else await read_scheduling(config, partial(self._step_config, base))
            signature = with_scheduling(
                signature,
                scheduling,
                names_sequences=self._options.sequence_id is not None,
                names_responses=self._options.responses is not None,
            )
            if signature.stateful:
                with contextlib.suppress(ErrorResponse):
                    return replace(signature, server_version=await self.transport.server_version(base))
            return signature

    def _note_readiness(self, not_ready: ErrorResponse | None) -> None:
        """Note what answers readiness checks, once the server itself has answered another call."""
        self.hides_readiness |= not_ready is not None and not_ready.status == 404

    async def _not_ready(self, base: str) -> ErrorResponse | None:
        with self._failures(base):
            try:
                await self.transport.ready(base)
            except ErrorResponse as error:
                return error
        return None

    async def _explained(self, base: str, not_ready: ErrorResponse) -> ErrorResponse:
        """The error of the metadata, which may say why the model is not ready."""
        with self._failures(base):
            try:
                await self.transport.metadata(base)
            except ErrorResponse as error:
                return not_ready if error.hides else error
        return not_ready

    async def _step_config(self, base: str, model: str, version: str | None) -> Mapping[str, Any] | None:
        """Read the configuration of another model, a step of an ensemble; None where the server hides it."""
        if unaddressable(model) is not None:
            return None
        try:
            return await self.transport.config(base, model, version)
        except ErrorResponse:
            return None

    async def models(self) -> Sequence[str]:
        """List the names of the models that are ready, sorted, from the first endpoint that answers.

        Raises:
            UnavailableError: No server could be reached.
            JobError: The server refuses to list them.
        """
        return await self._first(self.transport.index)

    async def entries(self) -> Sequence[Mapping[str, Any]]:
        """List the versions of all models with their state, from the first endpoint that answers.

        Raises:
            UnavailableError: No server could be reached.
            JobError: The server refuses to list them.
        """
        return await self._first(self.transport.entries)

    async def _first(self, ask: Callable[[str], Awaitable[_Listed]]) -> _Listed:
        *others, last = self._options.every_endpoint
        for base in others:
            with contextlib.suppress(UnavailableError, AccessError):
                return await self._listed(base, ask)
        return await self._listed(last, ask)

    async def _listed(self, base: str, ask: Callable[[str], Awaitable[_Listed]]) -> _Listed:
        with self._failures(base):
            try:
                return await ask(base)
            except ErrorResponse as error:
                is_denied = error.cause is Cause.ACCESS_DENIED
                kind: type[TritonError] = AccessError if is_denied else UnavailableError
                remedy = _CREDENTIALS if is_denied else Remedy.CHECK_ENDPOINT()
                server = self.transport.server(base)
                message = f"{server} at {base}, asked for its models, answered {error.description}. {remedy}"
                raise kind(message, status=error.status) from None

    @contextlib.contextmanager
    def _failures(self, base: str) -> Iterator[None]:
        """Raise UnavailableError or AccessError where a call gets no response."""
        try:
            yield
        except NoResponseError as error:
            behaviour = BEHAVIOURS[error.fault]
            kind = behaviour.error if behaviour.action is Action.FAIL_JOB else UnavailableError
            raise kind(describe_no_response(base, self.transport.server(base), error)) from None

    def _model(self, base: str) -> str:
        return describe_model(self._options, base, self.transport.server(base))

    def _unavailable(self, base: str, error: ErrorResponse) -> TritonError:
        return UnavailableError(f"{self._model(base)} is not ready: {error.description}", status=error.status)

    def _hidden(self, base: str, error: ErrorResponse) -> TritonError:
        kinds: dict[int, type[TritonError]] = {401: AccessError, 403: AccessError, 404: UnavailableError}
        kind = kinds.get(error.status, JobError)
        check = Remedy.CHECK_ENDPOINT()
        remedy = {401: _CREDENTIALS, 403: f"{_CREDENTIALS}; {_DECLARE}"}.get(error.status, f"{check}; {_DECLARE}")
        return kind(f"{self._model(base)} answered {error.description}. {remedy}", status=error.status, hides=True)

    def _refused(self, base: str, error: ErrorResponse) -> TritonError:
        behaviour = BEHAVIOURS[error.cause]
        kinds: dict[Action, type[TritonError]] = {Action.FAIL_JOB: behaviour.error, Action.FAIL_ROW: JobError}
        kind = kinds.get(behaviour.action, UnavailableError)
        return kind(f"{self._model(base)} answered {error.description}", status=error.status)
