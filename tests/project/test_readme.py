"""The tables of the README come from the code; run this file as a program to write them again."""

from __future__ import annotations

import re

from places import ROOT

from pyflink_triton.options.options import OPTIONS
from pyflink_triton.types.triton import DATATYPES

README = ROOT / "README.md"


def types() -> str:
    rows = ["| Triton | Flink | also as INPUT | also as OUTPUT |", "| --- | --- | --- | --- |"]
    for datatype in DATATYPES.values():
        inputs = ", ".join(f"`{name}`" for name in datatype.inputs if name != datatype.sql)
        outputs = ", ".join(f"`{name}`" for name in datatype.outputs if name != datatype.sql)
        range_checked = ", each value checked" if datatype.is_checked else ""
        rows.append(f"| `{datatype.name}` | `{datatype.sql}`{range_checked} | {inputs or '-'} | {outputs or '-'} |")
    return "\n".join(rows)


def options() -> str:
    rows = ["| option | type | default | what |", "| --- | --- | --- | --- |"]
    for option in OPTIONS.values():
        default = "must be set" if option.required else f"`{option.default_text}`".replace("`-`", "-")
        rows.append(f"| `{option.key}` | {option.type} | {default} | {option.description} |")
    return "\n".join(rows)


def written(text: str) -> str:
    for name, table in (("types", types()), ("options", options())):
        begin = re.search(rf"<!-- {name}: [^>]*-->\n", text)
        assert begin is not None
        end = text.index(f"<!-- /{name} -->")
        text = f"{text[: begin.end()]}{table}\n{text[end:]}"
    return text


def test_the_tables_are_those_of_the_code() -> None:
    text = README.read_text()
    assert text == written(text), "run `make pages`"
    assert "| `FP32` |" in text
    assert "| `endpoint` |" in text


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
