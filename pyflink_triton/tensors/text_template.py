"""Texts that refer to columns, filled in for the rows of a batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyflink_triton._arrow import from_offsets
from pyflink_triton.options.parsers import COLUMN_REFERENCE, columns_of


class TextTemplate:
    """A text that may refer to columns: ``conversation-${user_id}``.

    Args:
        template: The text.
        columns: Where each column that it refers to is in a batch.
    """

    def __init__(self, template: str, columns: Mapping[str, int]) -> None:
        texts = COLUMN_REFERENCE.split(template)
        self._texts = [_text(text) for text in texts[::2]]
        self._columns = [columns[name] for name in texts[1::2]]
        self._constant = None if columns_of(template) else template

    def fill(self, inputs: pa.RecordBatch) -> list[str | None]:
        """The text of each row; None where a column that it is made of is NULL."""
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
