"""Ids of sequences: the text that the template gives for a row, and the number or text that is sent for it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyflink_triton._arrow import from_offsets
from pyflink_triton.model.scheduling import CORRID_MAXIMA
from pyflink_triton.options.parsers import COLUMN_REFERENCE, columns_of

#: The id by which the server knows a sequence.
WireId = int | str

#: Triton's own limit for a text.
_MAX_TEXT_BYTES = 128


class IdTemplate:
    """The option ``sequence-id``, filled in for the rows of a batch.

    Args:
        template: A text that may refer to columns: ``conversation-${user_id}``.
        columns: Where each column that it refers to is in a batch.
    """

    def __init__(self, template: str, columns: Mapping[str, int]) -> None:
        texts = COLUMN_REFERENCE.split(template)
        self._texts = [_text(text) for text in texts[::2]]
        self._columns = [columns[name] for name in texts[1::2]]
        self._constant = None if columns_of(template) else template

    def fill(self, inputs: pa.RecordBatch) -> list[str | None]:
        """The id of each row; None where a column that it is made of is NULL."""
        if self._constant is not None:
            return [self._constant] * inputs.num_rows
        parts: list[pa.Array | pa.Scalar] = [self._texts[0]]
        for column, text in zip(self._columns, self._texts[1:], strict=True):
            parts += [inputs.column(column).cast(pa.utf8()), text]
        joined: list[str | None] = pc.binary_join_element_wise(*parts, _text("")).to_pylist()
        return joined


def _text(value: str) -> pa.Scalar:
    """A scalar; pa.scalar would import pandas."""
    data = value.encode()
    return from_offsets(pa.utf8(), np.array([0, len(data)]), data)[0]


def encode_id(text: str, corrid: str | None) -> WireId:
    """The number or text that is sent for an id.

    Args:
        text: The id, not empty.
        corrid: The type of the model's CORRID control; None where it has none.

    Returns:
        For an integer control a number from 1 to its type's maximum: the id itself where it is one in decimal, else
        its hash. Else the id, or its hash where it is over 128 bytes.
    """
    data = text.encode()
    maximum = CORRID_MAXIMA.get(corrid or "")
    if maximum is None:
        is_short = len(data) <= _MAX_TEXT_BYTES and b"\0" not in data
        return text if is_short else blake2b(data, digest_size=32).hexdigest()
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 20 and int(text) <= maximum:
        return int(text)
    # Each maximum is a run of ones, so that a mask cuts the hash to its range without favouring any number.
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") & maximum or 1
