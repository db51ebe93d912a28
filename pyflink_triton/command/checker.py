"""Plans every statement of a script, and says what is wrong with which line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyflink_triton.command.plans import Lost, lost_guards
from pyflink_triton.command.script import Script, Statement, query_of
from pyflink_triton.remedies import Remedy
from pyflink_triton.table.embedded import EmbeddedSession, StatementError, collected_warnings

ERROR, WARNING, SKIPPED = "error", "warning", "not checked"
_ONE_A_LINE = f"a second statement begins in this line, and Flink's SQL client refuses both. {Remedy.BEGIN_A_LINE()}"
_COMMENT_BEHIND = (
    "a comment stands behind the ';' of the statement before, so Flink's SQL client takes that statement and this one "
    f"for one, and refuses it. {Remedy.COMMENT_A_LINE()}"
)
_NO_SEMICOLON = "a ';' is missing before this line"
_OBJECTS = "TABLE|VIEW|MODEL|FUNCTION|CATALOG|DATABASE"
_NAME = r"(?P<name>(?:`[^`]+`|[\w$]+)(?:\s*\.\s*(?:`[^`]+`|[\w$]+))*)"
_OBJECT = re.compile(
    r"(?P<verb>CREATE|DROP|ALTER)\s+(?:OR\s+(?:REPLACE|ALTER)\s+)?(?P<temporary>TEMPORARY\s+)?(?:SYSTEM\s+|MATERIALIZED\s+)?"
    rf"(?P<kind>{_OBJECTS})\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?{_NAME}",
    re.IGNORECASE,
)
_OWN_JAR = re.compile(r"pyflink-triton-shim[^/']*\.jar", re.IGNORECASE)
_IS_OURS = re.compile(r"'provider'\s*=\s*'(?:pyflink-)?triton'", re.IGNORECASE)
_NOT_FOUND = re.compile(
    r"(?:object|model|table) [`'\"]?(?P<name>[\w.`]+).*(?:not found|not exist)|"
    r"no match found for function signature (?P<function>[\w.`]+)",
    re.IGNORECASE,
)
_PLANNED = ("SELECT", "WITH", "VALUES", "(", "INSERT", "UPDATE", "DELETE", "REPLACE")
_CLIENT = ("QUIT", "EXIT", "CLEAR", "HELP")
_RUN = (
    *("CREATE", "DROP", "ALTER", "USE", "ADD", "REMOVE", "LOAD", "UNLOAD"),
    *("DESCRIBE", "DESC", "SHOW", "SET", "RESET", "EXPLAIN"),
)
#: What a SHOW needs a cluster for.
_OF_JOBS = ("SHOW", "JOBS")


@dataclass(frozen=True)
class Finding:
    """What was found of a line.

    Attributes:
        severity: `error`, `warning`, or `not checked` for what could not be seen because of an error before.
        line: The line of the script, from 1.
        column: The column there, from 1.
        message: What is wrong.
        statement: The line where its statement begins.
    """

    severity: str
    line: int
    column: int
    message: str
    statement: int


@dataclass
class Checker:
    """Checks a script in a session.

    Args:
        script: The script.
        session: Where its statements are planned; what they make stays there.

    Attributes:
        statements: How many were looked at.
    """

    script: Script
    session: EmbeddedSession
    statements: int = 0
    _failed: dict[str, int] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)
    _models: set[str] = field(default_factory=set)

    def findings(self) -> Iterator[Finding]:
        """Plan each statement, run what later ones need, and yield what is wrong, in the script's order."""
        offset, inside = 0, False
        while (statement := self.script.next(offset, inside=inside)) is not None:
            self.statements += 1
            offset = statement.end
            inside = (inside or statement.opens_set) and not statement.closes_set
            if statement.is_second:
                yield self._finding(ERROR, statement, statement.start, _ONE_A_LINE)
            elif statement.follows_comment:
                yield self._finding(WARNING, statement, statement.start, _COMMENT_BEHIND)
            if statement.opens_set or statement.closes_set:
                continue
            with collected_warnings() as warned:
                found, offset = self._check(statement, offset)
            yield from found
            for warning in warned:
                if warning not in self._said:
                    self._said.add(warning)
                    yield self._finding(WARNING, statement, statement.start, warning)

    def _check(self, statement: Statement, offset: int) -> tuple[list[Finding], int]:
        """What is wrong with a statement, and where the script goes on."""
        if statement.unclosed is not None:
            return self._unclosed(statement, statement.unclosed, offset)
        try:
            return self._plan(statement), offset
        except StatementError as error:
            place = self._place(statement, error)
            torn = self.script.resume_after_text(statement)
            if torn is not None:
                return self._unclosed(statement, torn[0], torn[1])
            if error.problem.line is not None and self.script.begins_another(statement, place):
                return self._torn(statement, place)
            return [self._refused(statement, place, error)], offset

    def _unclosed(self, statement: Statement, at: int, offset: int) -> tuple[list[Finding], int]:
        self._note_failed(statement)
        torn = self.script.resume_after_text(statement)
        at = torn[0] if torn else at
        what = "comment" if self.script.text[at] == "/" else "name" if self.script.text[at] == "`" else "text"
        closing = {"comment": "*/", "name": "`", "text": "'"}[what]
        message = f"the {what} that begins here is not closed: a {closing} is missing"
        return [self._finding(ERROR, statement, at, message)], torn[1] if torn else offset

    def _torn(self, statement: Statement, place: int) -> tuple[list[Finding], int]:
        """Two statements without a `;` between them: the first one is checked now, and the second one next."""
        missing = self._finding(ERROR, statement, place, _NO_SEMICOLON)
        found, _ = self._check(self.script.cut(statement, place), place)
        return [*found, missing], place

    def _refused(self, statement: Statement, place: int, error: StatementError) -> Finding:
        message = error.problem.message
        missing = _NOT_FOUND.search(message)
        name = (missing["name"] or missing["function"]).replace("`", "").rsplit(".", 1)[-1].lower() if missing else ""
        if name in self._failed:
            text = f"it needs '{name}', which failed in line {self._failed[name]}"
            self._note_failed(statement)
            return self._finding(SKIPPED, statement, place, text)
        self._note_failed(statement)
        return self._finding(ERROR, statement, place, message)

    def _note_failed(self, statement: Statement) -> None:
        made = _OBJECT.match(statement.text)
        if made is not None and made["verb"].upper() == "CREATE":
            self._failed[_last(made["name"]).lower()] = self.script.place(statement.start)[0]

    def _finding(self, severity: str, statement: Statement, offset: int, message: str) -> Finding:
        line, column = self.script.place(offset)
        return Finding(severity, line, column, message, self.script.place(statement.start)[0])

    # Planning

    def _plan(self, statement: Statement) -> list[Finding]:
        first, text = statement.words[0], statement.text
        made = _OBJECT.match(text)
        if first in _CLIENT or statement.words[:2] == _OF_JOBS:
            return []
        query = query_of(text) if made is not None and made["kind"].upper() == "TABLE" else None
        if first in _PLANNED or query is not None:
            found = self._guards(statement, self.session.explain(text))
            if made is not None and query is not None:
                self._make_table(text, made, query)
            return found
        if first not in _RUN or "MATERIALIZED" in statement.words[:4]:
            self.session.read(text)
            return []
        if first == "ADD" and _OWN_JAR.search(text):
            return []  # the session has this package's own
        if made is None:
            self.session.run(text)
            return []
        return self._run_definition(statement, made)

    def _run_definition(self, statement: Statement, made: re.Match[str]) -> list[Finding]:
        """Run a CREATE, DROP or ALTER, but nothing that a catalog would keep."""
        text, kind = statement.text, made["kind"].upper()
        if not (made["temporary"] or kind == "CATALOG" or self._is_ours(made)):
            if made["verb"].upper() != "CREATE" or kind == "DATABASE":
                self.session.read(text)
                return []
            text = re.sub(rf"\b(?={made['kind']}\b)", "TEMPORARY ", text, count=1)
        self.session.run(text)
        if kind == "MODEL" and made["verb"].upper() == "CREATE" and _IS_OURS.search(text):
            self._models.add(_last(made["name"]))
            self._probe(made["name"])
        return []

    def _is_ours(self, made: re.Match[str]) -> bool:
        """Whether what a statement makes ends with the session."""
        parts = re.split(r"\s*\.\s*", made["name"])
        return self.session.is_in_memory(parts[0].strip("`") if len(parts) == 3 else None)

    def _probe(self, model: str) -> None:
        """Plan a query with a model whose columns are declared: only then its server is asked."""
        inputs, _ = self.session.columns_of(model)
        columns = ", ".join(f"(CAST(NULL AS {type_})) AS `{name}`" for name, type_ in inputs)
        names = ", ".join(f"`{name}`" for name, _ in inputs)
        self.session.explain(f"SELECT * FROM ML_PREDICT((SELECT {columns}), MODEL {model}, DESCRIPTOR({names}))")

    def _make_table(self, text: str, made: re.Match[str], query: int) -> None:
        """Make the table of a CREATE TABLE AS without its query, for the statements that read it or write to it."""
        columns = self.session.query_columns(text[query:])
        defined = ", ".join(f"`{name}` {type_}" for name, type_ in columns)
        with_ = re.search(r"\bWITH\s*\(.*\)(?=\s*AS\s*$)", text[made.end() : query], re.IGNORECASE | re.DOTALL)
        options = with_[0] if with_ else ""
        temporary = "" if self._is_ours(made) else "TEMPORARY "
        self.session.run(f"CREATE {temporary}TABLE {made['name']} ({defined}) {options}")

    # Guards

    def _guards(self, statement: Statement, explained: str) -> list[Finding]:
        if "ML_PREDICT" not in explained and not re.search(r"\b(?:CASE|IF|COALESCE|IFNULL|AND|OR)\(", explained):
            return []
        found = []
        for lost in lost_guards(explained, self.session.models() | self._models):
            at = re.search(rf"\b{re.escape(lost.model)}\b", statement.text)
            offset = statement.start + (at.start() if at else 0)
            found.append(self._finding(WARNING, statement, offset, _advice(lost)))
        return found

    # Places

    def _place(self, statement: Statement, error: StatementError) -> int:
        """Where in the script an error is: where Flink says, else where the word that it is about stands."""
        problem = error.problem
        if problem.line is not None and problem.column is not None:
            return self.script.offset(statement, problem.line, problem.column)
        for pattern in _places_of(problem.message, problem.trace):
            found = re.search(pattern, statement.text, re.IGNORECASE)
            if found is not None:
                return statement.start + found.start()
        return statement.start


