"""Ids of sequences: the text that the template gives for a row, and the number or text that is sent for it."""

from __future__ import annotations

from hashlib import blake2b

from pyflink_triton.model.scheduling import CORRID_MAXIMA

#: The id by which the server knows a sequence.
WireId = int | str

#: Triton's own limit for a text.
_MAX_TEXT_BYTES = 128


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
