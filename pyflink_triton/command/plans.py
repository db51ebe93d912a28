"""What Flink's EXPLAIN tells of models behind a guard: whether rows that no condition wants are sent all the same.

The plans are read as text, the only form that Flink has for all of its operators. The jar moves guards around a model's
arguments where it can; here the places are found where it could not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_TREE = "== Abstract Syntax Tree =="
_PHYSICAL = "== Optimized Physical Plan =="
#: What stands before a value that is computed only for some rows, and from which argument on.
_GUARDS = {"CASE": 1, "IF": 1, "COALESCE": 1, "IFNULL": 1, "AND": 0, "OR": 0}
#: Those that the optimizer may make a filter of.
_FILTERS = ("AND",)
_CALL = re.compile(r"(?P<name>`[^`]+`|[A-Za-z_][\w$.\-]*)\(")
_CALLS_MODELS = re.compile(r"^[\s:|+\-]*(?:Async|Python)\w*\(|^[\s:|+\-]*\w*(?:AsyncCalc|PythonCalc|PythonCorrelate)\(")
_COLUMNS = re.compile(r"(?:select|fields|union|tuples)=\[")
_PREDICT = re.compile(
    r"^[\s:|+\-]*\w*MLPredict\w*\(.*?MODEL (?P<model>[^)]+)\).*?rowType=\[RecordType\((?P<row>.*)\)\]"
)


@dataclass(frozen=True)
class Lost:
    """A model that is asked for rows that a condition leaves out.

    Attributes:
        model: Its name in the statement.
        guard: What it stands behind: `CASE`, `WHERE`.
        of_prediction: Whether it is called by `ML_PREDICT`, and the guard is the WHERE outside of it.
    """

    model: str
    guard: str
    of_prediction: bool = False


def lost_guards(explained: str, models: Collection[str]) -> list[Lost]:
    """Find the models of a statement that are asked for more rows than its conditions want.

    Args:
        explained: Flink's EXPLAIN of the statement.
        models: The names of the models, without catalog and database.

    Returns:
        Each once.
    """
    tree, physical = _section(explained, _TREE), _section(explained, _PHYSICAL)
    found = [*_lost_calls(tree, physical, models), *_lost_predictions(physical)]
    return list(dict.fromkeys(found))


def _section(explained: str, heading: str) -> list[str]:
    _, _, rest = explained.partition(heading)
    return rest.partition("\n==")[0].splitlines()


def _lost_calls(tree: Sequence[str], physical: Sequence[str], models: Collection[str]) -> Iterator[Lost]:
    guards: dict[str, list[str | None]] = {}
    for line in tree:
        for model, guard in _calls(line, models):
            guards.setdefault(model, []).append(guard)
    for model, behind in guards.items():
        if None in behind:
            continue  # the same call without a guard needs every row
        wanted = [guard for guard in behind if guard is not None]
        if any(not _is_kept(physical, place, model, wanted) for place in _places(physical, model)):
            yield Lost(model, wanted[0])


def _calls(line: str, models: Collection[str]) -> Iterator[tuple[str, str | None]]:
    """The calls of models in a line of a plan, each with the guard that it stands behind."""
    open_: list[tuple[str, int]] = []  # the calls around a place, each with the number of its argument
    position = 0
    while position < len(line):
        call = _CALL.match(line, position)
        if call is not None and (position == 0 or not (line[position - 1].isalnum() or line[position - 1] in "_.`$")):
            name = call["name"].rsplit(".", 1)[-1].strip("`")
            if name in models:
                behind = [word for word, argument in open_ if word in _GUARDS and argument >= _GUARDS[word]]
                yield name, behind[-1] if behind else None
            open_.append((name, 0))
            position = call.end()
            continue
        character = line[position]
        if character == "'":
            position = line.find("'", position + 1) if "'" in line[position + 1 :] else len(line)
        elif character in "([":
            open_.append(("", 0))
        elif character in ")]" and open_:
            open_.pop()
        elif character == "," and open_:
            open_[-1] = (open_[-1][0], open_[-1][1] + 1)
        position += 1


def _places(physical: Sequence[str], model: str) -> Iterator[int]:
    pattern = re.compile(rf"(?<![\w.]){re.escape(model)}\(|\.`?{re.escape(model)}`?\(")
    for number, line in enumerate(physical):
        if _CALLS_MODELS.match(line) and pattern.search(line):
            yield number


def _is_kept(physical: Sequence[str], place: int, model: str, guards: Sequence[str]) -> bool:
    """Whether the calls of a model in a line of the plan get a NULL for rows that the guards leave out."""
    below = physical[place + 1] if place + 1 < len(physical) else ""
    if all(guard in _FILTERS for guard in guards) and any("where=[" in line for line in _chain(physical, place)):
        return True
    for arguments in _arguments(physical[place], model):
        given = [argument.strip() for argument in arguments]
        if not any(
            "CASE(" in each or re.search(rf"CASE\(.*\) AS {re.escape(each)}\b", below) for each in given if each
        ):
            return False
    return True


def _chain(physical: Sequence[str], place: int) -> Iterator[str]:
    """The lines below a place that its rows come through, one after the other, up to the first fork."""
    indent = len(physical[place]) - len(physical[place].lstrip(" :|+-"))
    for line in physical[place + 1 :]:
        deeper = len(line) - len(line.lstrip(" :|+-"))
        if deeper <= indent or ":-" in line[:deeper]:
            return
        indent = deeper
        yield line


def _arguments(line: str, model: str) -> Iterator[list[str]]:
    for call in re.finditer(rf"(?<![\w]){re.escape(model)}`?\(", line):
        yield _split(line[call.end() :])


def _split(text: str) -> list[str]:
    """The parts between commas up to the bracket that closes what is around them."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            break
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _lost_predictions(physical: Sequence[str]) -> Iterator[Lost]:
    """The ML_PREDICTs below a WHERE that could stand inside of them."""
    for number, line in enumerate(physical):
        prediction = _PREDICT.match(line)
        above = physical[number - 1] if number else ""
        if prediction is None or "where=[" not in above or number + 1 >= len(physical):
            continue
        fields = [part.strip().rsplit(" ", 1)[-1] for part in _split(prediction["row"])]
        # A WatermarkAssigner, for one, has the columns of the line below it, and does not list them.
        given = (_COLUMNS.search(line) for line in _chain(physical, number))
        listed = next((found for found in given if found is not None), None)
        if listed is None:
            continue
        inputs = len(_split(listed.string[listed.end() :]))
        conditions = _conjuncts(above[above.index("where=[") + len("where=[") :])
        if any(
            not _names(condition) & set(fields[inputs:]) and _names(condition) & set(fields) for condition in conditions
        ):
            yield Lost(prediction["model"].rsplit(".", 1)[-1].strip("`"), "WHERE", of_prediction=True)


def _conjuncts(text: str) -> list[str]:
    condition = ",".join(_split(text))
    return _split(condition[len("AND(") :]) if condition.startswith("AND(") else [condition]


def _names(condition: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", condition)))