def _last(name: str) -> str:
    """The last part of a name."""
    return re.split(r"\s*\.\s*", name)[-1].strip("`")


def _places_of(message: str, trace: str) -> Iterator[str]:
    """What to look for in a statement, the surest first."""
    option = re.search(r"option '([^']+)'", message)
    if option is not None:
        yield rf"'{re.escape(option[1])}'"
    call = re.search(r"Invalid function call:\s*(?:[\w$`-]+\.)*`?([\w$-]+)`?\(", trace)
    if call is not None:
        yield rf"`?\b{re.escape(call[1])}`?\s*\("
    for word in re.findall(r"(?:column|tensor|table|model|function) ['`]([^'`]+)['`]", message, re.IGNORECASE):
        yield rf"`?\b{re.escape(word.rsplit('.', 1)[-1])}\b"
    for word in ("'endpoint'", "'model-name'"):
        if "server" in message:
            yield word


def _advice(lost: Lost) -> str:
    if lost.of_prediction:
        return (
            f"model '{lost.model}' is asked for every row, because the WHERE stands outside of ML_PREDICT. "
            + Remedy.FILTER_INSIDE()
        )
    return (
        f"model '{lost.model}' stands behind {lost.guard}, and is asked for every row all the same. "
        + Remedy.FILTER_BEFORE()
    )
