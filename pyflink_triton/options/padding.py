"""How the option `pad` is read: which tensors are padded, to which lengths, and what says where values end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyflink_triton.remedies import Remedy

_KEYS = ("edges", "value", "mask", "outputs", "untrimmed")
#: Lengths are those of arrays in Arrow.
_MOST = (1 << 31) - 1


@dataclass(frozen=True)
class Pad:
    """How one tensor is padded.

    Attributes:
        edges: The lengths that its variable dim is padded to, ascending.
        value: What it is padded with, as JSON has it; None for zero, false or an empty text.
        mask: The input that is 1 where the row has a value, and 0 behind; None: the model needs none.
        outputs: The outputs that share the dim, and are trimmed to the row's own length.
        untrimmed: The outputs with a variable dim of their own.
    """

    edges: tuple[int, ...]
    value: Any = None
    mask: str | None = None
    outputs: tuple[str, ...] = ()
    untrimmed: tuple[str, ...] = ()


def pads(value: str) -> tuple[tuple[str, Pad], ...]:
    """Read a JSON object with an entry for each tensor."""
    found = _load(value)
    if not isinstance(found, dict):
        raise ValueError(f"is not a JSON object of tensors: {Remedy.WRITE_PAD()}")
    return tuple((name, _read(name, each)) for name, each in found.items())


def pad(name: str, value: str) -> tuple[str, Pad]:
    """Read how one tensor is padded."""
    return name, _read(name, _load(value))


def _load(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=float)
    except (ValueError, RecursionError):
        return None


def _read(name: str, found: Any) -> Pad:
    if not isinstance(found, dict):
        raise ValueError(f"does not say in JSON how the tensor '{name}' is padded: {Remedy.WRITE_PAD()}")
    unknown = next((key for key in found if key not in _KEYS), None)
    if unknown is not None:
        raise ValueError(f"has the key '{unknown}' for the tensor '{name}', which there is not: {Remedy.WRITE_PAD()}")
    edges = found.get("edges")
    if not isinstance(edges, list) or not edges or not all(map(_is_length, edges)) or sorted(set(edges)) != edges:
        raise ValueError(f"has no ascending lengths above 0 as edges for the tensor '{name}': {Remedy.WRITE_PAD()}")
    if "mask" not in found:
        raise ValueError(f"has no mask for the tensor '{name}'. {Remedy.WRITE_MASK()}")
    mask, value = found["mask"], found.get("value")
    if not (mask is None or (isinstance(mask, str) and mask.strip())) or isinstance(value, (list, dict)):
        raise ValueError(f"has a mask or a value for the tensor '{name}' that cannot be one: {Remedy.WRITE_PAD()}")
    outputs, untrimmed = (_names(name, found.get(key, [])) for key in ("outputs", "untrimmed"))
    return Pad(tuple(edges), value, mask, outputs, untrimmed)


def _is_length(edge: Any) -> bool:
    return isinstance(edge, int) and not isinstance(edge, bool) and 0 < edge <= _MOST


def _names(tensor: str, found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(f"names outputs for the tensor '{tensor}' that are no list of texts: {Remedy.WRITE_PAD()}")
    return tuple(dict.fromkeys(found))
