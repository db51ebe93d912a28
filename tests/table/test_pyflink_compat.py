"""With a class of PyFlink changed on purpose, each entry of docs/compat.md refuses, or says what is lost."""

from __future__ import annotations

import pickle
import re
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pandas as pd
import py4j.java_gateway
import py4j.protocol
import pyflink.java_gateway
import pyflink.table.types
import pyflink.util.exceptions
import pytest
from pyflink.fn_execution import coder_impl_slow, coders
from pyflink.fn_execution import flink_fn_execution_pb2 as messages
from pyflink.fn_execution.datastream.process.async_function.queue import UnorderedStreamElementQueue
from pyflink.fn_execution.table.async_function import operations
from pyflink.fn_execution.table.async_function.operations import AsyncScalarFunctionOperation
from pyflink.fn_execution.utils import operation_utils
from pyflink.table import DataTypes, Schema, Table, utils

from pyflink_triton.errors import JobError
from pyflink_triton.options.validation import parse_options
from pyflink_triton.remedies import Remedy
from pyflink_triton.table.async_function import TritonAsyncScalarFunction
from pyflink_triton.table.compat import (
    PYFLINK,
    arrow_exchange,
    async_operation,
    bytes_for_text,
    java_errors,
    java_objects,
)
from pyflink_triton.table.compat.worker_frames import row_arguments
from pyflink_triton.table.function_call import FunctionCall
from pyflink_triton.table.scalar_function import TritonScalarFunction
from pyflink_triton.table.task import task_of

CALL: FunctionCall = {
    "model": "m",
    "options": {"endpoint": "http://127.0.0.1:1", "model-name": "m"},
    "input": [{"name": "x", "type": "BIGINT"}],
    "output": [{"name": "y", "type": "BIGINT"}],
}


def refusal(work: Callable[[], object]) -> str:
    """What a refusal says differs."""
    with pytest.raises(JobError) as error:
        work()
    message = str(error.value)
    assert message.startswith("PyFlink ")
    remedy = Remedy.INSTALL_TESTED(requirement=PYFLINK.tested)
    assert message.endswith(remedy)
    return message.removesuffix(f". {remedy}").partition("was tested with: ")[2]


def other(*_: Any) -> None:
    """A function of other parameters than any that is known."""


# arrow_exchange


def _encode_by_itself(self: Any, cols: Any, out_stream: Any) -> None: ...


def _made_of_columns(self: Any, columns: Any) -> None: ...


ARROW: dict[str, tuple[Any, str, Any, str]] = {
    "reading takes something else": (utils, "arrow_to_pandas", other, "pyflink.table.utils.arrow_to_pandas takes (_)"),
    "writing takes something else": (utils, "pandas_to_arrow", other, "pyflink.table.utils.pandas_to_arrow takes (_)"),
    "the coder reads by something else": (
        coder_impl_slow,
        "arrow_to_pandas",
        None,
        "pyflink.fn_execution.coder_impl_slow has no 'arrow_to_pandas'",
    ),
    "the coder writes by something else": (
        coder_impl_slow.ArrowCoderImpl,
        "encode_to_stream",
        _encode_by_itself,
        "coder_impl_slow.ArrowCoderImpl does not write columns by pandas_to_arrow",
    ),
    "the coder is made of something else": (
        coder_impl_slow.ArrowCoderImpl,
        "__init__",
        _made_of_columns,
        "coder_impl_slow.ArrowCoderImpl cannot be used as before (TypeError",
    ),
    "the coders are elsewhere": (coders, "coder_impl", None, "pyflink.fn_execution.coders has no 'coder_impl'"),
}


def change(patch: pytest.MonkeyPatch, owner: Any, name: str, value: Any) -> None:
    """Replace an attribute; remove it for None."""
    if value is None:
        patch.delattr(owner, name)
    else:
        patch.setattr(owner, name, value)


