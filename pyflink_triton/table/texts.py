"""How Flink writes rows as text: the kinds of their changes, and values from what CAST to STRING makes of them."""

from __future__ import annotations

import math
from decimal import Decimal

#: The kinds of changes, as Flink's SQL client writes them.
CHANGES = {"INSERT": "+I", "UPDATE_BEFORE": "-U", "UPDATE_AFTER": "+U", "DELETE": "-D"}
_WHOLE = ("TINYINT", "SMALLINT", "INT", "BIGINT")
_FLOATING = ("FLOAT", "DOUBLE")


def from_text(text: str, type_: str) -> bool | int | float | Decimal | str:
    """A number or a truth value as such, and all else as the text that it is; so are NaN and the infinities.

    Args:
        text: What the CAST made.
        type_: The value's type, as SQL writes it.
    """
    name = type_.split(" ")[0].split("(")[0]
    if name == "BOOLEAN":
        return text.upper() == "TRUE"
    if name in _WHOLE:
        return int(text)
    if name == "DECIMAL":
        return Decimal(text)
    number = float(text) if name in _FLOATING else math.nan
    return number if math.isfinite(number) else text
