"""The models of a server, each with its versions, its state and how it takes requests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from pyflink_triton.command.console import output, print_json, print_table
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import TritonError
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.validation import parse_options

#: Questions to the server at once.
_AT_ONCE = 16
_COLOURS = {"READY": "green", "LOADING": "yellow", "UNLOADING": "yellow", "UNAVAILABLE": "red"}
#: What a state means where the server gives no reason.
_UNSAID = {"UNAVAILABLE": "not loaded"}
#: What a model is asked by until its name is known.
_ANY = "any"


@dataclass(frozen=True)
class Served:
    """A model of a server.

    Attributes:
        name: Its name.
        state: That of its best version; empty where the server does not say.
        versions: The versions that are ready.
        kind: How it takes requests; empty where it is not ready.
        reason: Why it is not ready, as the server says.
    """

    name: str
    state: str
    versions: tuple[str, ...]
    kind: str
    reason: str


def print_models(found: Sequence[Served], endpoint: str, *, json: bool) -> None:
    """Print the models of a server."""
    if json:
        print_json([asdict(model) for model in found])
    elif not found:
        output().print(f"{endpoint} has no models.")
    else:
        print_table(("model", "state", "versions", "kind"), [_row(model) for model in found])


def _row(model: Served) -> tuple[str | Text, ...]:
    state = Text(model.state or "-", _COLOURS.get(model.state, ""))
    return (
        Text(model.name, "bold cyan"),
        state,
        ", ".join(model.versions),
        model.kind or model.reason or _UNSAID.get(model.state, ""),
    )


async def list_models(written: Mapping[str, str]) -> Sequence[Served]:
    """Ask a server for its models.

    Args:
        written: The options that the user gives for it.

    Raises:
        TritonError: It does not say.
    """
    async with ModelClient(parse_options({**written, "model-name": _ANY})) as client:
        entries = await client.entries()
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        by_name.setdefault(entry["name"], []).append(entry)
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> Served:
        async with limit:
            return await _model(name, by_name[name], written)

    return await asyncio.gather(*(one(name) for name in sorted(by_name)))


async def _model(name: str, entries: Sequence[Mapping[str, Any]], written: Mapping[str, str]) -> Served:
    ready = [entry for entry in entries if entry.get("state", "READY") == "READY"]
    versions = tuple(sorted((str(entry["version"]) for entry in ready if "version" in entry), key=_number))
    reasons = dict.fromkeys(str(entry["reason"]) for entry in entries if entry.get("reason"))
    if not ready:
        state = str(entries[0].get("state") or "UNAVAILABLE")
        return Served(name, state, versions, "", "; ".join(reasons))
    try:
        async with ModelClient(parse_options({**written, "model-name": name})) as client:
            signature = await client.signature()
    except TritonError as error:
        return Served(name, str(ready[0].get("state", "")), versions, "", str(error))
    return Served(name, str(ready[0].get("state", "")), versions, kind_of(signature), "")


def _number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (0, version)


def kind_of(signature: ModelSignature) -> str:
    """How a model takes requests, in a few words."""
    words = ["answers in parts" if signature.decoupled else ""]
    words += ["keeps a state" if signature.stateful else ""]
    words += ["an ensemble" if signature.scheduling.has_steps and not signature.scheduling.is_partial else ""]
    batch = signature.max_batch_size
    words += [f"up to {batch} rows a request" if batch > 1 and not signature.decoupled else "one row a request"]
    return ", ".join(filter(None, words))