@pytest.mark.parametrize("case", ARROW)
def test_columns_that_are_read_or_written_otherwise_are_refused(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    owner, name, value, words = ARROW[case]
    arrow_exchange.install()
    change(monkeypatch, owner, name, value)
    assert words in refusal(arrow_exchange.install)


def test_a_column_that_came_by_another_way_is_refused() -> None:
    """PyFlink would have made floats of integers there."""
    assert "did not read a column by arrow_to_pandas" in refusal(lambda: arrow_exchange.column_of(pd.Series([1.0])))
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(refusal(arrow_exchange.rows_read)))
    thread.start()
    thread.join()
    assert "did not read rows by arrow_to_pandas" in said[0]


# worker_frames


def loaded_by(worker: str) -> Any:
    """Where the arguments are columns, as a function learns it that a worker of this text loads."""
    names: dict[str, Any] = {"learn": row_arguments, "Namespace": SimpleNamespace}
    exec(worker, names)
    return names["load"]()


WORKERS = {
    "def extract_user_defined_function(proto): return learn()\ndef load(): return extract_user_defined_function(1)": (
        "extract_user_defined_function has no variable 'user_defined_function_proto'"
    ),
    "def extract_user_defined_function(user_defined_function_proto): return learn()\n"
    "def load(): return extract_user_defined_function(Namespace(arguments=[]))": "SimpleNamespace has no 'inputs'",
    "def extract_user_defined_function(user_defined_function_proto): return learn()\n"
    "def load(): return extract_user_defined_function(Namespace(inputs=[1]))": (
        "an argument of a function has no 'inputOffset'"
    ),
}


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_that_holds_a_call_otherwise_is_refused(worker: str) -> None:
    assert WORKERS[worker] in refusal(lambda: loaded_by(worker))


def test_a_function_learns_which_arguments_are_columns_of_rows() -> None:
    proto = messages.UserDefinedFunction(payload=pickle.dumps(TritonScalarFunction(CALL)))
    proto.inputs.add().inputOffset = 0
    function = operation_utils.extract_user_defined_function(proto)[2][0]
    assert function._from_rows == {0}
    assert TritonScalarFunction(CALL)._from_rows is None


@pytest.mark.parametrize("kind", [TritonScalarFunction, TritonAsyncScalarFunction])
def test_a_function_that_was_loaded_otherwise_does_not_open(kind: Any) -> None:
    assert "did not load by extract_user_defined_function" in refusal(lambda: kind(CALL).open(None))


def test_a_row_that_comes_past_the_repaired_operation_is_refused() -> None:
    assert "did not load by extract_user_defined_function" in refusal(lambda: TritonAsyncScalarFunction(CALL).eval(1))


# async_operation


def operation(kind: Any = AsyncScalarFunctionOperation) -> Any:
    """PyFlink's operation, as its worker makes it for a model's function."""
    proto = messages.UserDefinedFunctions()
    proto.async_options.max_concurrent_operations = 4
    proto.udfs.add(payload=pickle.dumps(TritonAsyncScalarFunction(CALL))).inputs.add().inputOffset = 0
    return kind(proto)


class WithTimestamps(AsyncScalarFunctionOperation):  # type: ignore[misc] # pyflink has no types
    def process_element(self, value: Any, timestamp: Any) -> None: ...


class Finishing(AsyncScalarFunctionOperation):  # type: ignore[misc] # pyflink has no types
    finish = None


OPERATIONS: dict[str, tuple[Any, str]] = {
    "rows come with more": (
        WithTimestamps,
        "WithTimestamps.process_element takes (self, value, timestamp), and (self, value) was expected",
    ),
    "a bundle ends otherwise": (Finishing, "Finishing.finish is not a function"),
}


@pytest.mark.parametrize("case", OPERATIONS)
def test_an_operation_that_runs_rows_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    kind, words = OPERATIONS[case]
    monkeypatch.setattr(operations, "AsyncScalarFunctionOperation", kind)
    assert words in refusal(lambda: operation(kind))


