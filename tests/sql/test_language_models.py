"""A real language model in SQL, the same text by every way; and all that docs/language-models.md says to write."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cluster import clean_environment
from flink_session import collect, session, view
from language_models import answer, ask, language_models
from places import ROOT
from pyflink.table import TableEnvironment
from snippets import run_first_screen, snippets
from soak import some

import pyflink_triton

PAGE = "".join(each.text for each in snippets("docs/language-models.md", "sql"))
PROMPTS = ("I just", "What is the best way to", "Why do", "customer: where is my parcel\nagent:", "été", "")
MODEL = """CREATE MODEL chat INPUT (text_input STRING, `stream` BOOLEAN{inputs}) OUTPUT ({outputs})
WITH ('provider' = 'triton', 'model-name' = 'language_model', {options})"""
GREEDY = {"responses": "join", "parameters.temperature": "0", "parameters.max_tokens": "40"}
QUERIES = {
    "ML_PREDICT": "SELECT n, text_output FROM ML_PREDICT("
    "(SELECT n, prompt, TRUE AS streams FROM prompts), MODEL chat, DESCRIPTOR(prompt, streams))",
    "m(x)": "SELECT n, chat(prompt, TRUE) FROM prompts",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with language_models(tmp_path_factory.mktemp("language")) as served:
        yield served


@pytest.fixture(scope="module", params=["streaming", "batch"])
def env(request: pytest.FixtureRequest, url: str) -> TableEnvironment:
    made = session(request.param, with_jar=False)
    pyflink_triton.connect(made, url)
    view(made, "prompts", {"n": "INT", "prompt": "STRING"}, list(enumerate(PROMPTS)))
    return made


def chat(
    env: TableEnvironment,
    query: str,
    options: Mapping[str, str] | None = None,
    *,
    inputs: str = "",
    outputs: str = "text_output STRING",
) -> list[tuple[Any, ...]]:
    """The rows of a query over the model, sorted."""
    clause = ", ".join(f"'{key}' = '{value}'" for key, value in {**GREEDY, **(options or {})}.items())
    env.execute_sql(MODEL.format(inputs=inputs, outputs=outputs, options=clause))
    try:
        return sorted(collect(env, query))
    finally:
        env.execute_sql("DROP MODEL chat")


@pytest.mark.parametrize("door", QUERIES)
def test_the_same_chat_gives_the_same_text(door: str, env: TableEnvironment, url: str) -> None:
    """Four ways: each is compared with what the server says by itself."""
    texts = [answer(url, prompt, temperature=0, max_tokens=40) for prompt in PROMPTS]
    assert chat(env, QUERIES[door]) == list(enumerate(texts))
    assert len({*texts}) == len(PROMPTS)
    assert sum(map(len, texts)) > 20 * len(PROMPTS)


def test_parameters_are_a_columns(env: TableEnvironment, url: str) -> None:
    query = "SELECT n, chat(prompt, TRUE, 5 + n) FROM prompts"
    got = chat(env, query, {"parameters.max_tokens": "${most}"}, inputs=", most INT")
    assert got == [(n, answer(url, prompt, temperature=0, max_tokens=5 + n)) for n, prompt in enumerate(PROMPTS)]


def test_each_response_is_a_row(env: TableEnvironment, url: str) -> None:
    query = QUERIES["ML_PREDICT"].replace("n, text_output", "n, part, text_output")
    options = {"responses": "rows", "response-index": "part"}
    got = chat(env, query, options, outputs="text_output STRING, part INT")
    events = [ask(url, prompt, temperature=0, max_tokens=40) for prompt in PROMPTS]
    assert got == [(n, part, event["text_output"]) for n, each in enumerate(events) for part, event in enumerate(each)]


def test_a_model_tells_its_tokens_and_why_it_stopped(env: TableEnvironment, url: str) -> None:
    got = chat(
        env,
        "SELECT n, r.text_output, r.finish_reason, r.num_output_tokens "
        "FROM (SELECT n, chat(prompt, FALSE, TRUE, TRUE, TRUE) AS r FROM prompts)",
        {"responses": "one", "tokens-column": "num_output_tokens"},
        inputs=", exclude_input_in_output BOOLEAN, return_finish_reason BOOLEAN, return_num_output_tokens BOOLEAN",
        outputs="text_output STRING, finish_reason STRING, num_output_tokens BIGINT",
    )
    for n, text, reason, tokens in got:
        assert text == answer(url, PROMPTS[n], temperature=0, max_tokens=40)
        assert (tokens, reason) == ((40, "length") if len(text) == 40 else (len(text) + 1, "stop"))


#: What a text may be, and a check of it.
CONSTRAINTS = {
    "choice": ({"choice": ["refund", "delivery", "delivered late"]}, r"refund|delivery|delivered late"),
    "regex": ({"regex": "[0-9]{4}-[0-9]{2}"}, r"\d{4}-\d{2}"),
    "json": (
        {
            "json": {
                "type": "object",
                "properties": {"who": {"type": "string", "maxLength": 9}, "years": {"type": "integer"}},
            }
        },
        r'\{"who": "[^"]{0,9}", "years": -?\d+\}',
    ),
}


@pytest.mark.parametrize("kind", some(list(CONSTRAINTS), 3))
def test_a_constraint_holds_whatever_is_drawn(kind: str, env: TableEnvironment) -> None:
    constraint, expected = CONSTRAINTS[kind]
    query = "SELECT n, seed, chat(prompt, TRUE, n * 10 + seed) FROM prompts, UNNEST(ARRAY[1, 2, 3]) AS seeds (seed)"
    drawn = {"parameters.temperature": "1.5", "parameters.seed": "${seed}"}
    options = {**drawn, "parameters.structured_outputs": json.dumps(constraint)}
    got = chat(env, query, options, inputs=", seed INT")
    assert len(got) == 3 * len(PROMPTS)
    for _, _, text in got:
        assert re.fullmatch(expected, text), text
    assert len({text for _, _, text in got}) > 1


def test_an_answer_that_is_cut_is_no_json(env: TableEnvironment) -> None:
    constraint, _ = CONSTRAINTS["json"]
    options = {"parameters.structured_outputs": json.dumps(constraint), "parameters.max_tokens": "20"}
    query = (
        "SELECT n, JSON_VALUE(t, '$.who'), JSON_VALUE(t, '$.years' RETURNING INTEGER), CHAR_LENGTH(t) "
        "FROM (SELECT n, chat(prompt, TRUE) AS t FROM prompts)"
    )
    assert chat(env, query, options) == [(n, None, None, 20) for n in range(len(PROMPTS))]


def test_a_stop_text_ends_the_answer_and_is_not_in_it(env: TableEnvironment, url: str) -> None:
    whole = answer(url, PROMPTS[1], temperature=0, max_tokens=40)
    stop = whole[10:13]
    got = chat(env, QUERIES["m(x)"] + " WHERE n = 1", {"parameters.stop": json.dumps(stop)})
    assert got == [(1, whole[: whole.index(stop)])]


def test_a_parameter_that_the_model_does_not_know_is_the_rows_failure(env: TableEnvironment) -> None:
    got = chat(
        env,
        "SELECT r.why FROM (SELECT chat(prompt, TRUE) AS r FROM prompts WHERE n = 1)",
        {"error-column": "why", "parameters.top": "3"},
        outputs="text_output STRING, why STRING",
    )
    assert "Unexpected keyword argument 'top'" in got[0][0]


def test_the_first_screen_of_the_page_runs_as_it_stands(tmp_path: Path, url: str) -> None:
    """In another directory, and on a port that is free."""
    prepare, serve = snippets("docs/language-models.md", "sh")[0].text.splitlines()
    program = snippets("docs/language-models.md", "python")[0].text
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = {**clean_environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(prepare, shell=True, check=True, cwd=tmp_path, env=environment, timeout=300)
    printed, _ = run_first_screen(serve, program, tmp_path)
    for prompt in ("I just", "What is the best way to"):
        text = answer(url, prompt, temperature=0, max_tokens=60)
        assert text[:25] in printed, printed


QUESTIONS = [
    (1, "where is my parcel", "basic"),
    (2, "i want my money back", "pro"),
    (3, "first user: second", "pro"),
]


def run_statements(url: str, text: str) -> list[list[tuple[Any, ...]]]:
    """Run statements as they stand, at another server and into another sink; give the rows of each query."""
    env = session(with_jar=False)
    pyflink_triton.connect(env, url)
    view(env, "questions", {"id": "INT", "question": "STRING", "plan": "STRING"}, QUESTIONS)
    answers = []
    for written in re.split(r";\s*(?:\n|$)", text.replace("http://triton:8000", url)):
        statement = re.sub(r"WITH \('connector' = .*\)", "WITH ('connector' = 'blackhole')", written, flags=re.S)
        if statement.startswith("INSERT"):
            env.explain_sql(statement)
            statement = statement.partition("\n")[2]
        if statement.startswith("SELECT"):
            answers.append(sorted(collect(env, statement)))
        elif statement.strip():
            env.execute_sql(statement)
    return answers


def are_answers(rows: Sequence[tuple[Any, ...]]) -> bool:
    """Whether each question has a text; one that is drawn may be empty, and hardly ever all."""
    texts = [text for _, text in rows]
    return [id_ for id_, _ in rows] == [1, 2, 3] and None not in texts and any(texts)


def test_the_statements_of_the_page_run(url: str) -> None:
    """Over models with the signatures that vLLM and TensorRT-LLM give theirs."""
    sampled, predicted, by_plan, finished, *parrots, tickets, parts = run_statements(url, PAGE)
    assert are_answers(sampled)
    assert are_answers(predicted)
    assert by_plan == [
        (id_, answer(url, question, temperature=0, max_tokens=500 if plan == "pro" else 100))
        for id_, question, plan in QUESTIONS
    ]
    assert are_answers([row[:2] for row in finished])
    assert {reason for *_, reason in finished} <= {"stop", "length"}
    whole = [(id_, question) for id_, question, _ in QUESTIONS]
    cut = [(id_, question.partition("user:")[0]) for id_, question in whole]
    assert parrots == [whole, whole, cut, whole]
    assert [id_ for id_, _, _ in tickets] == [1, 2, 3]
    assert {topic for _, topic, _ in tickets} <= {"delivery", "refund", "other"}
    assert {urgent for *_, urgent in tickets} <= {True, False}
    keys = [(id_, n) for id_, n, _ in parts]
    assert keys == [(id_, n) for id_ in (1, 2, 3) for n in range(sum(id_ == each for each, _ in keys))]


def test_the_statements_of_the_readme_run(url: str) -> None:
    ((rows,),) = [run_statements(url, each.text) for each in snippets("README.md", "sql")]
    assert are_answers(rows)
