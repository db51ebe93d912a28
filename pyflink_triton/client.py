"""What a model's server says about the model: its readiness and its signature."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from yarl import URL

from pyflink_triton.endpoints import model_url
from pyflink_triton.errors import AccessError, ContractError, JobError, TritonError, UnavailableError
from pyflink_triton.options import Options
from pyflink_triton.outcomes import FAULTS, Then, of_status
from pyflink_triton.scheduling import read_scheduling
from pyflink_triton.signature import ModelSignature, read_signature, with_scheduling
from pyflink_triton.transport import CallError, Reply, Transport
from pyflink_triton.wire import excerpt
from pyflink_triton.wording import no_answer, said, where

#: What a proxy answers that forbids the model's configuration.
_HIDDEN = frozenset({401, 403, 404, 405, 501})


class Client:
    """One model, over kept-alive connections.

    Args:
        options: The model's options.

    Attributes:
        transport: What makes its calls, for the model's requests too.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.transport = Transport(options)

    async def __aenter__(self) -> Client:
        """Use as a context manager."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """End every call under way and close the connections."""
        await self.transport.close()

    async def signature(self, base: str | None = None) -> ModelSignature:
        """Read what the model takes and gives.

        Args:
            base: The base URL of an endpoint; None for the first one that has the model ready.

        Raises:
            UnavailableError: No server could be reached, or the model is not ready.
            JobError: There is no such model, or the server refuses us.
            SchemaError: The model's metadata is of a kind that this version does not know.
        """
        *others, last = self._options.endpoints if base is None else [base]
        for other in others:
            with contextlib.suppress(UnavailableError):
                return await self._signature(other)
        return await self._signature(last)

    async def _signature(self, base: str) -> ModelSignature:
        reply = await self.get(base, "/ready")
        if reply.status != 200:
            reply = await self._explained(base, reply)
            kind: type[TritonError] = AccessError if reply.status in (401, 403) else UnavailableError
            words = said(reply.status, reply.body)
            raise kind(f"{where(self._options, base)} is not ready: {words}", status=reply.status)
        reply = await self.get(base, "")
        if reply.status != 200:
            raise self._refused(base, reply)
        metadata = self._json(base, reply.body)
        reply = await self.get(base, "/config")
        if reply.status != 200 and reply.status not in _HIDDEN:
            words = said(reply.status, reply.body)
            raise UnavailableError(f"{where(self._options, base)} answered {words} for its configuration")
        config = self._json(base, reply.body) if reply.status == 200 else None
        signature = read_signature(metadata, config, self._options.max_batch_size)
        scheduling = None if config is None else await read_scheduling(config, partial(self._step_config, base))
        signature = with_scheduling(signature, scheduling, self._options.sequence_id is not None)
        return replace(signature, server_version=await self._version(base)) if signature.stateful else signature

    async def _step_config(self, base: str, model: str, version: str | None) -> Mapping[str, Any] | None:
        """Read the configuration of another model, a step of an ensemble; None where the server hides it."""
        url = f"{base}/v2/models/{quote(model, safe='')}{'' if version is None else f'/versions/{version}'}/config"
        reply = await self.call("GET", base, url)
        return self._json(base, reply.body) if reply.status == 200 else None

    async def _version(self, base: str) -> str:
        reply = await self.call("GET", base, f"{base}/v2")
        return str(self._json(base, reply.body).get("version", "")) if reply.status == 200 else ""

    async def models(self) -> list[str]:
        """List the names of the models that are ready, sorted, from the first endpoint that answers.

        Raises:
            UnavailableError: No server could be reached.
            JobError: The server does not tell.
        """
        *others, last = self._options.endpoints
        for base in others:
            with contextlib.suppress(UnavailableError):
                return await self._models(base)
        return await self._models(last)

    async def _models(self, base: str) -> list[str]:
        reply = await self.call("POST", base, f"{base}/v2/repository/index")
        if reply.status != 200:
            kind: type[TritonError] = AccessError if reply.status in (401, 403) else UnavailableError
            raise kind(f"Triton at {base} answered {said(reply.status, reply.body)} when asked for its models")
        try:
            return sorted({str(entry["name"]) for entry in json.loads(reply.body) if entry.get("state") == "READY"})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            words = excerpt(self.transport.credentials.redact(reply.body))
            raise ContractError(f"Triton at {base} answered with no list of models: {words}") from None

    async def _explained(self, base: str, reply: Reply) -> Reply:
        """A readiness probe answers without words; the metadata's answer has some."""
        explained = await self.get(base, "")
        return explained if explained.status != 200 else reply

    async def get(self, base: str, path: str) -> Reply:
        """Ask about the model.

        Args:
            base: The endpoint's base URL.
            path: What follows the model's URL.

        Raises:
            UnavailableError: There was no answer.
            AccessError: One side does not trust the other's certificate.
        """
        return await self.call("GET", base, model_url(base, self._options) + path)

    async def call(self, method: str, base: str, url: str) -> Reply:
        """Make any call to an endpoint, reading secrets again where it refuses us.

        Args:
            method: The HTTP method.
            base: The endpoint's base URL, for messages.
            url: Where to, percent-encoded.

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
            behaviour = FAULTS[error.fault]
            kind = behaviour.error if behaviour.then is Then.JOB else UnavailableError
            raise kind(no_answer(error, base, self._options.timeout)) from None

    def _refused(self, base: str, reply: Reply) -> TritonError:
        words = said(reply.status, reply.body)
        behaviour = of_status(reply.status, words)
        kinds: dict[Then, type[TritonError]] = {Then.JOB: behaviour.error, Then.ROW: JobError}
        kind = kinds.get(behaviour.then, UnavailableError)
        return kind(f"{where(self._options, base)} answered {words}", status=reply.status)

    def _json(self, base: str, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            words = excerpt(self.transport.credentials.redact(body))
            raise ContractError(f"{where(self._options, base)} answered with no JSON object: {words}")
        return answer
