"""How the server schedules a model's requests: sequences, queues and caches; an ensemble's come from its steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyflink_triton.errors import ContractError
from pyflink_triton.types.triton import DATATYPES

#: Reads the configuration of a step by its model and version (None: the newest). None: the server hides it.
FetchConfig = Callable[[str, "str | None"], Awaitable["Mapping[str, Any] | None"]]

#: The largest id of each datatype that a CORRID control of numbers may have, as the configuration names it.
CORRID_MAXIMA = {
    datatype.config_name: datatype.max_sequence_id
    for datatype in DATATYPES.values()
    if datatype.max_sequence_id is not None
}
#: The datatypes of a CORRID control of texts.
CORRID_TEXTS = frozenset(datatype.config_name for datatype in DATATYPES.values() if not datatype.is_fixed_size)
#: Triton's default where the configuration sets no limit.
_DEFAULT_IDLE_SECONDS = 1.0


@dataclass(frozen=True)
class SequenceBatching:
    """How a model's ``sequence_batching`` is configured.

    Attributes:
        corrid: The datatype of its CORRID control, as the configuration names it: a key of ``CORRID_MAXIMA`` or one of
            ``CORRID_TEXTS``. None where it has no such control.
        idle_seconds: The server drops a sequence that has no request for this long; None where it is not known.
        strategy: ``direct`` or ``oldest``; empty where it is not known.
    """

    corrid: str | None
    idle_seconds: float | None
    strategy: str = ""


@dataclass(frozen=True)
class Scheduling:
    """How the server schedules a model's requests.

    Attributes:
        sequences: How it treats sequences; None for a stateless model.
        priority_levels: How many priorities its queue has; 0 where it has no priorities.
        has_steps: Whether it is an ensemble, or may be one.
        is_partial: Whether the server hides its configuration or that of a step.
        wants_all_outputs: Whether requests have to ask for all outputs. The server may fail, or answer with the wrong
            ones, where a request asks for some of them.
        may_cache: Whether the server may answer from its response cache, which does not look at shapes.
        takes_timeout: Whether a request may say how long it may be in a queue: its own, or that of a step.
    """

    sequences: SequenceBatching | None = None
    priority_levels: int = 0
    has_steps: bool = False
    is_partial: bool = False
    wants_all_outputs: bool = False
    may_cache: bool = False
    takes_timeout: bool = False

    def parameters(self, priority: int | None) -> dict[str, int]:
        """Return the parameters that every request has.

        Args:
            priority: The option ``priority``, 0 to 255, where a higher one is more urgent; None where it is not set.

        Returns:
            The priority as one of the model's levels, where 1 is the most urgent; nothing where it has no levels.
        """
        if priority is None or self.priority_levels < 2:
            return {}
        return {"priority": 1 + (255 - priority) * self.priority_levels // 256}


STATELESS = Scheduling()
#: A model whose configuration is hidden.
UNKNOWN = Scheduling(is_partial=True, may_cache=True)
#: A model whose configuration is hidden and for which the user names sequences. An id of 31 bits fits each CORRID
#: control of numbers. Triton would cut a longer id to the control's size without an error, and mix two sequences.
HIDDEN = Scheduling(
    SequenceBatching(min(CORRID_MAXIMA, key=CORRID_MAXIMA.__getitem__), None),
    has_steps=True,
    is_partial=True,
    may_cache=True,
)


async def read_scheduling(config: Mapping[str, Any], fetch: FetchConfig) -> Scheduling:
    """Read a model's scheduling from its configuration, and from those of its steps where it is an ensemble.

    Args:
        config: The response to ``GET /v2/models/M/config``.
        fetch: Reads the configuration of a step.

    Raises:
        ContractError: A configuration does not have the form that Triton documents.
    """
    try:
        found = [each async for each in _leaves(config, fetch, set())]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ContractError(
            "the server's description of the model's scheduling does not follow Triton's model configuration"
        ) from None
    levels = [each.priority_levels for each in found if each.priority_levels > 1]
    has_steps = "ensemble_scheduling" in config
    return Scheduling(
        _join([each.sequences for each in found if each.sequences]),
        min(levels, default=0),
        has_steps=has_steps,
        is_partial=any(each.is_partial for each in found),
        wants_all_outputs=has_steps or _is_cached(config),
        may_cache=any(each.may_cache for each in found),
        takes_timeout=any(each.takes_timeout for each in found),
    )


async def _leaves(config: Mapping[str, Any], fetch: FetchConfig, seen: set[tuple[str, str | None]]) -> Any:
    """Yield the scheduling of the model, or that of each model in an ensemble, at any depth."""
    if "ensemble_scheduling" not in config:
        yield replace(_of_model(config), may_cache=_is_cached(config))
        return
    yield Scheduling(may_cache=_is_cached(config))
    for step in config["ensemble_scheduling"]["step"]:
        version = str(step.get("model_version", -1))
        key = (step["model_name"], None if version == "-1" else version)
        if key in seen:
            continue
        seen.add(key)
        inner = await fetch(*key)
        if inner is None:
            yield Scheduling(is_partial=True, may_cache=True)
            continue
        async for each in _leaves(inner, fetch, seen):
            yield each


def _of_model(config: Mapping[str, Any]) -> Scheduling:
    queue = config.get("dynamic_batching", {})
    levels = int(queue.get("priority_levels", 0))
    takes_timeout = _takes_timeout(queue)
    batching = config.get("sequence_batching")
    # An iterative sequence is one request, which the server schedules many times.
    if batching is None or batching.get("iterative_sequence"):
        return Scheduling(None, levels, takes_timeout=takes_timeout)
    idle = int(batching.get("max_sequence_idle_microseconds", 0))
    strategy = next((name for name in ("direct", "oldest") if name in batching), "")
    return Scheduling(
        SequenceBatching(_corrid(batching), idle / 1e6 if idle else _DEFAULT_IDLE_SECONDS, strategy), levels
    )


def _takes_timeout(queue: Mapping[str, Any]) -> bool:
    """Whether a policy of a dynamic batcher's queue, or of one of its levels, lets requests set their time-out."""
    policies = [queue.get("default_queue_policy") or {}, *(queue.get("priority_queue_policy") or {}).values()]
    return any(bool(policy.get("allow_timeout_override")) for policy in policies)


def _is_cached(config: Mapping[str, Any]) -> bool:
    return bool((config.get("response_cache") or {}).get("enable"))


def _corrid(batching: Mapping[str, Any]) -> str | None:
    for entry in batching.get("control_input", ()):
        for control in entry["control"]:
            if control["kind"] == "CONTROL_SEQUENCE_CORRID":
                return str(control["data_type"]).removeprefix("TYPE_")
    return None


def _join(found: Iterable[SequenceBatching]) -> SequenceBatching | None:
    """Join what the steps need: the narrowest id and the shortest idle limit."""
    steps = list(found)
    if not steps:
        return None
    corrids = [step.corrid for step in steps if step.corrid is not None]
    return SequenceBatching(
        min(corrids, key=lambda corrid: CORRID_MAXIMA.get(corrid, 0), default=None),
        min(step.idle_seconds for step in steps if step.idle_seconds is not None),
        steps[0].strategy,
    )