def test_a_pyflink_without_the_operation_is_refused_when_the_function_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(operations, "AsyncScalarFunctionOperation")
    assert "has no 'AsyncScalarFunctionOperation'" in refusal(lambda: TritonAsyncScalarFunction(CALL))
    monkeypatch.setitem(sys.modules, operations.__name__, None)
    assert f"{operations.__name__} cannot be imported" in refusal(lambda: TritonAsyncScalarFunction(CALL))


def test_a_pyflink_without_async_functions_names_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_operation, "AsyncScalarFunction", object)
    with pytest.raises(JobError, match=r"has no async functions\. Use scalar_function\(\), or Flink 2\.3$"):
        TritonAsyncScalarFunction(CALL)


@pytest.mark.parametrize(
    ("options", "is_refused"),
    [
        ({}, False),
        ({"sequence-id": "${x}"}, False),
        ({"sequence-id": "all"}, True),
        ({"sequence-id": "${x}", "sequence-id-auto-increment": "true"}, True),
        ({"max-requests-per-second": "5"}, True),
    ],
)
def test_a_pyflink_that_tells_no_subtask_runs_what_needs_none(options: dict[str, str], is_refused: bool) -> None:
    parsed = parse_options({**CALL["options"], **options})
    if not is_refused:
        assert task_of(SimpleNamespace(), parsed) == {}
        return
    remedy = Remedy.USE_NEWER_FLINK(instead="ML_PREDICT or m(x) in streaming mode")
    with pytest.raises(JobError, match=f"tell a function (its subtask|how many subtasks).*{re.escape(remedy)}"):
        task_of(SimpleNamespace(), parsed)


PARTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "the row's function": (lambda made: setattr(made, "_eval_func", other), "._eval_func takes (_)"),
    "the job's error": (lambda made: setattr(made, "_mark_exception", other), "._mark_exception takes (_)"),
    "what waits for answers": (
        lambda made: setattr(made, "_wait_for_in_flight_inputs_finished", 1),
        "._wait_for_in_flight_inputs_finished is not a function",
    ),
    "the metrics": (lambda made: delattr(made, "base_metric_group"), "has no 'base_metric_group'"),
    "no queue": (lambda made: delattr(made, "_queue"), "has no '_queue'"),
    "a queue that keeps no order": (
        lambda made: setattr(made, "_queue", UnorderedStreamElementQueue(4, lambda: None)),
        "UnorderedStreamElementQueue does not keep the order of rows",
    ),
    "a queue that is used otherwise": (
        lambda made: setattr(made._queue.__class__, "emit_completed_element", lambda self: None),
        "OrderedStreamElementQueue cannot be used as before (TypeError",
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_an_operation_of_other_parts_is_refused_before_its_first_row(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    make, words = PARTS[part]
    made = operation()
    async_operation.check(made)
    queue = type(made._queue)
    monkeypatch.setattr(queue, "emit_completed_element", queue.emit_completed_element)
    make(made)
    assert words in refusal(lambda: made.user_defined_funcs[0].open(None))


def test_a_time_out_that_is_elsewhere_is_refused() -> None:
    made = operation()
    del made._timeout
    assert "has no '_timeout'" in refusal(lambda: async_operation.timeout_of(made))


# bytes_for_text


class _Made:
    """A Java function of a class that is not known."""

    def getClass(self) -> Any:  # Java's name
        return self

    def getClassLoader(self) -> Any:
        return None

    def getSimpleName(self) -> str:
        return "PythonFunction3"

    def getName(self) -> str:
        return "flink.PythonFunction3"


def test_a_function_that_is_made_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    take = bytes_for_text.take_bytes
    assert "has no '_create_judf'" in refusal(lambda: take(SimpleNamespace(), [0]))
    assert "._create_judf takes (_)" in refusal(lambda: take(SimpleNamespace(_create_judf=other), [0]))
    monkeypatch.setattr(bytes_for_text, "_loader", lambda _: None)
    function = SimpleNamespace(_create_judf=lambda serialized_func, j_input_types, j_function_kind: _Made())
    made = take(function, [0])
    assert "a function is a flink.PythonFunction3 in Java" in refusal(lambda: made._create_judf(b"", [], None))
    untouched = SimpleNamespace()
    assert take(untouched, []) is untouched


# java_objects


@pytest.mark.parametrize(
    ("get", "name"),
    [
        (java_objects.java_session, "_j_tenv"),
        (java_objects.java_table, "_j_table"),
        (java_objects.java_schema, "_j_schema"),
        (java_objects.session_of, "_t_env"),
    ],
)
def test_an_object_without_its_java_object_is_refused(get: Callable[[Any], Any], name: str) -> None:
    assert refusal(lambda: get(SimpleNamespace())) == f"SimpleNamespace has no '{name}'"


JAVA: dict[str, tuple[Any, str, Any, Callable[[], object]]] = {
    "pyflink.java_gateway has no 'get_gateway'": (pyflink.java_gateway, "get_gateway", None, java_objects.jvm),
    "pyflink.java_gateway.get_gateway takes (_)": (pyflink.java_gateway, "get_gateway", other, java_objects.jvm),
    "pyflink.table.types has no '_to_java_data_type'": (
        pyflink.table.types,
        "_to_java_data_type",
        None,
        lambda: java_objects.to_java_type(DataTypes.INT()),
    ),
    "pyflink.table.types._from_java_data_type takes (_)": (
        pyflink.table.types,
        "_from_java_data_type",
        other,
        lambda: java_objects.from_java_type(None),
    ),
    "Table.__init__ takes (_), and (self, j_table, t_env) was expected": (
        Table,
        "__init__",
        other,
        lambda: java_objects.make_table(None, None),
    ),
}


@pytest.mark.parametrize("words", JAVA)
def test_what_makes_java_objects_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    owner, name, value, work = JAVA[words]
    change(monkeypatch, owner, name, value)
    assert words in refusal(work)


def test_a_schema_shows_its_java_schema() -> None:
    schema = Schema.new_builder().column("x", "BIGINT").build()
    assert java_objects.java_schema(schema).getColumns()[0].getName() == "x"


# java_errors


@pytest.fixture
def plain_py4j(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Py4J as it is before an error is to begin with a sentence."""
    java_objects.jvm()
    monkeypatch.setattr(py4j.java_gateway, "get_return_value", py4j.protocol.get_return_value)
    return monkeypatch


def _of_a_cause(self: Any, cause: Any) -> None: ...


def test_where_py4j_raises_errors_otherwise_a_warning_says_what_is_lost(plain_py4j: pytest.MonkeyPatch) -> None:
    lost = "Errors of Flink's begin with Java's stack, and the sentence comes later"
    with plain_py4j.context() as patch:
        patch.setattr(java_errors, "jvm", lambda: SimpleNamespace(System=SimpleNamespace(nanoTime=int)))
        with pytest.warns(UserWarning, match=rf"{lost}.*Py4J does not call py4j.java_gateway.get_return_value"):
            java_errors.put_sentences_first(str)
    with plain_py4j.context() as patch:
        patch.setattr(pyflink.util.exceptions.JavaException, "__init__", _of_a_cause)
        with pytest.warns(UserWarning, match=rf"{lost}.*JavaException.__init__ takes \(self, cause\)"):
            java_errors.put_sentences_first(str)
    assert py4j.java_gateway.get_return_value is py4j.protocol.get_return_value
    with plain_py4j.context() as patch:
        patch.delattr(py4j.java_gateway, "get_return_value")
        with pytest.warns(UserWarning, match=rf"{lost}.*py4j.java_gateway has no 'get_return_value'"):
            java_errors.put_sentences_first(str)


@pytest.mark.filterwarnings("error")
def test_where_py4j_is_as_it_is_known_a_sentence_is_put_first(plain_py4j: pytest.MonkeyPatch) -> None:
    java_errors.put_sentences_first(lambda trace: "A sentence." if "NumberFormat" in trace else None)
    with pytest.raises(java_errors.RefusedStatement, match=r"\AA sentence\.\n"):
        java_objects.jvm().Integer.parseInt("x")
