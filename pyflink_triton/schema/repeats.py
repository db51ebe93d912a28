"""Whether a model's answers may be kept for rows that come again."""

from __future__ import annotations

from pyflink_triton.errors import OptionError
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.remedies import Remedy


def check_repeats(signature: ModelSignature, options: Options | None) -> None:
    """Check that the same row always has the same answer where answers are kept.

    Args:
        signature: The model's signature.
        options: The model's options; None where there are none.

    Raises:
        OptionError: The model is stateful, or is decoupled and nobody said that it is deterministic.
    """
    if options is None or not options.cache_max_bytes:
        return
    if signature.stateful:
        raise OptionError(
            f"option 'cache-max-bytes' is not for the server's model '{signature.name}', which is stateful: its answer "
            f"depends on the rows before. {Remedy.LEAVE_OUT()}"
        )
    if signature.decoupled and not options.deterministic:
        raise OptionError(
            f"option 'cache-max-bytes' would give the responses of the server's model '{signature.name}', which is "
            f"decoupled, again. {Remedy.ALLOW_REPEATS()}"
        )
