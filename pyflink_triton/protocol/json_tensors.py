"""Outputs whose elements come in JSON: each is checked, and all become the bytes that a binary answer would have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyflink_triton.errors import ContractError
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.types.wire import FixedSize

#: What JSON has for the elements of each kind of numpy type.
_JSON_TYPES: Mapping[str, set[type]] = {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}}


def encode_elements(spec: TensorSpec, elements: Sequence[Any]) -> memoryview:
    """Encode the elements of an output, whole numbers exactly.

    Args:
        spec: The output; neither BF16 nor, where its elements may not be UTF-8, BYTES.
        elements: Its elements, flat, as JSON has them.

    Returns:
        The bytes of all elements.

    Raises:
        ContractError: An element is of another type, or out of the datatype's range.
    """
    wire = spec.datatype.wire
    try:
        if isinstance(wire, FixedSize):
            return _encode_numbers(wire.dtype, elements)
        texts = [element.encode() for element in elements]
        return memoryview(b"".join([part for text in texts for part in (len(text).to_bytes(4, "little"), text)]))
    except (TypeError, ValueError, AttributeError, ArithmeticError):
        raise ContractError(f"output '{spec.name}' holds a value that is not {spec.datatype.name}") from None


def _encode_numbers(dtype: np.dtype[Any], elements: Sequence[Any]) -> memoryview:
    if not set(map(type, elements)) <= _JSON_TYPES[dtype.kind]:
        raise TypeError
    if dtype.kind in "iu" and elements:
        limits = np.iinfo(dtype)  # numpy before 2 wraps what is out of them
        if min(elements) < limits.min or max(elements) > limits.max:
            raise OverflowError
    with np.errstate(over="raise"):
        return np.array(elements, np.float64 if dtype.kind == "f" else dtype).astype(dtype, copy=False).data.cast("B")
