"""Durations and sizes as Flink writes them: ``30s``, ``500 ms``, ``32 mb``."""

import re

from pyflink_triton.remedies import Remedy

_MEASURE = re.compile(r"\s*(\d+)\s*([A-Za-z]*)\s*")

#: Seconds in a unit (Flink's TimeUtils).
_SECONDS = {
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("", "ms", "milli", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "micro", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nano", "nanos", "nanosecond", "nanoseconds"), 1e-9),
}

#: Bytes in a unit (Flink's MemorySize: always powers of 1024).
_BYTES = {
    **dict.fromkeys(("", "b", "bytes"), 1),
    **dict.fromkeys(("k", "kb", "kib", "kibibytes"), 1 << 10),
    **dict.fromkeys(("m", "mb", "mib", "mebibytes"), 1 << 20),
    **dict.fromkeys(("g", "gb", "gib", "gibibytes"), 1 << 30),
}


def parse_duration(text: str) -> float:
    """Read a duration.

    Args:
        text: A whole number and a unit; without a unit, milliseconds.

    Returns:
        Seconds.

    Raises:
        ValueError: It is not a duration; the message says how to write one.
    """
    return _measure(text, _SECONDS, f"a duration: {Remedy.WRITE_DURATION()}")


def parse_size(text: str) -> int:
    """Read a size.

    Args:
        text: A whole number and a unit; without a unit, bytes.

    Returns:
        Bytes.

    Raises:
        ValueError: It is not a size; the message says how to write one.
    """
    return int(_measure(text, _BYTES, f"a size: {Remedy.WRITE_SIZE()}"))


def format_duration(seconds: float) -> str:
    """Write seconds the way that a user writes them in an option."""
    milliseconds = round(seconds * 1000)
    if milliseconds % 1000:
        return f"{milliseconds}ms"
    whole = milliseconds // 1000
    if whole and whole % 86400 == 0:
        return f"{whole // 86400} d"
    return f"{whole // 60} min" if whole >= 300 and whole % 60 == 0 else f"{whole}s"


def format_size(size: int) -> str:
    """Write bytes the way that a user writes them in an option."""
    for unit, factor in (("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"


def _measure(text: str, units: dict[str, float] | dict[str, int], what: str) -> float:
    found = _MEASURE.fullmatch(text)
    factor = units.get(found.group(2).lower()) if found else None
    if found is None or factor is None:
        raise ValueError(f"is not {what}")
    return int(found.group(1)) * factor
