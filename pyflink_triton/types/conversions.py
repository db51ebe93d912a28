"""The SQL expressions that turn a value of one type into another: only those that Flink can run."""

from __future__ import annotations

from pyflink_triton.remedies import Remedy
from pyflink_triton.types.sql import FLOATS, SqlType, array_of, simple

_TEXT = simple("STRING")


def conversion(source: SqlType, target: SqlType) -> str | None:
    """Find the expression that turns a value into another type.

    Args:
        source: The value's type.
        target: The type that it has to have.

    Returns:
        The expression, with ``...`` in place of the value. None where Flink has none, or none that keeps every bit.
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
    """Find it for leaf types inside ``depth`` ARRAYs, from Flink's LogicalTypeCasts and what its planner compiles."""
    cast, text = (f"AS {array_of(type_, depth)})" for type_ in (target, _TEXT))
    if target.name == "BYTES":
        # Flink generates code for an array of BYTES that does not compile.
        return None if depth else f"CAST(... {cast}" if source.name == "STRING" else f"CAST(CAST(... {text} {cast}"
    if source.name == "BYTES":
        return None if target.name == "STRING" else f"CAST(CAST(... {text} {cast}"
    if target.name == "BOOLEAN" and source.name in (*FLOATS, "DECIMAL"):
        return None if depth else "... <> 0"
    return f"CAST(... {cast}"


def is_bytes_for_text(source: SqlType, target: SqlType) -> bool:
    """Whether bytes are the argument for a text. A CAST would change bytes that are not UTF-8."""
    return (source.name, target.name) == ("BYTES", "STRING")


def advice(source: SqlType, declared: SqlType) -> str:
    """The sentence for an argument that Flink does not cast implicitly to its declared type."""
    if is_bytes_for_text(source.leaf, declared.leaf) and source.depth == declared.depth:
        # CAST(x'ff' AS STRING) does not fail, but gives another text.
        as_bytes = array_of(simple("BYTES"), declared.depth)
        return Remedy.DECLARE_IN_INPUT(type=as_bytes)
    expression = conversion(source, declared)
    if expression is None:
        return Remedy.NO_CAST(type=declared)
    is_read = source.leaf.name == "BYTES" and "CAST" in expression
    return (Remedy.CONVERT_TEXT if is_read else Remedy.CONVERT)(expression=expression)
