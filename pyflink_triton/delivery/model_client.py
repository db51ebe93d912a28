"""What a model's server says about the model: its readiness and its signature."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from yarl import URL

from pyflink_triton._async import within
from pyflink_triton.addresses import model_url, unaddressable
from pyflink_triton.delivery.error_messages import CHECK, hides, no_answer, said, where
from pyflink_triton.delivery.failure_policy import FAULTS, Then, of_status
from pyflink_triton.errors import AccessError, ContractError, JobError, TritonError, UnavailableError
from pyflink_triton.http.transport import CallError, Reply, Transport
from pyflink_triton.model.scheduling import read_scheduling
from pyflink_triton.model.signature import ModelSignature, read_signature, with_scheduling
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.fault import Fault
from pyflink_triton.protocol.kserve_v2 import excerpt
from pyflink_triton.remedies import Remedy

#: What to do where no more than inferences is let through.
_UNASKED = Remedy.DECLARE_ALL()
_TOKEN = Remedy.CHECK_CREDENTIALS()


class Client:
    """One model, over kept-alive connections.

    Args:
        options: The model's options.

    Attributes:
        transport: What makes its calls, for the model's requests too.
        hides_readiness: Whether 404 for readiness says nothing, because something in front of the server hides it.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.transport = Transport(options)
        self.hides_readiness = False

    async def __aenter__(self) -> Client:
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
            JobError: There is no such model, or the server refuses us.
            SchemaError: The model's metadata is of a kind that this version does not know.
        """
        bases = self._options.endpoints if base is None else [base]
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
            return UnavailableError(f"{where(self._options, base)} gave no answer")
        except TritonError as error:
            if isinstance(error, UnavailableError) or (error.hides and self._options.trusts_declaration):
                return error
            raise

    async def _signature(self, base: str) -> ModelSignature:
        ready = await self.get(base, "/ready")
        if ready.status != 200 and not hides(ready):
            raise self._not_ready(base, await self._explained(base, ready))
        # Triton describes only what is ready.
        reply = await self.get(base, "")
        self.hides_readiness |= ready.status == 404
        if hides(reply):
            raise self._hidden(base, reply)
        if reply.status != 200:
            raise (self._refused if ready.status == 200 else self._not_ready)(base, reply)
        metadata = self._json(base, reply)
        reply = await self.get(base, "/config")
        if reply.status != 200 and not hides(reply):
            raise UnavailableError(f"{where(self._options, base)} answered {said(reply)} for its configuration")
        config = self._json(base, reply) if reply.status == 200 else None
        signature = read_signature(metadata, config, self._options.max_batch_size)
        scheduling = None if config is None else await read_scheduling(config, partial(self._step_config, base))
        signature = with_scheduling(signature, scheduling, self._options.sequence_id is not None)
        return replace(signature, server_version=await self._version(base)) if signature.stateful else signature

    async def _step_config(self, base: str, model: str, version: str | None) -> Mapping[str, Any] | None:
        """Read the configuration of another model, a step of an ensemble; None where the server hides it."""
        if unaddressable(model) is not None:
            return None
        reply = await self.call("GET", base, f"{model_url(base, model, version)}/config")
        return self._json(base, reply) if reply.status == 200 else None

    async def _version(self, base: str) -> str:
        reply = await self.call("GET", base, f"{base}/v2")
        return str(self._json(base, reply).get("version", "")) if reply.status == 200 else ""

    async def models(self) -> list[str]:
        """List the names of the models that are ready, sorted, from the first endpoint that answers.

        Raises:
            UnavailableError: No server could be reached.
            JobError: The server does not tell.
        """
        *others, last = self._options.endpoints
        for base in others:
            with contextlib.suppress(UnavailableError, AccessError):
                return await self._models(base)
        return await self._models(last)

    async def _models(self, base: str) -> list[str]:
        reply = await self.call("POST", base, f"{base}/v2/repository/index")
        if reply.status != 200:
            kind: type[TritonError] = AccessError if reply.status in (401, 403) else UnavailableError
            remedy = _TOKEN if reply.status in (401, 403) else CHECK
            raise kind(f"Triton at {base}, asked for its models, answered {said(reply)}. {remedy}", status=reply.status)
        try:
            return sorted({str(entry["name"]) for entry in json.loads(reply.body) if entry.get("state") == "READY"})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            words = excerpt(self.transport.credentials.redact(reply.body))
            raise ContractError(f"{_not_triton(base, reply)} with no list of models: {words}. {CHECK}") from None

    async def _explained(self, base: str, reply: Reply) -> Reply:
        """What readiness does not say in words, the metadata's answer may."""
        explained = await self.get(base, "")
        return reply if explained.status == 200 or hides(explained) else explained

    async def get(self, base: str, path: str) -> Reply:
        """Ask about the model.

        Args:
            base: The endpoint's base URL.
            path: What follows the model's URL.

        Raises:
            UnavailableError: There was no answer.
            AccessError: One side does not trust the other's certificate.
        """
        return await self.call(
            "GET", base, model_url(base, self._options.model_name, self._options.model_version) + path
        )

    async def call(self, method: str, base: str, url: str) -> Reply:
        """Make any call to an endpoint, reading secrets again where it refuses us.

        Args:
            method: The HTTP method.
            base: The endpoint's base URL, for messages.
            url: Where to, as it is sent.

        Raises:
            UnavailableError: There was no answer.
            AccessError: One side does not trust the other's certificate.
        """
        transport = self.transport
        generation = transport.credentials.generation
        try:
            reply = await transport.call(method, URL(url, encoded=True))
            if reply.status in (401, 403) and transport.credentials.renew(generation):
                reply = await transport.call(method, URL(url, encoded=True))
            return reply
        except CallError as error:
            if error.fault in (Fault.RESET, Fault.NONSENSE) and await transport.speaks_tls(URL(base, encoded=True)):
                raise ContractError(f"what answers at {base} speaks TLS. {Remedy.WRITE_HTTPS()}") from None
            behaviour = FAULTS[error.fault]
            kind = behaviour.error if behaviour.then is Then.JOB else UnavailableError
            raise kind(no_answer(error, base, self._options.timeout)) from None

    def _not_ready(self, base: str, reply: Reply) -> TritonError:
        return UnavailableError(f"{where(self._options, base)} is not ready: {said(reply)}", status=reply.status)

    def _hidden(self, base: str, reply: Reply) -> TritonError:
        kinds: dict[int, type[TritonError]] = {401: AccessError, 403: AccessError, 404: UnavailableError}
        kind = kinds.get(reply.status, JobError)
        remedy = {401: _TOKEN, 403: f"{_TOKEN}; {_UNASKED}"}.get(reply.status, f"{CHECK}; {_UNASKED}")
        return kind(f"{where(self._options, base)} answered {said(reply)}. {remedy}", status=reply.status, hides=True)

    def _refused(self, base: str, reply: Reply) -> TritonError:
        words = said(reply)
        behaviour = of_status(reply.status, words)
        kinds: dict[Then, type[TritonError]] = {Then.JOB: behaviour.error, Then.ROW: JobError}
        kind = kinds.get(behaviour.then, UnavailableError)
        return kind(f"{where(self._options, base)} answered {words}", status=reply.status)

    def _json(self, base: str, reply: Reply) -> dict[str, Any]:
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            words = excerpt(self.transport.credentials.redact(reply.body))
            raise ContractError(f"{_not_triton(base, reply)} with no JSON object: {words}. {CHECK}")
        return answer


def _not_triton(base: str, reply: Reply) -> str:
    return f"what answers at {base} is not Triton's HTTP port: it answered {reply.path}"
