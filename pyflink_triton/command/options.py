"""`pyflink-triton options`: the options of a model, from the declarations that the reference is made from."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich.text import Text

from pyflink_triton.command.console import CommandError, Json, print_json, print_table
from pyflink_triton.options.declaration import Option
from pyflink_triton.options.options import OPTIONS

_CODE = re.compile(r"`([^`]*)`")


def options(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD]...", help="Only options with all of these in their name or text."),
    ] = None,
    json: Json = False,
) -> None:
    """List the options of a model: type, default, and what they do."""
    found = [option for option in OPTIONS.values() if _has(option, words or ())]
    if not found:
        raise CommandError(f"no option has {' and '.join(map(repr, words or ()))} in its name or text.")
    if json:
        print_json([_data(option) for option in found])
        return
    print_table(
        ("option", "type", "default", "what"),
        [(Text(option.key, "bold cyan"), option.type, _default(option), _text(option.description)) for option in found],
    )


def _has(option: Option, words: list[str] | tuple[str, ...]) -> bool:
    text = f"{option.key} {option.type} {option.description}".lower()
    return all(word.lower() in text for word in words)


def _default(option: Option) -> Text:
    return Text("must be set", "yellow") if option.required else Text(option.default_text)


def _data(option: Option) -> dict[str, object]:
    has_default = not option.required and option.default_text != "-"
    return {
        "key": option.key,
        "type": option.type,
        "required": option.required,
        "default": option.default_text if has_default else None,
        "description": option.description,
    }


def _text(markdown: str) -> Text:
    """A description for a terminal: what the reference has as code is coloured, or keeps its quotes."""
    text = Text()
    end = 0
    for code in _CODE.finditer(markdown):
        text.append(markdown[end : code.start()])
        text.append(f"'{code[1]}'", "cyan")
        end = code.end()
    return text.append(markdown[end:])
