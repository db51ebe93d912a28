"""Whether each server lets this side in, is ready, and has the model in the version that is asked for."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyflink_triton.addresses import model_url
from pyflink_triton.doctor.findings import Finding, fault, ok, parted, warning
from pyflink_triton.doctor.subject import Known, Subject
from pyflink_triton.errors import ContractError, TritonError
from pyflink_triton.protocol.failures import ErrorResponse, NoResponseError
from pyflink_triton.remedies import Remedy

_DENIED = (401, 403)
#: The most names that a sentence lists.
_NAMES = 8


async def check_access(subject: Subject, known: Known) -> list[Finding]:
    """Whether the servers accept the token and the headers."""
    found = []
    for base in list(known.bases):
        answer = known.answers[base]
        problem = _denied(subject, known, base, answer) if isinstance(answer, ErrorResponse) else None
        if problem is None:
            shown = "the token" if _shows_token(known) else "calls without a token"
            found.append(ok("access", f"{base} accepts {shown}", endpoint=base))
        else:
            found.append(problem)
            known.bases.remove(base)
    return found


def _shows_token(known: Known) -> bool:
    return "authorization" in {name.lower() for name in known.needed_client.transport.credentials.headers}


def _denied(subject: Subject, known: Known, base: str, error: ErrorResponse) -> Finding | None:
    if error.status not in _DENIED:
        return None
    sentence = f"{known.needed_client.transport.server(base)} at {base} answered {error.description}"
    if not _shows_token(known):
        return fault("access", "token-missing", f"{sentence}, to a call without a token", Remedy.SET_TOKEN())
    name = "token-refused" if error.status == 401 else "forbidden"
    return fault("access", name, f"{sentence}, to a call with a token", Remedy.CHECK_CREDENTIALS())


async def check_ready(subject: Subject, known: Known) -> list[Finding]:
    """Whether each server is ready; Triton is not while any of its models is not."""
    found = []
    for base in list(known.bases):
        try:
            response = await known.needed_client.transport.client.call("GET", f"{base}/v2/health/ready", is_text=True)
        except (NoResponseError, ContractError) as error:
            found.append(fault("ready", "no-answer", f"{base} does not say whether it is ready: {error}", _wait()))
            known.bases.remove(base)
            continue
        if response.status == 200:
            found.append(ok("ready", f"the server at {base} is ready", endpoint=base))
            continue
        said = known.needed_client.transport.error(base, response)
        if said.hides:
            sentence = f"{base} does not say whether it is ready: {said.description}"
            found.append(warning("ready", "hidden", sentence, Remedy.CHECK_ENDPOINT(), endpoint=base))
        elif response.status == 400:
            entries = await _entries(known, base) or ()
            away = sorted({str(each.get("name")) for each in entries if each.get("state") not in ("READY", None)})
            models = f": {', '.join(away[:_NAMES])}" if away else ""
            sentence = f"the server at {base} is not ready, because it starts, or a model is not loaded{models}"
            found.append(warning("ready", "not-all-models", sentence, Remedy.LOAD_MODEL(), endpoint=base))
        else:
            known.bases.remove(base)
            sentence = f"the server at {base} is not ready: {said.description}"
            found.append(fault("ready", "not-ready", sentence, _wait(), endpoint=base))
    return found


def _wait() -> str:
    return Remedy.WAIT_FOR_SERVER()


async def check_version(subject: Subject, known: Known) -> list[Finding]:
    """Which server it is, and in which version."""
    found = []
    for base in known.bases:
        answer = known.answers[base]
        server = known.needed_client.transport.server(base)
        if isinstance(answer, str):
            known.versions[base] = answer
            found.append(ok("version", f"{base} is {server} {answer}".rstrip(), endpoint=base, version=answer))
        else:
            found.append(ok("version", f"{base} does not tell its version", endpoint=base))
    return found


async def check_model(subject: Subject, known: Known) -> list[Finding]:
    """Whether each server has the model ready, in the version that is asked for."""
    found = []
    for base in list(known.bases):
        entries = await _entries(known, base)
        problem = None if entries is None else _model_problem(subject, known, base, entries)
        if problem is None:
            problem = await _not_described(known, base)
        if problem is not None:
            known.bases.remove(base)
            found.append(problem)
            continue
        versions = await _versions(known, base)
        named = f"the model '{subject.model}' is ready at {base}"
        more = f", in version {' and '.join(versions)}" if versions else ""
        found.append(ok("model", named + more, endpoint=base, versions=versions))
    return found


async def _entries(known: Known, base: str) -> Sequence[Mapping[str, Any]] | None:
    """What the server lists: a model's name, version, state and reason; None where it lists nothing."""
    transport = known.needed_client.transport
    json_ = {"Content-Type": "application/json"}
    try:
        response = await transport.client.call(
            "POST", f"{base}/v2/repository/index", body=(b"{}",), headers=json_, is_text=True
        )
        if response.status != 200:  # another server has names alone
            return [{"name": name, "state": "READY"} for name in await transport.index(base)]
        found = json.loads(response.body)
    except (NoResponseError, ErrorResponse, ContractError, ValueError):
        return None
    is_list = isinstance(found, list) and all(isinstance(entry, dict) for entry in found)
    return found if is_list else None


