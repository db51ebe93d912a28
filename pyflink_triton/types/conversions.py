"""What to write in Flink's SQL for a value of one type where another is wanted: only what Flink can run."""

from __future__ import annotations

from pyflink_triton.remedies import Remedy
from pyflink_triton.types.sql import FLOATS, SqlType, array_of, simple

_TEXT = simple("STRING")


def conversion(given: SqlType, wanted: SqlType) -> str | None:
    """Find an expression for a value of another type.

    Args:
        given: The value's type.
        wanted: The type that is wanted.

    Returns:
        The expression, with ``...`` for the value; None where Flink has none, or none that keeps every bit.
    """
    depth, more = min(given.depth, wanted.depth), wanted.depth - given.depth
    if more and (given.leaf.name == wanted.leaf.name or is_bytes_for_text(given.leaf, wanted.leaf)):
        expression: str | None = "..."
    else:
        expression = _of_leaves(given.leaf, wanted.leaf, depth)
    if expression is None:
        return None
    return "ARRAY[" * more + expression.replace("...", "..." + "[1]" * -more) + "]" * more


def _of_leaves(given: SqlType, wanted: SqlType, depth: int) -> str | None:
    """The same for leaves within so many ARRAYs; see Flink's LogicalTypeCasts, and what its planner compiles."""
    cast, text = (f"AS {array_of(type_, depth)})" for type_ in (wanted, _TEXT))
    if wanted.name == "BYTES":
        # The code that Flink makes for an array of BYTES does not compile.
        return None if depth else f"CAST(... {cast}" if given.name == "STRING" else f"CAST(CAST(... {text} {cast}"
    if given.name == "BYTES":
        return None if wanted.name == "STRING" else f"CAST(CAST(... {text} {cast}"
    if wanted.name == "BOOLEAN" and given.name in (*FLOATS, "DECIMAL"):
        return None if depth else "... <> 0"
    return f"CAST(... {cast}"


def is_bytes_for_text(given: SqlType, wanted: SqlType) -> bool:
    """Whether a leaf of bytes is given for one of text: a CAST would change what is no UTF-8."""
    return (given.name, wanted.name) == ("BYTES", "STRING")


def advice(given: SqlType, declared: SqlType) -> str:
    """The sentence for a value that is not cast to its declared type by itself."""
    if is_bytes_for_text(given.leaf, declared.leaf) and given.depth == declared.depth:
        # CAST(x'ff' AS STRING) is no error: it is another text.
        wanted = array_of(simple("BYTES"), declared.depth)
        return Remedy.DECLARE_IN_INPUT(type=wanted)
    expression = conversion(given, declared)
    if expression is None:
        return Remedy.NO_CAST(type=declared)
    is_read = given.leaf.name == "BYTES" and "CAST" in expression
    return (Remedy.CONVERT_TEXT if is_read else Remedy.CONVERT)(expression=expression)
