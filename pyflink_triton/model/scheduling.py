"""How the server schedules a model's requests: sequences and priorities, those of an ensemble from its steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyflink_triton.errors import ContractError
from pyflink_triton.types.triton import DATATYPES

#: Reads a step's configuration by its model and version (None: the newest); None where the server hides it.
FetchConfig = Callable[[str, "str | None"], Awaitable["Mapping[str, Any] | None"]]

#: The largest id of each datatype that a CORRID control of numbers may have, as the configuration names it.
CORRID_MAXIMA = {
    datatype.config_name: datatype.max_sequence_id
    for datatype in DATATYPES.values()
    if datatype.max_sequence_id is not None
}
#: The datatypes of a CORRID control of texts.
CORRID_TEXTS = frozenset(datatype.config_name for datatype in DATATYPES.values() if not datatype.is_fixed_size)
#: What Triton takes where the configuration names no limit.
_DEFAULT_IDLE_SECONDS = 1.0


@dataclass(frozen=True)
class SequenceBatching:
    """How a model keeps the state of sequences.

    Attributes:
        corrid: The datatype of its CORRID control, as the configuration names it: a key of ``CORRID_MAXIMA`` or one of
            ``CORRID_TEXTS``. None where it has no such control.
        idle_seconds: After so long without a request the server drops a sequence; None where it is not known.
        strategy: ``direct``, ``oldest``, or empty where it is not known.
    """

    corrid: str | None
    idle_seconds: float | None
    strategy: str = ""


@dataclass(frozen=True)
class Scheduling:
    """How a model's requests are scheduled.

    Attributes:
        sequences: How it keeps state; None for a stateless model.
        priority_levels: How many priorities its queue has; 0 where it has none.
        has_steps: Whether it is an ensemble, or may be one.
        is_partial: Whether its configuration, or that of a step, is hidden.
        wants_all_outputs: Whether the server fails, or mixes up, requests that ask for some of the outputs only.
        may_cache: Whether the server may answer from a cache of its own, which does not look at shapes.
    """

    sequences: SequenceBatching | None = None
    priority_levels: int = 0
    has_steps: bool = False
    is_partial: bool = False
    wants_all_outputs: bool = False
    may_cache: bool = False

    def parameters(self, priority: int | None) -> dict[str, int]:
        """What every request says.

        Args:
            priority: The option, 0 to 255, higher is more urgent; None where it is not set.

        Returns:
            The priority as one of the model's levels, of which 1 is the most urgent; nothing where it has none.
        """
        if priority is None or self.priority_levels < 2:
            return {}
        return {"priority": 1 + (255 - priority) * self.priority_levels // 256}


STATELESS = Scheduling()
#: A model whose configuration is hidden, so that nobody knows.
UNKNOWN = Scheduling(is_partial=True, may_cache=True)
#: A model whose configuration is hidden and for which the user names sequences. An id of 31 bits suits every CORRID
#: but a text: Triton cuts a longer one to the control's size without a word, and ids would be mixed.
HIDDEN = Scheduling(
    SequenceBatching(min(CORRID_MAXIMA, key=CORRID_MAXIMA.__getitem__), None),
    has_steps=True,
    is_partial=True,
    may_cache=True,
)


async def read_scheduling(config: Mapping[str, Any], fetch: FetchConfig) -> Scheduling:
    """Read a model's scheduling from its configuration, and from those of its steps where it is an ensemble.

    Args:
        config: The answer of ``GET /v2/models/M/config``.
        fetch: Reads the configuration of a step.

    Raises:
        ContractError: A configuration is not what the protocol says.
    """
    try:
        found = [each async for each in _leaves(config, fetch, set())]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ContractError("the server describes the model's scheduling in a way that is not the protocol's") from None
    levels = [each.priority_levels for each in found if each.priority_levels > 1]
    has_steps = "ensemble_scheduling" in config
    return Scheduling(
        _join([each.sequences for each in found if each.sequences]),
        min(levels, default=0),
        has_steps=has_steps,
        is_partial=any(each.is_partial for each in found),
        wants_all_outputs=has_steps or _is_cached(config),
        may_cache=any(each.may_cache for each in found),
    )


async def _leaves(config: Mapping[str, Any], fetch: FetchConfig, seen: set[tuple[str, str | None]]) -> Any:
    """Yield the scheduling of the model, or of each model that an ensemble is made of in the end."""
    if "ensemble_scheduling" not in config:
        yield replace(_own(config), may_cache=_is_cached(config))
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


def _own(config: Mapping[str, Any]) -> Scheduling:
    levels = int(config.get("dynamic_batching", {}).get("priority_levels", 0))
    batching = config.get("sequence_batching")
    # An iterative sequence is one request that the server itself schedules many times.
    if batching is None or batching.get("iterative_sequence"):
        return Scheduling(None, levels)
    idle = int(batching.get("max_sequence_idle_microseconds", 0))
    strategy = next((name for name in ("direct", "oldest") if name in batching), "")
    return Scheduling(
        SequenceBatching(_corrid(batching), idle / 1e6 if idle else _DEFAULT_IDLE_SECONDS, strategy), levels
    )


def _is_cached(config: Mapping[str, Any]) -> bool:
    return bool((config.get("response_cache") or {}).get("enable"))


def _corrid(batching: Mapping[str, Any]) -> str | None:
    for entry in batching.get("control_input", ()):
        for control in entry["control"]:
            if control["kind"] == "CONTROL_SEQUENCE_CORRID":
                return str(control["data_type"]).removeprefix("TYPE_")
    return None


def _join(found: Iterable[SequenceBatching]) -> SequenceBatching | None:
    """What suits every step: the narrowest id, and the first state to be dropped."""
    steps = list(found)
    if not steps:
        return None
    corrids = [step.corrid for step in steps if step.corrid is not None]
    return SequenceBatching(
        min(corrids, key=lambda corrid: CORRID_MAXIMA.get(corrid, 0), default=None),
        min(step.idle_seconds for step in steps if step.idle_seconds is not None),
        steps[0].strategy,
    )