def _model_problem(subject: Subject, known: Known, base: str, entries: Sequence[Mapping[str, Any]]) -> Finding | None:
    name, wanted = subject.model, known.needed_options.model_version
    own = [entry for entry in entries if entry.get("name") == name]
    if not own:
        return _missing(str(name), base, entries)
    ready = [str(entry.get("version", "")) for entry in own if entry.get("state") == "READY"]
    if wanted is not None and any(ready) and wanted not in ready:
        sentence = f"the model '{name}' at {base} has no version {wanted} that is ready"
        remedy = Remedy.NAME_READY_VERSION(versions=", ".join(ready))
        return fault("model", "no-version", sentence, remedy, endpoint=base, ready=ready)
    if ready:
        return None
    reason = next((str(entry["reason"]) for entry in own if entry.get("reason")), "")
    state = next((str(entry["state"]) for entry in own if entry.get("state")), "not loaded")
    is_failed = bool(reason) and reason != "unloaded"
    words = f"failed to load: {reason[:400]}" if is_failed else f"is not ready: its state is {reason or state}"
    sentence = f"the model '{name}' at {base} {words}"
    fault_name = "not-loaded" if is_failed else "not-ready"
    return fault("model", fault_name, sentence, Remedy.LOAD_MODEL(), endpoint=base, state=state, reason=reason)


def _missing(name: str, base: str, entries: Sequence[Mapping[str, Any]]) -> Finding:
    ready = sorted({str(entry.get("name")) for entry in entries if entry.get("state") == "READY"})
    near = difflib.get_close_matches(name, ready, _NAMES, 0.6)
    listed = near or ready[:_NAMES]
    sentence = f"the server at {base} has no model '{name}'"
    remedy = Remedy.NAME_READY_MODEL(models=", ".join(listed)) if listed else Remedy.LOAD_MODEL()
    return fault("model", "missing", sentence, remedy, endpoint=base, ready=ready)


async def _not_described(known: Known, base: str) -> Finding | None:
    """What planning a statement would say of the model."""
    options = known.needed_options
    try:
        known.signature = await known.needed_client.signature(base, known.seconds)
    except TritonError as error:
        if error.hides and options.trusts_declaration:
            return None
        name = "hidden" if error.hides else "not-described"
        _, own = parted(str(error))
        return fault("model", name, str(error), "" if own else Remedy.LOAD_MODEL(), endpoint=base)
    return None


async def _versions(known: Known, base: str) -> list[str]:
    """The versions that the server has of the model; none where it does not tell."""
    options = known.needed_options
    try:
        response = await known.needed_client.transport.client.call(
            "GET", model_url(base, options.model_name, None), is_text=True
        )
        found = json.loads(response.body).get("versions", ()) if response.status == 200 else ()
        return [str(version) for version in found]
    except (NoResponseError, ContractError, ValueError, AttributeError, TypeError):
        return []
