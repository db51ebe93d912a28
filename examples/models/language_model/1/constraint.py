"""What a text may be: `structured_outputs` of vLLM, as a regular expression that knows the beginnings of its matches."""

import json

import numpy as np
import regex
from network import END

_VALUES = {
    "string": r'"[^"\\\p{Cc}]{0,%d}"',
    "integer": "-?(?:0|[1-9][0-9]{0,8})",
    "number": r"-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?",
    "boolean": "true|false",
    "null": "null",
}
_MOST_CHARACTERS = 60


class Constraint:
    """Says which tokens may follow.

    Args:
        wanted: One of `choice` (a list of texts), `regex` and `json` (a schema); nothing allows every text.
        characters: The tokens, by their numbers.
    """

    def __init__(self, wanted, characters):
        self.characters = characters
        self.all = np.array(sorted(characters))
        self.pattern = regex.compile(pattern_of(wanted)) if wanted else None

    def following(self, text):
        """The numbers of the tokens that may follow a text."""
        if self.pattern is None:
            return self.all
        allowed = [number for number in self.all if self._allows(text, self.characters[number])]
        if not allowed:
            raise ValueError(f"no token of the model may follow the text, which has {len(text)} characters")
        return np.array(allowed)

    def is_whole(self, allowed):
        """Whether nothing but the end may follow."""
        return len(allowed) == 1 and self.characters[allowed[0]] == END

    def _allows(self, text, character):
        if character == END:
            return self.pattern.fullmatch(text) is not None
        return self.pattern.fullmatch(text + character, partial=True) is not None


def pattern_of(wanted):
    (kind, value), *more = wanted.items()
    if more or kind not in ("choice", "regex", "json"):
        raise ValueError("structured_outputs takes one of choice, regex and json")
    if kind == "regex":
        return value
    return one_of(value) if kind == "choice" else of_schema(json.loads(value) if isinstance(value, str) else value)


def one_of(texts):
    return f"(?:{'|'.join(map(regex.escape, texts))})"


def of_schema(schema):
    """The values of a JSON schema: constants, simple types, arrays and objects with all of their properties."""
    if "enum" in schema:
        return one_of(map(json.dumps, schema["enum"]))
    kind = schema["type"]
    if kind == "object":
        fields = [regex.escape(f"{json.dumps(name)}: ") + of_schema(each) for name, each in schema["properties"].items()]
        return r"\{" + ", ".join(fields) + r"\}"
    if kind == "array":
        element = of_schema(schema["items"])
        return rf"\[(?:{element}(?:, {element}){{0,9}})?\]"
    value = _VALUES[kind]
    return f"(?:{value % schema.get('maxLength', _MOST_CHARACTERS) if kind == 'string' else value})"
