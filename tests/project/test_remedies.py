"""Every remedy that a message prints is done here, as it is printed, and helps."""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import stateful
from certificates import Authority
from certificates import serving as serving_tls
from fault_proxy import nobody
from flink_session import collect, session, view
from gate import gate
from model_repository import MODELS
from places import TESTS
from pyflink.table import TableEnvironment
from remedies import CURES, Cure, fields
from triton import Triton, serving

import pyflink_triton
from pyflink_triton.bridge.planning_handlers import PLANNING_HANDLERS
from pyflink_triton.errors import AccessError, JobError, TritonError
from pyflink_triton.http.credentials import Credentials
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.options import OPTIONS
from pyflink_triton.options.validation import parse_options
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.messages import OpenRequest, Task
from pyflink_triton.runtime.open_model import open_model
from pyflink_triton.runtime.predictor import Prediction
from pyflink_triton.sequences.ids import encode_id

PACKAGE = Path(pyflink_triton.__file__).parent
#: Options that make what is waited for short.
QUICK = {"warmup-timeout": "1s", "max-retries": "0", "total-timeout": "2s"}
TESTED: set[Remedy] = {cure.remedy for cure in CURES}


def does(*remedies: Remedy) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note what a test does."""
    TESTED.update(remedies)
    return lambda test: test


def ask(fields: Mapping[str, Any]) -> Any:
    async def answer() -> Any:
        return await PLANNING_HANDLERS[fields["request"]](fields)

    return asyncio.run(answer())


def refused(url: str, **changes: Any) -> str:
    with pytest.raises(TritonError) as error:
        ask(fields(url, changes))
    return str(error.value)


async def _predict(url: str, changes: Mapping[str, Any], columns: list[pa.Array], task: Task) -> Prediction:
    request: OpenRequest = fields(url, {**QUICK, **changes})
    opened = await open_model({**request, "task": task}, Metrics())
    try:
        return await opened.predictor.predict(pa.record_batch(columns, names=[f"c{n}" for n in range(len(columns))]))
    finally:
        await opened.close()


def predict(url: str, changes: Mapping[str, Any], *columns: pa.Array, parallelism: int = 1) -> Prediction:
    """Open a model as a task does and predict one batch."""
    return asyncio.run(_predict(url, changes, list(columns), {"subtask": 0, "parallelism": parallelism}))


@pytest.mark.parametrize("cure", CURES, ids=lambda cure: f"{cure.remedy.name}: {cure.text}")
def test_what_planning_advises_helps(triton: Triton, cure: Cure) -> None:
    assert cure.text in refused(triton.http_url, **cure.broken)
    for cured in cure.cured:
        ask(fields(triton.http_url, cured))


@does(Remedy.WRITE_URL)
@pytest.mark.parametrize("wrong", [" ", "triton:8000", "http://triton:8000?x=1", "http://[", "http://a b:1"])
def test_urls(triton: Triton, wrong: str) -> None:
    assert Remedy.WRITE_URL() in refused(triton.http_url, endpoint=wrong)
    examples = re.findall("'(.*?)'", Remedy.WRITE_URL())
    assert [OPTIONS["endpoint"].parse(example) for example in examples] == [("http://host:8000",)] * 2
    ask(fields(triton.http_url, {"endpoint": f"{triton.http_url}/v2/models"}))


@does(
    Remedy.WRITE_HTTPS,
    Remedy.WRITE_HTTP,
    Remedy.WRITE_HTTP_OR_SHOW_CERTIFICATE,
    Remedy.CHECK_TLS,
    Remedy.SET_OPTION_TOO,
)
def test_tls(triton: Triton, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    server, client = authority.sign("server"), authority.sign("client")
    trust, key = {"tls-ca-file": str(authority.pem)}, {"tls-key-file": str(client.key)}
    mine = {**trust, **key, "tls-cert-file": str(client.pem)}
    with gate(triton.http_url, tls=serving_tls(server)) as https:
        assert Remedy.WRITE_HTTPS() in refused(https.url.replace("https", "http"), **trust)
        for wrong in ({}, {"tls-ca-file": str(other.pem)}):
            assert Remedy.CHECK_TLS() in refused(https.url, **wrong)
        for right in (trust, {"tls-verify": "false"}):
            ask(fields(https.url, right))
    with gate(triton.http_url, tls=serving_tls(server, authority.pem, newest=False)) as https:
        assert Remedy.SET_OPTION_TOO(key="tls-cert-file") in refused(https.url, **trust, **key)
        assert Remedy.WRITE_HTTP_OR_SHOW_CERTIFICATE() in refused(https.url, **trust)
        ask(fields(https.url, mine))
    # Triton hangs up where it is greeted by TLS, and other servers answer it in plain words.
    assert Remedy.WRITE_HTTP_OR_SHOW_CERTIFICATE() in refused(triton.http_url.replace("http", "https"))
    ask(fields(triton.http_url, {}))
    with gate(triton.http_url) as plain:
        assert Remedy.WRITE_HTTP() in refused(plain.url.replace("http", "https"))
        ask(fields(plain.url, {}))


@does(Remedy.REFER_TO_SECRET, Remedy.NAME_SECRET, Remedy.PROVIDE_SECRET)
def test_secrets(triton: Triton, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (warning,) = ask(fields(triton.http_url, {"auth-token": "abcdef"}))["warnings"]
    assert Remedy.REFER_TO_SECRET() in warning
    reference = {"auth-token": "${SECRET:name}"}
    assert Remedy.PROVIDE_SECRET() in refused(triton.http_url, **reference)
    monkeypatch.setenv("PYFLINK_TRITON_SECRET_NAME", "abcdef")
    assert not ask(fields(triton.http_url, reference))["warnings"]
    monkeypatch.delenv("PYFLINK_TRITON_SECRET_NAME")
    monkeypatch.setenv("PYFLINK_TRITON_SECRETS_DIR", str(tmp_path))
    (tmp_path / "name").write_text("abcdef")
    assert not ask(fields(triton.http_url, reference))["warnings"]
    written = {"endpoint": "http://h", "model-name": "m"}
    with pytest.raises(AccessError) as error:
        Credentials(parse_options({**written, "auth-token": "${SECRET:my token}"}))
    assert Remedy.NAME_SECRET() in str(error.value)
    found = Credentials(
        parse_options({**written, "auth-token": "${SECRET:my-token}"}), {"PYFLINK_TRITON_SECRET_MY_TOKEN": "abcdef"}
    )
    assert found.headers == {"Authorization": "Bearer abcdef"}


@does(Remedy.NAME_VARIABLE, Remedy.SET_VARIABLE)
def test_variables(triton: Triton, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Remedy.NAME_VARIABLE() in refused("http://${ENV:node}")
    node, column = "http://${ENV:NODE}", pa.array([1.0], pa.float32())
    said = refused(node)
    assert "PYFLINK_TRITON_ENDPOINT_NODE, which is not set on this machine" in said
    assert Remedy.SET_VARIABLE() in said
    assert said.endswith(Remedy.PLAN_WITHOUT_SERVER())
    (warning,) = ask(fields(node, {"plan-check": "best-effort"}))["warnings"]
    assert Remedy.SET_VARIABLE() in warning
    assert not ask(fields(node, {"plan-check": "off"}))["warnings"]
    with pytest.raises(TritonError, match="PYFLINK_TRITON_ENDPOINT_NODE") as error:
        predict(node, {}, column)
    assert str(error.value).endswith(Remedy.SET_VARIABLE())
    monkeypatch.setenv("PYFLINK_TRITON_ENDPOINT_NODE", triton.address)
    assert not ask(fields(node, {}))["warnings"]
    assert predict(node, {}, column).outputs.column(0).to_pylist() == [1.0]


@does(
    Remedy.CHECK_ENDPOINT,
    Remedy.CHECK_SERVER,
    Remedy.PLAN_WITHOUT_SERVER,
    Remedy.CREATE_WITHOUT_SERVER,
)
def test_a_server_that_is_not_there(triton: Triton) -> None:
    ask(fields(triton.http_url, {}))
    assert Remedy.CHECK_ENDPOINT() in refused("http://no-such-host.invalid:8000")
    with nobody() as dead:
        said = refused(dead)
        assert Remedy.CHECK_SERVER() in said
        assert Remedy.PLAN_WITHOUT_SERVER() in said
        ask(fields(dead, {"plan-check": "best-effort"}))
        undeclared = {**fields(dead, {"request": "describe"}), "input": []}
        with pytest.raises(TritonError) as error:
            ask(undeclared)
        assert Remedy.CREATE_WITHOUT_SERVER() in str(error.value)
        ask(fields(dead, {"request": "describe"}))


@does(Remedy.CHECK_CREDENTIALS)
def test_a_server_that_wants_a_token(triton: Triton) -> None:
    with gate(triton.http_url, {"Authorization": "Bearer abcdef", "X-Key": "value"}) as asking:
        for wrong in ({}, {"auth-token": "abcdef"}, {"auth-token": "abcdef", "custom-headers": "X-Key:other"}):
            assert Remedy.CHECK_CREDENTIALS() in refused(asking.url, **wrong)
        ask(fields(asking.url, {"auth-token": "abcdef", "custom-headers": "X-Key:value"}))


@does(Remedy.RAISE_TIMEOUT)
def test_a_slow_model(triton: Triton) -> None:
    slow = {"served": "slow", "input": "x INT", "output": "y INT"}
    column = pa.array([300], pa.int32())
    assert Remedy.RAISE_TIMEOUT() in predict(triton.http_url, {**slow, "timeout": "100 ms"}, column).errors[0]
    assert predict(triton.http_url, {**slow, "timeout": "2s"}, column).outputs.column(0).to_pylist() == [300]


@does(Remedy.RAISE_IDLE)
def test_a_short_idle_limit(triton: Triton) -> None:
    sequence = {
        "input": "x BIGINT; id STRING",
        "output": "sum BIGINT",
        "sequence-id": "${id}",
        "sequence-start": "true",
    }
    warnings = {
        served: ask(fields(triton.http_url, {**sequence, "served": served}))["warnings"]
        for served in ("sequence_short", "sequence")
    }
    assert Remedy.RAISE_IDLE() in warnings["sequence_short"][0]
    assert not warnings["sequence"]


@does(Remedy.SEPARATE_SUBTASKS)
def test_an_id_for_all_rows(triton: Triton) -> None:
    broken = {"served": "sequence", "input": "x BIGINT", "output": "sum BIGINT", "sequence-id": "one"}
    started = {**broken, "sequence-start": "true"}
    x, users = pa.array([1, 2]), pa.array(["a", "b"])
    with pytest.raises(TritonError) as error:
        predict(triton.http_url, started, x, parallelism=2)
    assert Remedy.SEPARATE_SUBTASKS() in str(error.value)
    keyed = {**started, "sequence-id": "${user_id}", "input": "x BIGINT; user_id STRING"}
    assert predict(triton.http_url, keyed, x, users, parallelism=2).outputs.column(0).to_pylist() == [1, 2]
    automatic = {**broken, "sequence-id-auto-increment": "true"}
    assert predict(triton.http_url, automatic, x, parallelism=2).outputs.column(0).to_pylist() == [1, 2]
    assert predict(triton.http_url, started, x).outputs.column(0).to_pylist() == [1, 3]


@does(Remedy.GIVE_ID, Remedy.USE_NUMBERS, Remedy.FIND_SEQUENCE)
def test_sequences(triton: Triton) -> None:
    url = triton.http_url

    async def main() -> None:
        async with stateful.opened(url, "sequence", sequence_start="true") as one:
            assert Remedy.GIVE_ID() in (await one.sums((1, "")))[0]
            assert await one.sums((1, "1")) == [1]
        columns = ("x", "id", "first")
        async with stateful.opened(url, "sequence", columns, sequence_start="${first}") as one:
            assert Remedy.FIND_SEQUENCE() in (await one.sums((1, "lost", False)))[0]
            assert await one.sums((1, "found", True), (2, "found", False)) == [1, 3]
        restarts = {"sequence_start": "${first}", "sequence_lost": "restart"}
        async with stateful.opened(url, "sequence", columns, **restarts) as one:
            assert await one.sums((1, "begun anew", False)) == [1]
        # A number and the text whose hash it is are two ids, and one number to a CORRID of 32 bits.
        text = "conversation"
        number = str(encode_id(text, "INT32"))
        for served in ("sequence_int32", "sequence"):
            async with stateful.opened(url, served, sequence_start="true") as one:
                sums = await one.sums((1, number), (2, text))
                if served == "sequence_int32":
                    assert Remedy.USE_NUMBERS() in sums[1]
                else:
                    assert sums == [1, 2]

    asyncio.run(main())


@does(Remedy.NAME_ALLOWED, Remedy.GIVE_VERSION)
def test_rows_that_name_their_models(triton: Triton) -> None:
    named = {"input": "x BIGINT; m STRING; v STRING", "output": "y BIGINT", "model-name": "${m}", "max-batch-size": "8"}
    routed = {**named, "allowed-models": "identity_*", "model-version": "${v}"}
    columns = [
        pa.array([7, 7, 7, 7], pa.int64()),
        pa.array(["version", "identity_int64", "identity_int64", "identity_int64"]),
        pa.array(["1", "first", "1", "latest"]),
    ]
    found = predict(triton.http_url, routed, *columns)
    assert found.outputs.column(0).to_pylist() == [None, None, 7, 7]
    assert Remedy.NAME_ALLOWED() in found.errors[0]
    assert Remedy.GIVE_VERSION() in found.errors[1]
    more = {**routed, "allowed-models": "identity_*,version"}
    assert predict(triton.http_url, more, *columns).outputs.column(0).to_pylist() == [1, None, 7, 7]


@does(Remedy.PLAN_AGAIN, Remedy.RESTART_JOB)
def test_a_model_that_changed(triton: Triton, tmp_path: Path) -> None:
    column = pa.array([1.0], pa.float32())
    planned = ask(fields(triton.http_url, {"served": "identity_fp64", "input": "x DOUBLE", "output": "y DOUBLE"}))
    request: OpenRequest = fields(triton.http_url, QUICK)
    stale: OpenRequest = {**request, "planned": planned["signature"]}
    with pytest.raises(JobError) as error:
        asyncio.run(open_model(stale, Metrics()))
    assert Remedy.PLAN_AGAIN() in str(error.value)
    again: OpenRequest = {**stale, "planned": ask(fields(triton.http_url, {}))["signature"]}

    async def opens() -> None:
        await (await open_model(again, Metrics())).close()

    asyncio.run(opens())
    (model,) = (model for model in MODELS if model.name == "identity_fp32")
    with serving(tmp_path, [replace(model, max_batch_size=4)]) as small:
        both = {"endpoint": f"{triton.http_url},{small.http_url}"}
        with pytest.raises(JobError) as error:
            predict("", both, column)
        assert Remedy.RESTART_JOB() in str(error.value)
        for right in ({**both, "max-batch-size": "4"}, {"endpoint": small.http_url}):
            assert predict("", right, column).outputs.column(0).to_pylist() == [1.0]


@does(Remedy.SET_BATCH_SIZE)
def test_a_hidden_configuration(triton: Triton) -> None:
    with gate(triton.http_url, hidden=403, ends=("/config",)) as hiding:
        assert Remedy.SET_BATCH_SIZE() in refused(hiding.url)
        ask(fields(hiding.url, {"max-batch-size": "64"}))
        nobatch = {"served": "identity_fp32_nobatch"}
        assert Remedy.SET_BATCH_SIZE() in refused(hiding.url, **nobatch)
        for changes in ({"max-batch-size": "64"}, {**nobatch, "max-batch-size": "0"}):
            answered = predict(hiding.url, changes, pa.array([1.0], pa.float32()))
            assert answered.outputs.column(0).to_pylist() == [1.0]


@does(Remedy.TAKE_RESPONSES, Remedy.TAKE_NO_RESPONSE, Remedy.ASK_FOR_LESS)
def test_streams_of_responses(triton: Triton) -> None:
    model = {"served": "script", "input": "script STRING", "output": "text STRING"}

    def answers(script: str, **changes: str) -> tuple[list[Any], str]:
        options = {key.replace("_", "-"): value for key, value in changes.items()}
        predicted = predict(triton.http_url, {**model, **options}, pa.array([script]))
        return predicted.outputs.column(0).to_pylist(), predicted.errors.get(0, "")

    two, none, long = '["a", "b"]', "[]", f'["{"x" * 3000}"]'
    assert Remedy.TAKE_RESPONSES() in answers(two)[1]
    array = {"responses": "array", "output": "text ARRAY<STRING>"}
    for more, taken in (({"responses": "last"}, "b"), ({"responses": "join"}, "ab"), (array, ["a", "b"])):
        assert answers(two, **more) == ([taken], "")
    assert answers(two, responses="rows") == ([["a", "b"]], "")
    assert Remedy.TAKE_NO_RESPONSE() in answers(none)[1]
    assert answers(none, **array) == ([[]], "")
    assert answers(none, responses="rows") == ([[]], "")
    assert Remedy.ASK_FOR_LESS() in answers(long, max_response_bytes="2 kb")[1]
    assert answers(long, max_response_bytes="8 kb")[1] == answers(two, responses="last", max_response_bytes="2 kb")[1]


@does(Remedy.ASK_FOR_FINISH)
def test_a_stream_without_its_finish(triton: Triton) -> None:
    model = {"served": "script_many", "input": "script STRING", "output": "text STRING; reason STRING"}
    model["finish-column"] = "reason"
    asked, unasked = ('[{"outputs": {"text": ["a"], "reason": ["stop"]}}]', '["a"]')
    assert Remedy.ASK_FOR_FINISH() in predict(triton.http_url, model, pa.array([unasked])).errors[0]
    assert predict(triton.http_url, model, pa.array([asked])).outputs.column(0).to_pylist() == ["a"]
    del model["finish-column"]
    assert predict(triton.http_url, model, pa.array([unasked])).outputs.column(0).to_pylist() == ["a"]


@does(Remedy.SET_RESPONSES)
def test_a_decoupled_model_behind_a_gate(triton: Triton) -> None:
    model = {"served": "script", "input": "script STRING", "output": "text STRING"}
    alone = {**model, "plan-check": "off", "max-batch-size": "0"}
    for paths in (("/script", "/config"), ("/config",)):
        with gate(triton.http_url, hidden=403, ends=paths) as hiding:
            with pytest.raises(JobError) as error:
                predict(hiding.url, alone, pa.array(['["a"]']))
            assert Remedy.SET_RESPONSES() in str(error.value)
            answered = predict(hiding.url, {**alone, "responses": "one"}, pa.array(['["a"]']))
            assert answered.outputs.column(0).to_pylist() == ["a"]


@does(Remedy.DECLARE, Remedy.DECLARE_BYTES)
def test_outputs_of_another_kind(triton: Triton) -> None:
    array = {"served": "identity_fp32_array", "input": "x ARRAY<FLOAT>", "output": "y FLOAT"}
    column = pa.array([[1.0, 2.0]], pa.list_(pa.float32()))
    with pytest.raises(JobError) as error:
        predict(triton.http_url, array, column)
    assert Remedy.DECLARE(type="ARRAY<FLOAT>") in str(error.value)
    cured = predict(triton.http_url, {**array, "output": "y ARRAY<FLOAT>"}, column)
    assert cured.outputs.column(0).to_pylist() == [[1.0, 2.0]]
    text = {"served": "identity_bytes", "input": "x BYTES", "output": "y STRING"}
    binary = pa.array([b"\xff"], pa.binary())
    assert Remedy.DECLARE_BYTES() in predict(triton.http_url, text, binary).errors[0]
    cured = predict(triton.http_url, {**text, "output": "y BYTES"}, binary)
    assert cured.outputs.column(0).to_pylist() == [b"\xff"]


@pytest.fixture(scope="module")
def env(triton: Triton) -> TableEnvironment:
    made = session(with_jar=False)
    pyflink_triton.connect(made, triton.http_url)
    types = {"x": "FLOAT", "i": "BIGINT", "s": "STRING", "n": "INT", "xs": "ARRAY<FLOAT>", "ns": "ARRAY<INT>"}
    view(made, "rows_in", types, [(1.0, 16_777_217, "2.5", 7, [1.0, 2.0], [1, 2])])
    created = {
        "exact": ("identity_fp32", "x FLOAT", "y FLOAT", ""),
        "summing": (
            "sequence",
            "x BIGINT, id STRING",
            "`sum` BIGINT",
            ", 'sequence-id' = '${id}', 'sequence-start' = 'true'",
        ),
        "flagged": (
            "sequence",
            "x BIGINT, id STRING, is_first BOOLEAN",
            "`sum` BIGINT",
            ", 'sequence-id' = '${id}', 'sequence-start' = '${is_first}'",
        ),
    }
    for name, query in VIEWS.items():
        made.execute_sql(f"CREATE TEMPORARY VIEW {name} AS {query}")
    for name, (served, inputs, outputs, options) in created.items():
        made.execute_sql(
            f"CREATE MODEL {name} INPUT ({inputs}) OUTPUT ({outputs}) "
            f"WITH ('provider' = 'triton', 'model-name' = '{served}'{options})"
        )
    return made


#: What Flink's planner or a job refuses, what it says, and the statements that the remedy makes of it.
STATEMENTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "SELECT identity_fp32(s) FROM rows_in",
        Remedy.CONVERT(expression="CAST(... AS FLOAT)"),
        ("SELECT identity_fp32(CAST(s AS FLOAT)) FROM rows_in",),
    ),
    (
        "SELECT identity_int32(i) FROM rows_in",
        Remedy.CONVERT(expression="CAST(... AS INT)"),
        ("SELECT identity_int32(CAST(i AS INT)) FROM rows_in",),
    ),
    (
        "SELECT y FROM ML_PREDICT(TABLE rows_in, MODEL identity_fp32_array, DESCRIPTOR(ns))",
        Remedy.CONVERT(expression="CAST(... AS ARRAY<FLOAT>)"),
        ("SELECT y FROM ML_PREDICT(TABLE cast_in, MODEL identity_fp32_array, DESCRIPTOR(fs))",),
    ),
    (
        "SELECT exact(i) FROM rows_in",
        Remedy.CAST_NEAREST(type="FLOAT"),
        ("SELECT exact(CAST(i AS FLOAT)) FROM rows_in",),
    ),
    (
        "SELECT flagged(i, s, n > 0) FROM rows_in",
        Remedy.GIVE_NOT_NULL(),
        (
            "SELECT flagged(COALESCE(i, 0), COALESCE(s, ''), COALESCE(n > 0, FALSE)) FROM rows_in",
            "SELECT `sum` FROM ML_PREDICT(TABLE flags_in, MODEL flagged, DESCRIPTOR(i, s, f))",
        ),
    ),
    (
        "SELECT summing(ARRAY[i], s) FROM rows_in",
        Remedy.GIVE_ONE_ELEMENT(),
        ("SELECT summing(e, s) FROM (SELECT e, s FROM arrays_in CROSS JOIN UNNEST(a) AS u(e))",),
    ),
)
VIEWS = {
    "cast_in": "SELECT CAST(ns AS ARRAY<FLOAT>) AS fs FROM rows_in",
    "arrays_in": "SELECT s, ARRAY[i] AS a FROM rows_in",
    "flags_in": "SELECT i, s, n > 0 AS f FROM rows_in",
}


@does(Remedy.CONVERT, Remedy.CAST_NEAREST, Remedy.GIVE_NOT_NULL, Remedy.GIVE_ONE_ELEMENT)
@pytest.mark.parametrize(("broken", "remedy", "cured"), STATEMENTS, ids=[remedy for _, remedy, _ in STATEMENTS])
def test_what_is_advised_helps_in_flink(
    env: TableEnvironment, broken: str, remedy: str, cured: tuple[str, ...]
) -> None:
    assert remedy in refused_by_flink(env, broken)
    for statement in cured:
        assert collect(env, statement)


def refused_by_flink(env: TableEnvironment, statement: str) -> str:
    """The first line that a user of PyFlink reads."""
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        collect(env, statement)
    return str(error.value).splitlines()[0]


@does(Remedy.CAST_NULL)
def test_a_null_without_a_type_in_batch(triton: Triton) -> None:
    env = session("batch", with_jar=False)
    pyflink_triton.connect(env, triton.http_url)
    said = refused_by_flink(env, "SELECT identity_bytes(NULL)")
    assert Remedy.CAST_NULL(type="STRING") in said
    assert collect(env, "SELECT identity_bytes(CAST(NULL AS STRING))") == [(None,)]


@does(Remedy.WRITE_IN_CREATE_MODEL, Remedy.SET_NO_RETRY)
def test_settings_of_a_session(env: TableEnvironment, triton: Triton) -> None:
    catalog = "CREATE CATALOG c WITH ('type' = 'triton', 'endpoint' = '{url}'{more})"
    said = refused_by_flink(env, catalog.format(url=triton.http_url, more=", 'model-name' = 'add'"))
    assert Remedy.WRITE_IN_CREATE_MODEL() in said
    env.execute_sql(catalog.format(url=triton.http_url, more=""))
    env.execute_sql("CREATE MODEL c.`default`.adds WITH ('provider' = 'triton', 'model-name' = 'add')")
    retry = "table.exec.async-scalar.retry-strategy"
    statement = "SELECT summing(i, s) FROM rows_in"
    env.get_config().set(retry, "FIXED_DELAY")
    assert Remedy.SET_NO_RETRY() in refused_by_flink(env, statement)
    env.get_config().set(*re.findall("'(.*?)'", Remedy.SET_NO_RETRY()))
    assert collect(env, statement)


#: Remedies that other tests do, beside what else they show.
ELSEWHERE = {
    Remedy.CALL_AS: "test_connect.py::test_arguments_of_a_wrong_type_are_one_sentence",
    Remedy.SHOW_MODELS: "test_connect.py::test_predict_says_which_models_there_are",
    Remedy.ANSWER_BINARY: "test_other_servers.py::test_nan_needs_a_binary_answer",
    Remedy.ASK_FOR_LESS: "test_streams.py::test_a_stream",
    Remedy.CHANGE_DATATYPE: "test_binding.py::test_what_the_json_of_streams_cannot_hold_is_refused",
    Remedy.CHANGE_DIMS: "test_binding.py::test_what_the_json_of_streams_cannot_hold_is_refused",
    Remedy.CHANGE_SERVER: "test_other_servers.py::test_mlserver_is_refused_in_one_sentence",
    Remedy.CHOOSE_PORT: "test_remedies.py::test_ports",
    Remedy.CONVERT_TEXT: "test_conversions.py::test_the_remedy_of_a_refused_call_runs",
    Remedy.DECLARE_ALL: "test_hardened.py::test_a_statement_that_asks_is_told_what_to_declare_and_that_works",
    Remedy.DECLARE_ELEMENT: "test_array_batch.py::test_what_cannot_be_a_batch_is_refused",
    Remedy.DECLARE_IN_INPUT: "test_bytes.py::test_ml_predict_takes_bytes_where_they_are_declared",
    Remedy.DECLARE_ONE_OF: "test_hardened.py::test_a_type_that_no_datatype_is_natural_for_is_refused_at_open",
    Remedy.DECLARE_TENSORS: "test_hardened.py::test_a_declaration_that_does_not_fit_fails_the_job_and_takes_no_default",
    Remedy.DESCRIBE_TENSORS: ("test_other_servers.py::test_the_declaration_stands_for_what_a_model_does_not_describe"),
    Remedy.TAKE_NO_RESPONSE: "test_streams.py::test_a_stream",
    Remedy.TAKE_RESPONSES: "test_streams.py::test_a_stream",
    Remedy.DECODE: "test_bytes.py::test_bytes_name_a_sequence_without_a_loss",
    Remedy.GIVE_A_VALUE: "test_outputs.py::test_a_request_of_nothing_is_its_rows_failure_with_the_reason",
    Remedy.GIVE_EXPRESSION: "test_model_names.py::test_a_module_that_comes_first_wins",
    Remedy.NAME_CATALOG: "test_connect.py::test_a_catalog_with_other_options_is_not_taken_for_the_server",
    Remedy.INSTALL_JAVA: "test_java_home.py::test_what_to_do_where_there_is_no_java_helps",
    Remedy.INSTALL_PACKAGE: "test_make.py",
    Remedy.INSTALL_TESTED: "test_compat_page.py::test_the_version_to_install_is_allowed_and_is_the_one_tested_here",
    Remedy.KEEP_KEY: "test_determinism.py::test_flink_refuses_what_needs_the_same_answer_again",
    Remedy.NAME_EXACTLY: "test_binding.py::test_a_name_that_may_be_two_tensors_is_refused",
    Remedy.NO_CAST: "test_conversions.py::test_sentences",
    Remedy.RAISE_TOTAL: "test_stream_faults.py::test_long_answers_say_nothing_about_the_server",
    Remedy.SET_BATCH_LIMIT: (
        "test_batch_limits.py::test_a_thousand_rows_of_a_model_that_takes_one_cost_few_refused_calls"
    ),
    Remedy.SET_FLINKS_JAVA_HOME: "test_java_home.py::test_a_java_of_flinks_configuration_is_changed_there",
    Remedy.SET_OPTIONAL_OUTPUT: (
        "test_outputs.py::test_an_output_that_a_row_lacks_is_its_failure_or_null_where_it_is_optional"
    ),
    Remedy.SET_REQUIREMENTS_BEFORE: "test_connect.py::test_requirements_go_before_connect_else_a_sentence_says_so",
    Remedy.SWITCH_CACHE_OFF: (
        "test_outputs.py::test_an_answer_of_another_shape_from_the_cache_costs_no_more_than_its_row"
    ),
    Remedy.BEGIN_A_LINE: "test_check.py::test_what_check_advises_helps",
    Remedy.COMMENT_A_LINE: "test_check.py::test_what_check_advises_helps",
    Remedy.FILTER_BEFORE: "test_check.py::test_what_check_advises_helps",
    Remedy.FILTER_INSIDE: "test_check.py::test_what_check_advises_helps",
    Remedy.GIVE_ENDPOINT: "test_check.py::test_an_option_of_models_needs_a_server",
    Remedy.CHECK_GATEWAY: "test_cluster.py::test_the_command_through_the_gateway",
    Remedy.WRITE_PAIR: "test_sql.py::test_a_pair_is_written_as_the_message_says",
    Remedy.USE_JAR: "test_bridge.py::test_a_shim_of_another_version_is_told_both",
    Remedy.USE_NEWER_FLINK: "test_front_doors.py::test_a_door_that_flink_22_lacks_is_one_sentence_with_another_way",
    Remedy.USE_ML_PREDICT: "test_function_jobs.py::test_a_compiled_plan_in_batch_holds_ml_predict_and_no_function",
}


#: What the doctor says besides, all done in one test.
DOCTORS = list(Remedy)[list(Remedy).index(Remedy.CORRECT_OPTION) :]
ELSEWHERE.update(
    dict.fromkeys(
        [Remedy.WRITE_HTTP_PORT, *DOCTORS], "test_planted_faults.py::test_a_fault_is_named_and_what_to_do_helps"
    )
)


def test_every_remedy_is_done() -> None:
    assert {remedy.name for remedy in Remedy} - {remedy.name for remedy in {*TESTED, *ELSEWHERE}} == set()
    for test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert f"def {name}" in next(TESTS.rglob(file)).read_text()


def test_ports() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "pyflink_triton", "serve", "models", "--http-port", "65536"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert Remedy.CHOOSE_PORT() in said.stderr


#: How a remedy begins.
ORDERS = re.compile(
    r"(?:^|[.:;,] |\bor |\band )(?:write|declare|set|raise|lower|add|name|check|use|give|call|plan|restart|refer|mark|"
    r"provide|leave|cast|install|pin|make|close|choose|see|correct|rename|switch)\b(?! JAR)",
    re.I,
)


def words_of(path: Path) -> list[str]:
    """The words that a module says; docstrings say nothing to users."""
    tree = ast.parse(path.read_text())
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            silent.update(id(node.body[0].value) for _ in (0,) if isinstance(node.body[0], ast.Expr))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "option":
            silent.update(id(each) for each in ast.walk(node))
        if isinstance(node, (ast.JoinedStr, ast.FormattedValue)):
            continue
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
    ]


#: What `pyflink-triton serve` says is about a machine, not a statement: `tests/server/test_server.py` forces it.
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "remedies.py" and "server" not in path.parts]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_message_has_a_remedy_that_is_not_in_the_table(path: Path) -> None:
    assert [words for words in words_of(path) if ORDERS.search(words) and " " in words.strip()] == []
    assert not [words for words in words_of(path) if "{Remedy" in words]


#: The remedies of the jar, by the class that prints them, and the tests that do them: here, or JUnit's.
OF_THE_JAR = {
    "FlinkFunctions": (
        "test_model_names.py::test_flinks_functions_win_and_a_model_is_called_by_the_name_that_the_warning_says",
    ),
    "ForwardedNulls": (
        "test_async_first.py::test_the_order_that_connect_advises",
        "ForwardedNullsTest.java::aFileThatCannotBeWrittenIsTriedAgain",
    ),
    "Handshake": ("test_bridge.py::test_a_shim_of_another_version_is_told_both",),
    "JobFiles": ("test_cluster.py",),
    "Joins": ("test_beside_tables.py::test_what_is_refused_has_a_remedy_that_runs",),
    "ModelFunction": ("test_remedies.py::test_a_null_without_a_type_in_batch",),
    "NameClashes": (
        "test_model_names.py::test_flinks_functions_win_and_a_model_is_called_by_the_name_that_the_warning_says",
    ),
    "ModelPlans": ("test_guards.py::test_the_remedy_without_the_jar", "test_guards.py::test_the_remedy_as_a_function"),
    "PlannedFunction": ("test_function_jobs.py::test_a_compiled_plan_runs_in_a_session_of_its_own",),
    "PlannerParts": ("test_async_first.py::test_connect_says_at_once_what_cannot_be_repaired",),
    "PredictionInBatch": ("test_front_doors.py::test_a_door_that_flink_22_lacks_is_one_sentence_with_another_way",),
    "RightSides": ("test_beside_tables.py::test_what_is_refused_has_a_remedy_that_runs",),
    "StatementConfig": ("test_async_first.py::test_connect_says_at_once_what_cannot_be_repaired",),
    "TritonCatalog": ("test_remedies.py::test_a_model_of_the_servers",),
    "UnpackedArchives": (
        "ArchivesTest.java::nothingIsUnpackedElsewhere",
        "ArchivesTest.java::anArchiveIsUnpackedOnceAndGoneWithItsLastUser",
    ),
    "WorkerProcess": ("BrokenWorkerTest.java::aProgramThatIsNotThereIsNamedWithItsOption",),
}
_STRING = r'"(?:[^"\\]|\\.)*"'
_STRINGS = re.compile(rf"{_STRING}(?:\s*\+\s*{_STRING})*")
_COMMENTS = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
SHIM = PACKAGE.parent / "java-shim" / "src"


def test_the_remedies_of_the_jar_are_done() -> None:
    found = {"TritonCatalog"}  # that one begins with what it makes
    for path in (SHIM / "main").rglob("*.java"):
        for literal in _STRINGS.findall(_COMMENTS.sub("", path.read_text())):
            words = "".join(each[1:-1] for each in re.findall(_STRING, literal))
            if ORDERS.search(words) and " " in words.strip():
                found.add(path.stem)
    assert found == set(OF_THE_JAR)
    for test in (test for tests in OF_THE_JAR.values() for test in tests):
        file, _, name = test.partition("::")
        (path,) = [*TESTS.rglob(file), *(SHIM / "test").rglob(file)]
        assert f"{name}(" in path.read_text() or not name


def test_a_model_of_the_servers(env: TableEnvironment) -> None:
    said = refused_by_flink(env, "ALTER MODEL identity_fp64 SET ('timeout' = '1s')")
    assert "A CREATE MODEL of that name makes one to use instead." in said
    env.execute_sql(
        "CREATE MODEL identity_fp64 WITH ('provider' = 'triton', 'model-name' = 'identity_fp64', 'timeout' = '1s')"
    )
    env.execute_sql("ALTER MODEL identity_fp64 SET ('timeout' = '2s')")
    assert collect(env, "SELECT identity_fp64(CAST(x AS DOUBLE)) FROM rows_in") == [(1.0,)]
