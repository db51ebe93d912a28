"""Plans every statement of a script, and says what is wrong with which line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyflink_triton.command.plans import Lost, lost_guards
from pyflink_triton.command.script import Script, Statement, created, names_in
from pyflink_triton.remedies import Remedy
from pyflink_triton.table.embedded import EmbeddedSession, StatementError, collected_warnings
from pyflink_triton.table.operations import Operation

ERROR, WARNING, SKIPPED = "error", "warning", "not checked"
_ONE_A_LINE = f"a second statement begins in this line, and Flink's SQL client refuses both. {Remedy.BEGIN_A_LINE()}"
_COMMENT_BEHIND = (
    "a comment stands behind the ';' of the statement before, so Flink's SQL client takes that statement and this one "
    f"for one, and refuses it. {Remedy.COMMENT_A_LINE()}"
)
_NO_SEMICOLON = "a ';' is missing before this line"
#: What a trace names where the text of a statement is no SQL.
_NOT_READ = "SqlParserException"
_OUR_PROVIDERS = ("triton", "pyflink-triton")
_OWN_JAR = re.compile(r"pyflink-triton-shim[^/']*\.jar", re.IGNORECASE)
_NOT_FOUND = re.compile(
    r"(?:object|model|table) [`'\"]?(?P<name>[\w.`]+).*(?:not found|n[o']t exist)|"
    r"cannot find table '(?P<table>[^']+)'|"
    r"no match found for function signature (?P<function>[\w.`]+)",
    re.IGNORECASE,
)
#: First words of what is planned without a look at what it is: planning runs nothing.
_PLANNED = ("SELECT", "WITH", "VALUES", "(", "INSERT", "UPDATE", "DELETE")
_SETTINGS = ("SET", "RESET")
_CLIENT = ("QUIT", "EXIT", "CLEAR", "HELP")


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
    #: What did not run and would have made or altered something: its name, and the line.
    _left_out: dict[str, int] = field(default_factory=dict)
    #: What is temporary here and would not be so: its full name, and its last part.
    _stand_ins: dict[str, str] = field(default_factory=dict)

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
            torn = self.script.resume_after_text(statement) if _NOT_READ in error.problem.trace else None
            if torn is not None and place > torn[0]:
                return self._unclosed(statement, torn[0], torn[1])
            if error.problem.line is not None and self.script.begins_another(statement, place):
                return self._torn(statement, place)
            return [self._refused(statement, place, error)], offset

    def _unclosed(self, statement: Statement, at: int, offset: int) -> tuple[list[Finding], int]:
        self._note_failed(statement)
        torn = self.script.resume_after_text(statement)
        at = torn[0] if torn else at
        return [self._finding(ERROR, statement, at, self.script.unclosed(at))], torn[1] if torn else offset

    def _torn(self, statement: Statement, place: int) -> tuple[list[Finding], int]:
        """Two statements without a `;` between them: the first one is checked now, and the second one next."""
        missing = self._finding(ERROR, statement, place, _NO_SEMICOLON)
        found, _ = self._check(self.script.cut(statement, place), place)
        return [*found, missing], place

    def _refused(self, statement: Statement, place: int, error: StatementError) -> Finding:
        message = error.problem.message
        missing = _NOT_FOUND.search(message)
        name = (
            (missing["name"] or missing["table"] or missing["function"]).replace("`", "").rsplit(".", 1)[-1].lower()
            if missing
            else ""
        )
        if name in self._failed:
            text = f"it needs '{name}', which failed in line {self._failed[name]}"
            self._note_failed(statement)
            return self._finding(SKIPPED, statement, place, text)
        doubt = None if _NOT_READ in error.problem.trace else self._doubt(statement)
        self._note_failed(statement)
        return self._finding(ERROR if doubt is None else SKIPPED, statement, place, doubt or message)

    def _doubt(self, statement: Statement) -> str | None:
        """Why a statement that Flink refuses here may be right all the same."""
        names = names_in(statement.text)
        altered = next((name for name in self._stand_ins.values() if name.lower() in names), None)
        if statement.words[0] == "ALTER" and altered is not None:
            self._leave_out(altered, statement)
            return f"it alters '{altered}', which is a temporary one here"
        needed = next((name for name in self._left_out if name in names), None)
        return (
            None if needed is None else f"it needs '{needed}' of line {self._left_out[needed]}, which did not run here"
        )

    def _leave_out(self, name: str, statement: Statement) -> None:
        self._left_out[name.lower()] = self.script.place(statement.start)[0]

    def _note_failed(self, statement: Statement) -> None:
        name = created(statement.text)
        if name is not None:
            self._failed[name.lower()] = self.script.place(statement.start)[0]

    def _finding(self, severity: str, statement: Statement, offset: int, message: str) -> Finding:
        line, column = self.script.place(offset)
        return Finding(severity, line, column, message, self.script.place(statement.start)[0])

    # Planning

    def _plan(self, statement: Statement) -> list[Finding]:
        first, text = statement.words[0], statement.text
        if first in _CLIENT:
            return []
        if first in _PLANNED:
            return self._guards(statement, self.session.explain(text))
        if first in _SETTINGS:
            self.session.run(text)
            return []
        operation = self.session.parse(text)
        if operation.is_planned:
            found = self._guards(statement, self.session.explain(text))
            self._make_table(operation)
            return found
        if operation.is_harmless:
            if operation.jar is None or not _OWN_JAR.search(operation.jar):  # the session has this package's own
                self.session.run(text)
        elif operation.verb is not None:
            self._define(statement, operation)
        else:  # Flink has read it, and that is all that can be known
            name = created(text)
            if name is not None:
                self._leave_out(name, statement)
        return []

    def _define(self, statement: Statement, operation: Operation) -> None:
        """Run a CREATE, DROP or ALTER, but nothing that a catalog would keep."""
        if operation.is_temporary or self.session.is_in_memory(operation.catalog):
            self.session.apply(operation)
        elif operation.verb == "Drop":
            if not operation.is_of_database and self._stand_ins.pop(operation.path, None) is not None:
                self.session.apply(operation.as_temporary())
        elif operation.verb == "Create" and not operation.is_of_database:
            self._stand_in(operation)
        else:
            self._leave_out(operation.name, statement)
            return
        if str(operation.model_provider).lower() in _OUR_PROVIDERS:
            self._models.add(operation.name)
            self._probe(operation.path)

    def _stand_in(self, operation: Operation) -> None:
        """Make something as a temporary one; what is there already is left where the statement leaves it, too."""
        if operation.skips_existing and self.session.has(operation):
            return
        self.session.apply(operation.as_temporary())
        self._stand_ins[operation.path] = operation.name
        self._left_out.pop(operation.name.lower(), None)

    def _probe(self, model: str) -> None:
        """Plan a query with a model whose columns are declared: only then its server is asked."""
        inputs, _ = self.session.columns_of(model)
        columns = ", ".join(f"(CAST(NULL AS {type_})) AS `{name}`" for name, type_ in inputs)
        names = ", ".join(f"`{name}`" for name, _ in inputs)
        self.session.explain(f"SELECT * FROM ML_PREDICT((SELECT {columns}), MODEL {model}, DESCRIPTOR({names}))")

    def _make_table(self, operation: Operation) -> None:
        """Make the table of a CREATE TABLE AS without its query, for the statements that read it or write to it."""
        table = operation.table
        if table is None:
            return
        is_kept = not self.session.is_in_memory(table.catalog)
        if operation.replaces:
            self.session.apply((table.as_temporary() if is_kept else table).drop())
        if is_kept:
            self._stand_in(table)
        else:
            self.session.apply(table)

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
