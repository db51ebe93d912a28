"""Bad inputs cost one sentence: it names the model, the column or option, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bad_inputs import BAD_INPUTS, STATEMENTS, BadInput
from flink_session import collect, session, view
from pyflink.table import TableEnvironment
from shim import Shim
from triton import Triton

from pyflink_triton.table.compat.java_errors import FailedJob, RefusedStatement
from pyflink_triton.table.sentences import sentence_of, tell_sentences_first


@pytest.fixture(scope="module")
def planner() -> Iterator[Shim]:
    made = Shim().hello()
    yield made
    made.process.kill()
    made.process.communicate()


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: f"{bad.request}: {bad.what}")
def test_planning_answers_with_one_sentence(planner: Shim, triton: Triton, bad: BadInput) -> None:
    planner.send("plan", **bad.fields(triton.http_url))
    sentence = planner.receive("error").header["message"]
    assert sentence.startswith("Model 'cat.db.wrong': ")
    check(sentence, bad.words)


def check(sentence: str, words: tuple[str, ...]) -> None:
    for word in words:
        assert word in sentence
    assert "\n" not in sentence
    assert sentence[-1] in ".?"
    assert not sentence.endswith(("?.", ".."))
    assert len(sentence) < 2000


@pytest.fixture(scope="module")
def env(triton: Triton) -> TableEnvironment:
    made = session()
    tell_sentences_first()
    made.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{triton.http_url}')")
    made.execute_sql("USE CATALOG triton")
    types = {"x": "FLOAT", "i": "BIGINT", "s": "STRING", "xs": "ARRAY<FLOAT>"}
    view(made, "rows_in", types, [(1.0, -1, "a", [1.0, 2.0])])
    made.execute_sql("CREATE MODEL good WITH ('provider' = 'triton', 'model-name' = 'identity_fp32')")
    made.execute_sql("CREATE MODEL uses_int WITH ('provider' = 'triton', 'model-name' = 'identity_int32')")
    made.execute_sql(
        "CREATE MODEL uses_float INPUT (x BIGINT) OUTPUT (y TINYINT) "
        "WITH ('provider' = 'triton', 'model-name' = 'identity_fp32')"
    )
    return made


@pytest.mark.parametrize("sql", list(STATEMENTS))
def test_a_user_of_pyflink_reads_the_sentence_first(env: TableEnvironment, triton: Triton, sql: str) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        collect(env, sql.replace("{url}", triton.http_url))
    check(str(error.value).splitlines()[0], STATEMENTS[sql])


def test_other_errors_of_flink_stay_as_they_are(env: TableEnvironment) -> None:
    with pytest.raises(Exception, match="nowhere") as error:
        env.execute_sql("SELECT * FROM nowhere")
    assert str(error.value).startswith("An error occurred while calling")


def test_the_deepest_sentence_of_ours_is_found() -> None:
    trace = (
        "java.lang.RuntimeException: Failed\n\tat org.apache.flink.X.y(X.java:1)\n"
        "Caused by: org.apache.flink.table.api.ValidationException: Model 'm': write this.\n"
        "\tat io.github.pyflinktriton.worker.PlanningWorker.ask(PlanningWorker.java:1)\n"
        "Caused by: java.io.IOException: broken\n\tat java.base/java.io.X.y(X.java:1)\n"
    )
    assert sentence_of(trace) == "Model 'm': write this."
    quoting = "java.lang.RuntimeException: Python:\nTraceback\npyflink_triton.errors.JobError: Model 'm': end.\n\n"
    assert sentence_of(f"{quoting}\tat org.apache.flink.X.y(X.java:1)\n") == "Model 'm': end."
    assert sentence_of("java.lang.RuntimeException: Failed\n\tat org.apache.flink.X.y(X.java:1)\n") is None


def test_a_sentence_that_came_from_another_jvm_begins_with_no_class() -> None:
    """As Flink writes an exception that it carried there."""
    refused = "io.github.pyflinktriton.RefusedException: "
    trace = (
        "java.lang.RuntimeException: Failed\n\tat org.apache.flink.X.y(X.java:1)\n"
        f"Caused by: java.util.concurrent.CompletionException: java.util.concurrent.CompletionException: {refused}"
        "Model 'm': write this.\n\t... 1 more\n"
        f"Caused by: {refused}{refused}Model 'm': write this.\n\tat io.github.pyflinktriton.X.y(X.java:1)\n"
        "Caused by: java.io.IOException: broken\n\t... 1 more\n"
        "Caused by: org.apache.flink.X.YException: closed\n\tat org.apache.flink.X.y(X.java:1)\n"
        "\tat io.github.pyflinktriton.X.y(X.java:1)\n"
    )
    assert sentence_of(trace) == "Model 'm': write this."


@pytest.mark.parametrize(
    ("sql", "kind"),
    [("SELECT good(s) FROM rows_in", RefusedStatement), ("SELECT fails(i) FROM rows_in", FailedJob)],
)
def test_a_statement_is_refused_and_a_job_fails(env: TableEnvironment, sql: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as error:
        collect(env, sql)
    assert str(error.value).startswith("Model 'triton.default.")


def test_the_last_words_of_a_worker_belong_to_its_sentence() -> None:
    message = "The Python worker exited. Its last lines on standard error:\nImportError: no numpy\nlast"
    trace = (
        f"An error occurred while calling o1.x.\n: java.lang.RuntimeException: Failed\n\tat org.apache.X.y(X.java:1)\n"
        f"Caused by: io.github.pyflinktriton.WorkerException: {message}\n\tat io.github.pyflinktriton.X.y(X.java:1)\n"
        "\t... 15 more\n"
    )
    assert sentence_of(trace) == message


def test_there_are_at_least_sixty() -> None:
    assert len(BAD_INPUTS) >= 60
    assert len({(bad.request, bad.what) for bad in BAD_INPUTS}) == len(BAD_INPUTS)
    assert 3 * len(STATEMENTS) >= 60
