"""A script of SQL: its statements with their lines, by the rules of Flink's SQL client.

The client takes a statement up to a line that ends with `;`, and refuses it where there are two. So a second statement
of a line, and a comment behind a `;`, are found here, and the statements are taken one by one all the same.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

_TOKENS = re.compile(
    r"""(?P<comment>--[^\n]*|//[^\n]*|/\*(?!\+).*?\*/)
    |(?P<quoted>[eE]'(?:\\.|[^'\\]|'')*'|'(?:[^']|'')*'|`(?:[^`]|``)*`)
    |(?P<open>['`]|/\*(?!\+))
    |(?P<end>;)
    |(?P<word>\w+)
    |(?P<other>\S)""",
    re.VERBOSE | re.DOTALL,
)
_STATEMENT_SET = (("EXECUTE", "STATEMENT", "SET", "BEGIN"), ("EXPLAIN", "STATEMENT", "SET", "BEGIN"))
_OLD_STATEMENT_SET = ("BEGIN", "STATEMENT", "SET")
#: What a statement is known by.
_WORDS = 8
_OBJECTS = ("TABLE", "VIEW", "MODEL", "FUNCTION", "CATALOG", "DATABASE")
#: Words that only begin statements, at a line's start: where Flink stumbles over one, a `;` is missing before it.
_BEGINNINGS = re.compile(
    r"(?:CREATE|DROP|ALTER|INSERT|SELECT|EXPLAIN|USE|SET|RESET|SHOW|DESCRIBE|EXECUTE|BEGIN|LOAD|UNLOAD|DELETE|UPDATE|"
    r"CALL|ADD\s+JAR)\b",
    re.IGNORECASE,
)
_LINE_ENDS = re.compile(r";[^\S\n]*(?:\n|$)")
#: What stands behind the end of a statement: comments, and the next one or the end.
_NEXT = re.compile(
    rf"(?:\s|--[^\n]*|/\*.*?\*/)*(?:\Z|;|{_BEGINNINGS.pattern}|(?:WITH|VALUES|TABLE|END|ANALYZE|TRUNCATE|COMPILE)\b)",
    re.IGNORECASE | re.DOTALL,
)


def created(statement: str) -> str | None:
    """The name of what a statement makes, without its catalog and database; None where it makes nothing.

    Args:
        statement: The statement; it may be wrong.
    """
    tokens = _without_comments(statement)
    words = [token.upper() for token in islice(tokens, _WORDS)]
    kind = next((at for at, word in enumerate(words) if word in _OBJECTS), None)
    if words[:1] not in (["CREATE"], ["REPLACE"]) or kind is None:
        return None
    rest = list(_without_comments(statement))[kind + 1 :]
    if [word.upper() for word in rest[:3]] == ["IF", "NOT", "EXISTS"]:
        rest = rest[3:]
    while rest[1:2] == ["."]:
        rest = rest[2:]
    return _unquoted(rest[0]) if rest else None


def names_in(statement: str) -> set[str]:
    """What may be a name in a statement, in small letters.

    Args:
        statement: The statement.
    """
    return {_unquoted(token).lower() for token in _without_comments(statement) if token[0] != "'"}


def _without_comments(text: str) -> Iterator[str]:
    return (token[0] for token in _TOKENS.finditer(text) if token.lastgroup != "comment")


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name[0] == "`" else name


@dataclass(frozen=True)
class Statement:
    """One statement of a script.

    Attributes:
        text: From its first word to its last character, without the `;`.
        start: Where it begins in the script.
        end: Where the script goes on.
        words: Its first words, in capitals.
        is_second: Whether another one ends in the line where it begins.
        follows_comment: Whether another one ends in a line that goes on with a comment.
        is_inside: Whether it is one of a statement set.
        unclosed: Where a text or comment begins that nothing ends, or None.
    """

    text: str
    start: int
    end: int
    words: tuple[str, ...]
    is_second: bool = False
    follows_comment: bool = False
    is_inside: bool = False
    unclosed: int | None = None

    @property
    def opens_set(self) -> bool:
        """Whether it begins a statement set."""
        return self.words[:4] in _STATEMENT_SET or self.words[:3] == _OLD_STATEMENT_SET

    @property
    def closes_set(self) -> bool:
        """Whether it is the end of a statement set."""
        return self.words == ("END",)


class Script:
    """A script of SQL statements.

    Args:
        text: The script.
    """

    def __init__(self, text: str) -> None:
        self.text = text.removeprefix("\N{BOM}")
        self._lines = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column of a character, both counted from 1."""
        line = bisect.bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def offset(self, statement: Statement, line: int, column: int) -> int:
        """Where a line and a column of a statement are in the script; both are counted from 1."""
        lines = statement.text.split("\n")
        before = sum(len(each) + 1 for each in lines[: min(line, len(lines)) - 1])
        return min(statement.start + before + column - 1, max(statement.end - 1, statement.start))

    def line(self, number: int) -> str:
        """A line's text."""
        return self.text[self._lines[number - 1] :].split("\n", 1)[0].rstrip("\r")

    def next(self, offset: int, *, inside: bool = False) -> Statement | None:
        """The next statement from a place on; what is inside of a statement set comes one by one.

        Args:
            offset: Where to begin.
            inside: Whether that is inside of a statement set.

        Returns:
            The statement, or None at the script's end.
        """
        behind = offset - 1 if offset and self.text[offset - 1] == ";" else None
        start, last, words, comment, unclosed = None, offset, list[str](), None, None
        end = len(self.text)
        for token in _TOKENS.finditer(self.text, offset):
            kind = token.lastgroup
            if kind == "comment":
                comment = token.start() if start is None and comment is None else comment
            elif kind == "end":
                if start is not None:
                    end = token.end()
                    break
                behind = token.start()
            else:
                start = token.start() if start is None else start
                last = token.end()
                if kind == "open":
                    last, unclosed = len(self.text.rstrip()), token.start()
                    break
                if len(words) < _WORDS:
                    words.append(token[0].upper())
                if tuple(words) in _STATEMENT_SET:
                    end = last
                    break
        if start is None:
            return None
        is_second = not inside and self._share_a_line(behind, start)
        follows = not inside and not is_second and self._share_a_line(behind, comment)
        return Statement(self.text[start:last], start, end, tuple(words), is_second, follows, inside, unclosed)

    def _share_a_line(self, one: int | None, other: int | None) -> bool:
        return one is not None and other is not None and self.place(one)[0] == self.place(other)[0]

    def pieces(self) -> Iterator[Statement]:
        """Each statement; those of a statement set one by one, between its beginning and its end."""
        offset, inside = 0, False
        while (statement := self.next(offset, inside=inside)) is not None:
            yield statement
            offset = statement.end
            inside = (inside or statement.opens_set) and not statement.closes_set

    def statements(self) -> Iterator[Statement]:
        """Each statement as Flink takes it: a statement set is one."""
        parts: list[Statement] = []
        for piece in self.pieces():
            if piece.opens_set or parts:
                parts.append(piece)
                if piece.closes_set:
                    yield self._joined(parts)
                    parts = []
            else:
                yield piece
        yield from parts

    def _joined(self, parts: list[Statement]) -> Statement:
        first, last = parts[0], parts[-1]
        text = self.text[first.start : last.start + len(last.text)]
        if first.words[:3] == _OLD_STATEMENT_SET:
            inner = "".join(f"{part.text};\n" for part in parts[1:-1])
            text = f"EXECUTE STATEMENT SET BEGIN\n{inner}END"
        return Statement(text, first.start, last.end, first.words, first.is_second, first.follows_comment)

    def unclosed(self, offset: int) -> str:
        """What to say of a text, a name or a comment that begins at a place, and that nothing ends."""
        what, closing = {"/": ("comment", "*/"), "`": ("name", "`")}.get(self.text[offset], ("text", "'"))
        return f"the {what} that begins here is not closed: a {closing} is missing"

    def begins_another(self, statement: Statement, offset: int) -> bool:
        """Whether what a place in a statement begins looks like a statement of its own, at the start of a line."""
        line, _ = self.place(offset)
        indent = self.text[self._lines[line - 1] : offset]
        return offset > statement.start and not indent.strip() and _BEGINNINGS.match(self.text, offset) is not None

    def cut(self, statement: Statement, offset: int) -> Statement:
        """A statement up to a place in it."""
        text = self.text[statement.start : offset].rstrip()
        return Statement(text, statement.start, offset, statement.words, statement.is_second, statement.follows_comment)

    def resume_after_text(self, statement: Statement) -> tuple[int, int] | None:
        """Where a text begins that goes on over the end of a statement, and where the next statement may begin.

        A text with a `;` at the end of one of its lines, and a statement or nothing behind it, is more often one that
        nobody closed.
        """
        for token in _TOKENS.finditer(self.text, statement.start, max(statement.end, statement.start)):
            is_open = token.lastgroup == "open" and token[0] == "'"
            if not is_open and not (token.lastgroup == "quoted" and token[0][-1] == "'"):
                continue
            ends = list(_LINE_ENDS.finditer(self.text, token.start(), statement.end if is_open else token.end()))
            for end in ends:
                if _NEXT.match(self.text, end.end()):
                    return token.start(), end.start() + 1
            if is_open and ends:
                return token.start(), ends[0].start() + 1
        return None
