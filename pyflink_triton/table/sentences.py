"""Errors that PyFlink raises for a statement begin with the sentence that says what to do, not with Java's stack."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

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
    re.compile(
        r"ArrayIndexOutOfBoundsException: Index 0 out of bounds for length 0\s+at \S+\.arrow\.ArrowWriter\.finish"
    ): (
        "A vectorized function whose arguments are all constants gets no rows from Flink. Give one of its arguments as "
        "an expression over a column, as CASE WHEN x IS NULL THEN x ELSE 'a' END"
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
    lines = trace.splitlines()
    for number, line in enumerate(lines):
        cause = _CAUSE.match(line)
        if cause is None:
            continue
        frame = next((after for after in lines[number + 1 :] if after.startswith("\tat ")), "")
        is_ours = any(name.startswith(_OURS) for name in (cause["class"], frame.removeprefix("\tat ")))
        if is_ours or cause["message"].startswith(_ARGUMENTS):
            found = cause["message"]
    return found


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
