"""Py4J's function that raises Java's exceptions in Python, replaced by one that puts a sentence first.

PyFlink replaces the same function in the same way. Without it a Flink error begins with Java's stack. Where Py4J does
not call the function any more, that is all that is lost, so a warning says it and nothing is refused.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import py4j.java_gateway
from py4j.protocol import Py4JJavaError

from pyflink_triton.errors import JobError
from pyflink_triton.table.compat import PYFLINK
from pyflink_triton.table.compat.java_objects import jvm

_FUNCTION = "get_return_value"
#: What Flink raises where a job ran and failed.
_JOB_FAILED = "org.apache.flink.runtime.client.JobExecutionException"
_SentenceOf = Callable[[str], "str | None"]


class SentenceFirst(Py4JJavaError):  # type: ignore[misc] # py4j ships no types
    """Py4J's error for what Java raised, with its sentence in front."""

    def __init__(self, error: Py4JJavaError, sentence: str) -> None:
        super().__init__(error.errmsg, error.java_exception)
        self.sentence = sentence

    def __str__(self) -> str:
        """The sentence, then what Py4J would have shown."""
        return f"{self.sentence}\n{super().__str__()}"


class RefusedStatement(SentenceFirst):
    """A statement was refused: no job of it ran."""


class FailedJob(SentenceFirst):
    """A job that ran has failed."""


def bare_words(error: Exception) -> str | None:
    """The first line of what Java says in an exception that has no sentence in front; None for other exceptions."""
    if not isinstance(error, Py4JJavaError) or isinstance(error, SentenceFirst):
        return None
    return str(error.java_exception.getMessage()).splitlines()[0].rstrip(". ")


def trace_of(error: Exception) -> str | None:
    """The stack trace of an error that Java raised; None for another error."""
    if isinstance(error, Py4JJavaError):
        return str(error)
    java_exception = PYFLINK.member(PYFLINK.module("pyflink.util.exceptions"), "JavaException")
    return str(error.stack_trace) if isinstance(error, java_exception) else None


def put_sentences_first(sentence_of: _SentenceOf) -> None:
    """Let every exception of Java's that reaches Python begin with a sentence; may be called again.

    Args:
        sentence_of: Finds the sentence in a stack trace; None where there is none.
    """
    try:
        java = jvm()  # PyFlink replaces the function, too, when it starts Java
        original = PYFLINK.member(py4j.java_gateway, _FUNCTION)
        if hasattr(original, "puts_sentences_first"):
            return
        java_exception = PYFLINK.member(PYFLINK.module("pyflink.util.exceptions"), "JavaException")
        PYFLINK.function(java_exception, "__init__", "self", "stack_trace")
        if not _is_called(original, java):
            raise PYFLINK.refused(f"Py4J does not call py4j.java_gateway.{_FUNCTION}")
    except JobError as error:
        warnings.warn(f"Errors of Flink's begin with Java's stack, and the sentence comes later. {error}", stacklevel=3)
        return
    setattr(py4j.java_gateway, _FUNCTION, _with_sentences(original, java_exception, sentence_of))


def _is_called(original: Callable[..., Any], java: Any) -> bool:
    calls = []

    def get_return_value(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return original(*arguments, **named)

    setattr(py4j.java_gateway, _FUNCTION, get_return_value)
    try:
        java.System.nanoTime()
    finally:
        setattr(py4j.java_gateway, _FUNCTION, original)
    return bool(calls)


def _with_sentences(original: Callable[..., Any], java_exception: Any, sentence_of: _SentenceOf) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_return_value(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except Py4JJavaError as error:
            trace = str(error)
            sentence = sentence_of(trace)
            if sentence is None:
                raise
            raise (FailedJob if _JOB_FAILED in trace else RefusedStatement)(error, sentence) from None
        except java_exception as error:
            sentence = sentence_of(error.stack_trace)
            if sentence is not None:
                error.stack_trace = f"{sentence}\n{error.stack_trace}"
            raise

    get_return_value.puts_sentences_first = True  # type: ignore[attr-defined] # a mark for the next call
    return get_return_value
