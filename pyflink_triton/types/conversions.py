"""What to write in Flink's SQL for a value of one type where another is target: only what Flink can run."""

from __future__ import annotations

from pyflink_triton.remedies import Remedy
from pyflink_triton.types.sql import FLOATS, SqlType, array_of, simple

_TEXT = simple("STRING")


def conversion(source: SqlType, target: SqlType) -> str | None:
    """Find an expression for a value of another type.

    Args:
        source: The value's type.
        target: The type that is target.

    Returns:
        The expression, with ``...`` for the value; None where Flink has none, or none that keeps every bit.
    """
    depth, more = min(source.depth, target.depth), target.depth - source.depth
    if more and (source.leaf.name == target.leaf.name or is_bytes_for_text(source.leaf, target.leaf)):
        expression: str | None = "..."
    else:
        expression = _of_leaves(source.leaf, target.leaf, depth)
    if expression is None:
        return None
    return "ARRAY[" * more + expression.replace("...", "..." + "[1]" * -more) + "]" * more


def _of_leaves(source: SqlType, target: SqlType, depth: int) -> str | None:
    """The same for leaves within so many ARRAYs; see Flink's LogicalTypeCasts, and what its planner compiles."""
    cast, text = (f"AS {array_of(type_, depth)})" for type_ in (target, _TEXT))
    if target.name == "BYTES":
        # The code that Flink makes for an array of BYTES does not compile.
        return None if depth else f"CAST(... {cast}" if source.name == "STRING" else f"CAST(CAST(... {text} {cast}"
    if source.name == "BYTES":
        return None if target.name == "STRING" else f"CAST(CAST(... {text} {cast}"
    if target.name == "BOOLEAN" and source.name in (*FLOATS, "DECIMAL"):
        return None if depth else "... <> 0"
    return f"CAST(... {cast}"


def is_bytes_for_text(source: SqlType, target: SqlType) -> bool:
    """Whether a leaf of bytes is source for one of text: a CAST would change what is no UTF-8."""
    return (source.name, target.name) == ("BYTES", "STRING")


def advice(source: SqlType, declared: SqlType) -> str:
    """The sentence for a value that is not cast to its declared type by itself."""
    if is_bytes_for_text(source.leaf, declared.leaf) and source.depth == declared.depth:
        # CAST(x'ff' AS STRING) is no error: it is another text.
        target = array_of(simple("BYTES"), declared.depth)
        return Remedy.DECLARE_IN_INPUT(type=target)
    expression = conversion(source, declared)
    if expression is None:
        return Remedy.NO_CAST(type=declared)
    is_read = source.leaf.name == "BYTES" and "CAST" in expression
    return (Remedy.CONVERT_TEXT if is_read else Remedy.CONVERT)(expression=expression)
