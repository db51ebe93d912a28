"""Errors that PyFlink raises for a statement begin with the sentence that says what to do, not with Java's stack."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import py4j.java_gateway
from py4j.protocol import Py4JJavaError
from pyflink.util.exceptions import JavaException

_CAUSE = re.compile(r"^(?::\s|Caused by: )?(?P<class>[\w.$]+(?:Exception|Error)): (?P<message>.*)$")
#: How Flink begins its sentences about the arguments of ML_PREDICT.
_ARGUMENTS = ("Descriptor column", "Number of descriptor columns")
#: What Flink says, with no sentence for users, of a thing that it cannot do with a model's function.
_FLINKS: dict[re.Pattern[str], str] = {
    re.compile(r"Missing type, this is a bug.*BatchExecPythonCalc"): (
        "a compiled plan in batch mode cannot hold a call of a model as a function, because Flink has no plan for "
        "Python functions there. Call the model by ML_PREDICT, or compile the statement in streaming mode"
    ),
    re.compile(r"Process died with exit code 127\b"): (
        "PyFlink's Python worker found no shell. Where 'python.requirements' is set, Flink keeps PATH only with "
        "'python.systemenv.enabled' = 'true'; connect() and register() set 'false', so set the requirements before them"
    ),
}
_OURS = ("io.github.pyflinktriton.", "pyflink_triton.")


class RefusedStatement(Py4JJavaError):  # type: ignore[misc] # py4j ships no types
    """Py4J's error for what Java raised, with its sentence in front."""

    def __init__(self, error: Py4JJavaError, sentence: str) -> None:
        super().__init__(error.errmsg, error.java_exception)
        self.sentence = sentence

    def __str__(self) -> str:
        """The sentence, then what Py4J would have shown."""
        return f"{self.sentence}\n{super().__str__()}"


def sentence_of(trace: str) -> str | None:
    """Find the sentence in a Java stack trace.

    Args:
        trace: As Java prints it.

    Returns:
        The message of the deepest cause that this package's jar raised, or that Flink raised for the arguments of
        ML_PREDICT, or a sentence for what Flink has none for; None where there is none.
    """
    found = next((sentence for words, sentence in _FLINKS.items() if words.search(trace)), None)
    for cause in _causes(trace.splitlines()):
        is_ours = any(name.startswith(_OURS) for name in (cause.kind, cause.frame))
        if is_ours or cause.message.startswith(_ARGUMENTS):
            found = cause.message
    return found


class _Cause(NamedTuple):
    """An exception of a trace: its class, its message and the first frame of its stack."""

    kind: str
    message: str
    frame: str


def _causes(lines: list[str]) -> Iterator[_Cause]:
    """Each exception of a trace, whose message may quote a Python's words; before it those of ours that it quotes."""
    number = 0
    while number < len(lines):
        first = _CAUSE.match(lines[number])
        number += 1
        if first is None:
            continue
        message = [first["message"]]
        while number < len(lines) and not lines[number].startswith(("\tat ", "\t... ", "Caused by: ")):
            quoted = _CAUSE.match(lines[number])
            if quoted is not None and quoted["class"].startswith(_OURS):
                yield _Cause(quoted["class"], quoted["message"], "")
            message.append(lines[number])
            number += 1
        frame = lines[number].removeprefix("\tat ") if number < len(lines) else ""
        yield _Cause(first["class"], "\n".join(message).rstrip(), frame)


def tell_sentences_first() -> None:
    """Let every error that reaches Python from Flink begin with this package's sentence, where it holds one.

    Py4J is hooked as PyFlink itself does it; types of exceptions stay as they are. May be called again.
    """
    original = py4j.java_gateway.get_return_value
    if not hasattr(original, "tells_sentences_first"):
        py4j.java_gateway.get_return_value = _telling(original)


def _telling(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_return_value(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except Py4JJavaError as error:
            sentence = sentence_of(str(error))
            if sentence is None:
                raise
            raise RefusedStatement(error, sentence) from None
        except JavaException as error:
            sentence = sentence_of(error.stack_trace)
            if sentence is not None:
                error.stack_trace = f"{sentence}\n{error.stack_trace}"
            raise

    get_return_value.tells_sentences_first = True  # type: ignore[attr-defined] # a mark for the next call
    return get_return_value
