"""The options of Flink's own module for Triton, as the committed list `flink_options.json` has them.

Run as a program, it fetches the module's jar from Maven Central, reads the ``ConfigOption`` of each field of its class
``TritonOptions`` in a JVM, and writes them into the list as those of ``released``. The others are written by hand:

- ``main``: the same class on the main branch of apache/flink, at the commit that is named there;
- ``proposed``: the options of apache/flink#27568, which is open;
- ``TritonProvider``: what ``to_options()`` of ``pyflink.dataframe.TritonProvider`` of that branch hands over where each
  argument is given.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIST = Path(__file__).parent / "flink_options.json"


@dataclass(frozen=True)
class FlinkOption:
    """One option of the module.

    Attributes:
        type: The name of its Java type.
        default: As a user would write it; None where there is none.
    """

    type: str
    default: str | None


def read_list() -> dict[str, Any]:
    """The committed list."""
    written: dict[str, Any] = json.loads(_LIST.read_text())
    return written


def options(part: str) -> dict[str, FlinkOption]:
    """The options of a part of the list, by key."""
    return {key: FlinkOption(*each) for key, each in read_list()[part]["options"].items()}


def _options_in(jar: Path) -> dict[str, list[str | None]]:
    from pyflink.java_gateway import get_gateway

    java = get_gateway().jvm
    urls = get_gateway().new_array(java.java.net.URL, 1)
    urls[0] = java.java.net.URL(jar.as_uri())
    loader = java.java.net.URLClassLoader(urls, java.Thread.currentThread().getContextClassLoader())
    found: dict[str, list[str | None]] = {}
    for field in loader.loadClass("org.apache.flink.model.triton.TritonOptions").getDeclaredFields():
        if field.getType().getSimpleName() == "ConfigOption":
            option = field.get(None)
            default = _text(java, option.defaultValue()) if option.hasDefaultValue() else None
            found[option.key()] = [_type(field.toGenericString()), default]
    return found


def _type(field: str) -> str:
    """The simple name of what a ConfigOption holds, from its field as Java writes it."""
    (held,) = re.findall(r"ConfigOption<([\w.]+)", field)
    return str(held).rpartition(".")[2]


def _text(java: Any, default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, (str, int, float)):
        return str(default)
    return str(java.org.apache.flink.util.TimeUtils.formatWithHighestUnit(default))


def _write() -> None:
    from benchmarks import flink_module

    written = read_list() if _LIST.exists() else {}
    with tempfile.TemporaryDirectory() as directory:
        found = _options_in(flink_module.fetch(Path(directory), "jar"))
    written["released"] = {"artifact": f"org.apache.flink:flink-model-triton:{flink_module.VERSION}", "options": found}
    pairs = re.compile(r"\[\s+(\S+),\s+(.+)\s+\]")  # each on one line
    _LIST.write_text(pairs.sub(r"[\1, \2]", json.dumps(written, indent=2)) + "\n")


if __name__ == "__main__":
    _write()
