"""The one line that attaches a server, and Flink's models over tables, in PyFlink."""

from __future__ import annotations

import os
import re
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flink_session import collect_exactly, session, view
from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.udf import udf
from triton import Triton

import pyflink_triton
from pyflink_triton.errors import OptionError, SchemaError
from pyflink_triton.remedies import Remedy


def fresh(mode: str) -> TableEnvironment:
    """A session as a user has it."""
    settings = EnvironmentSettings.in_batch_mode() if mode == "batch" else EnvironmentSettings.in_streaming_mode()
    return TableEnvironment.create(settings)


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_one_line_makes_models_functions(triton: Triton, mode: str) -> None:
    env = fresh(mode)
    pyflink_triton.connect(env, triton.http_url, timeout="10s")
    pyflink_triton.connect(env, triton.http_url)
    assert env.get_current_catalog() == "triton"
    with env.execute_sql("SHOW JARS").collect() as jars:
        assert len(list(jars)) == 1
    view(env, "rows_in", {"a": "INT", "b": "FLOAT"}, [(1, 1.5), (2, 2.0)])
    assert sorted(row["s"] for row in collect_exactly(env, "SELECT `add`(a, b) AS s FROM rows_in")) == [2.5, 4.0]


def test_what_the_user_has_set_stays() -> None:
    env = fresh("streaming")
    config = env.get_config()
    config.set("python.fn-execution.bundle.time", "7")
    config.set("python.executable", "/opt/python")
    pyflink_triton.connect(env, catalog="other", use=False)
    assert config.get("python.fn-execution.bundle.time", "") == "7"
    assert config.get("python.executable", "") == "/opt/python"
    assert config.get("python.client.executable", "") == sys.executable
    assert config.get("python.fn-execution.arrow.batch.size", "") == "4096"
    assert env.get_current_catalog() == "default_catalog"
    assert "other" in env.list_catalogs()


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions run in workers of their own, as on a cluster, and not in this process."""
    monkeypatch.setenv("_python_worker_execution_mode", "process")


def seen_by_a_worker(env: TableEnvironment, variable: str) -> str | None:
    """A variable of the environment of a Python function."""
    variables = udf(lambda name: os.environ.get(name), result_type="STRING")
    table = env.from_elements([(variable,)], ["name"]).select(variables(col("name")).alias("seen"))
    with table.execute().collect() as rows:
        return next(row[0] for row in rows)  # type: ignore[no-any-return] # pyflink has no types


@pytest.mark.usefixtures("in_processes")
def test_workers_have_the_environment_that_flinks_log_does_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "mine"))
    env = fresh("streaming")
    pyflink_triton.connect(env, use=False)
    extra = tmp_path / "extra.py"
    extra.write_text("")
    env.add_python_file(str(extra))
    assert env.get_config().get("python.systemenv.enabled", "") == "false"
    assert seen_by_a_worker(env, "HOME") == os.environ["HOME"]
    path = seen_by_a_worker(env, "PYTHONPATH")
    assert path is not None
    assert str(tmp_path / "mine") in path.split(os.pathsep)


@pytest.mark.usefixtures("in_processes")
def test_requirements_go_before_connect_else_a_sentence_says_so(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# none\n")
    env = fresh("streaming")
    env.set_python_requirements(str(requirements))
    pyflink_triton.connect(env, use=False)
    assert not env.get_config().get("python.systemenv.enabled", "")
    assert seen_by_a_worker(env, "HOME") == os.environ["HOME"]
    env = fresh("streaming")
    pyflink_triton.connect(env, use=False)
    env.set_python_requirements(str(requirements))
    with pytest.raises(Exception, match=r"\APyFlink's Python worker found no shell.*set the requirements before"):
        seen_by_a_worker(env, "HOME")


@pytest.mark.parametrize("batch", [False, True])
def test_a_session_is_made_with_a_server_attached(triton: Triton, batch: bool) -> None:
    configuration = {"parallelism.default": 1, "python.fn-execution.bundle.time": "7"}
    env = pyflink_triton.session(triton.http_url, batch=batch, configuration=configuration, timeout="10s")
    config = env.get_config()
    assert config.get("execution.runtime-mode", "").lower() == ("batch" if batch else "streaming")
    assert config.get("parallelism.default", "") == "1"
    assert config.get("python.fn-execution.bundle.time", "") == "7"
    assert config.get("python.executable", "") == sys.executable
    assert config.get("python.client.executable", "") == sys.executable
    assert env.get_current_catalog() == "triton"
    rows = collect_exactly(env, "SELECT `add`(a, b) AS s FROM (VALUES (1, CAST(1.5 AS FLOAT))) AS numbers (a, b)")
    assert [row["s"] for row in rows] == [2.5]


def test_a_catalog_with_other_options_is_not_taken_for_the_server(triton: Triton) -> None:
    env = fresh("streaming")
    pyflink_triton.connect(env, "http://localhost:1", timeout="10s")
    pyflink_triton.connect(env, "http://localhost:1", timeout="10s")
    with pytest.raises(OptionError, match=r"a catalog 'triton' already, with another endpoint\. Attach this one under"):
        pyflink_triton.connect(env, triton.http_url)
    with pytest.raises(OptionError, match="with another timeout"):
        pyflink_triton.connect(env, "http://localhost:1", timeout="9s")
    env.execute_sql("CREATE CATALOG mine WITH ('type' = 'generic_in_memory')")
    with pytest.raises(OptionError, match="'mine' already, with another type, endpoint"):
        pyflink_triton.connect(env, triton.http_url, catalog="mine")
    pyflink_triton.connect(env, triton.http_url, catalog="other")
    rows = collect_exactly(env, "SELECT `add`(a, b) AS s FROM (VALUES (1, CAST(1.5 AS FLOAT))) AS numbers (a, b)")
    assert [row["s"] for row in rows] == [2.5]


def test_options_are_written_as_python_has_them() -> None:
    given: dict[str, Any] = {"timeout": timedelta(seconds=5), "custom_headers": {"X-A": "b"}, "max_retries": 3}
    env = fresh("streaming")
    pyflink_triton.connect(env, "http://localhost:1", **given)
    with env.execute_sql("DESCRIBE CATALOG EXTENDED triton").collect() as rows:
        described = {row[0].removeprefix("option:"): row[1] for row in rows}
    assert described["timeout"] == "5000 ms"
    assert described["custom-headers"] == '{"X-A": "b"}'
    assert described["max-retries"] == "3"
    with pytest.raises(OptionError, match=r"option 'timeout' is 5, which has no unit: write .* as in '30s'"):
        pyflink_triton.connect(env, "http://localhost:1", timeout=5)
    with pytest.raises(OptionError, match="option 'endpoint' is 8000: write it as"):
        pyflink_triton.session(8000)  # type: ignore[arg-type]


def test_a_wrong_option_is_told_in_a_sentence() -> None:
    with pytest.raises(OptionError, match="there is no option 'timeuot'"):
        pyflink_triton.connect(fresh("streaming"), "http://localhost:1", timeuot="10s")
    with pytest.raises(OptionError, match="there is no option 'use'"):
        pyflink_triton.session("http://localhost:1", use=True)


@pytest.fixture(scope="module")
def env(triton: Triton) -> TableEnvironment:
    made = session("streaming")
    pyflink_triton.connect(made, triton.http_url)
    types = {"n": "INT", "d": "DECIMAL(10, 2)", "t": "STRING", "b": "BIGINT"}
    view(made, "rows_in", types, [(1, Decimal("1.25"), "good", 8), (2, None, "bad", 9)])
    return made


@pytest.mark.flink22
@pytest.mark.parametrize(
    ("model", "columns", "expected"),
    [
        ("multi", ["d", "n", "t"], [(1, 3.5, "GOOD"), (2, None, None)]),
        ("`identity_fp32`", ["n"], [(1, 1.0), (2, 2.0)]),
        ("triton.`default`.identity_int64", ["b"], [(1, 8), (2, 9)]),
    ],
)
def test_predict_casts_what_flink_casts(
    env: TableEnvironment, model: str, columns: list[str], expected: list[tuple[Any, ...]]
) -> None:
    rows = env.from_path("rows_in")
    predicted = pyflink_triton.predict(rows, model, columns, request_timeout="5s")
    assert list(predicted.get_resolved_schema().get_column_names())[:4] == ["n", "d", "t", "b"]
    env.create_temporary_view("predicted", predicted)
    got = collect_exactly(env, "SELECT * FROM predicted")
    env.drop_temporary_view("predicted")
    assert sorted((row["n"], *list(row.values())[4:]) for row in got) == expected


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["t"], ["input column 'x'", r"CAST(... AS FLOAT)"]),
        (["n", "n"], ["takes 1 columns (x FLOAT), and 2 were given"]),
        (["nope"], ["no column 'nope'", "n, d, t, b"]),
    ],
)
def test_predict_says_what_does_not_fit(env: TableEnvironment, columns: list[str], words: list[str]) -> None:
    with pytest.raises(SchemaError) as error:
        pyflink_triton.predict(env.from_path("rows_in"), "identity_fp32", columns)
    for word in ["Model 'identity_fp32'", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize("path", ["nope", "a b", "", "`nope"])
def test_predict_says_which_models_there_are(env: TableEnvironment, path: str) -> None:
    with pytest.raises(SchemaError, match=f"^Model '{path}': [^\n]*{re.escape(Remedy.SHOW_MODELS())}[.]$"):
        pyflink_triton.predict(env.from_path("rows_in"), path, ["n"])
    with env.execute_sql("SHOW MODELS").collect() as models:
        assert "identity_fp32" in [row[0] for row in models]
    assert pyflink_triton.predict(env.from_path("rows_in"), "triton.`default`.identity_fp32", ["n"])


def test_arguments_of_a_wrong_type_are_one_sentence(env: TableEnvironment) -> None:
    wrong: Any = "text"
    factory = pyflink_triton.TritonModelProviderFactory()
    for call, name in (
        (lambda: pyflink_triton.session(configuration=wrong), "configuration"),
        (lambda: pyflink_triton.session(catalog=wrong.encode()), "catalog"),
        (lambda: pyflink_triton.connect(wrong, "http://host:8000"), "t_env"),
        (lambda: pyflink_triton.predict(wrong, "identity_fp32", ["n"]), "table"),
        (lambda: pyflink_triton.predict(env.from_path("rows_in"), wrong.encode(), ["n"]), "model"),
        (lambda: factory.create_model_provider(wrong), "options"),
    ):
        with pytest.raises(TypeError, match=rf"^{name} is b?'text', and has to be a \w+: call it as in .*[.]$"):
            call()


def test_a_descriptor_makes_a_model_of_the_catalog(env: TableEnvironment, triton: Triton) -> None:
    options = {"endpoint": triton.http_url, "model-name": "identity_int64", "trace-context": True}
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(options)
    env.create_model("described", provider.model_descriptor())
    got = collect_exactly(env, "SELECT y FROM ML_PREDICT(TABLE rows_in, MODEL described, DESCRIPTOR(b))")
    env.drop_model("described")
    assert sorted(row["y"] for row in got) == [8, 9]
