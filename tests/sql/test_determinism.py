"""Models that answer the same row otherwise the next time: what Flink makes of `deterministic`, over updating input."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flink_session import collect, session, view
from gated import gated_triton
from pyflink.common import RowKind
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import Schema, StreamTableEnvironment, TableEnvironment
from pyflink.table.changelog_mode import ChangelogMode
from pyflink.util.exceptions import TableException
from triton import Triton, call
from waiting import wait_for

import pyflink_triton

pytestmark = pytest.mark.either_mode

STRATEGY = "table.optimizer.non-deterministic-update.strategy"
FUNCTIONS = ("m", "v", "a")
COUNTED = "(SELECT k, {}(c) AS y FROM (SELECT k, COUNT(*) AS c FROM numbers GROUP BY k))"


def define(env: TableEnvironment, url: str, served: str, **options: str) -> None:
    """Make a model a function of each kind."""
    written = {
        "endpoint": url,
        "model-name": served,
        **{key.replace("_", "-"): value for key, value in options.items()},
    }
    clause = ", ".join(f"'{key}' = '{value}'" for key, value in {"provider": "triton", **written}.items())
    env.execute_sql(f"CREATE MODEL m WITH ({clause})")
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(written)
    provider.register(env, "v")
    provider.register(env, "a", asynchronous=True)


def undefine(env: TableEnvironment) -> None:
    env.execute_sql("DROP MODEL m")
    for name in ("v", "a"):
        env.execute_sql(f"DROP TEMPORARY SYSTEM FUNCTION {name}")


def inferences(url: str, served: str) -> int:
    """How many rows a model has answered."""
    stats = json.loads(call(url, "GET", f"/v2/models/{served}/stats"))["model_stats"]
    return sum(int(each["inference_count"]) for each in stats)


@pytest.fixture(scope="module")
def env(triton: Triton) -> TableEnvironment:
    made = session(with_jar=False)
    pyflink_triton.connect(made, triton.http_url)
    view(made, "numbers", {"k": "INT", "x": "BIGINT"}, [(n % 3, (-1) ** n * n) for n in range(12)])
    made.execute_sql(
        "CREATE TEMPORARY TABLE keyed (k INT, y BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'blackhole')"
    )
    return made


@pytest.fixture(params=["false", "true"])
def told(request: pytest.FixtureRequest, env: TableEnvironment, triton: Triton) -> Iterator[str]:
    define(env, triton.http_url, "identity_int64", deterministic=request.param)
    env.get_config().set(STRATEGY, "TRY_RESOLVE")
    yield request.param
    env.get_config().set(STRATEGY, "IGNORE")
    undefine(env)


def test_flink_refuses_what_needs_the_same_answer_again(env: TableEnvironment, told: str) -> None:
    for function in FUNCTIONS:
        answers = COUNTED.format(function)
        grouped = f"SELECT y, COUNT(*) FROM {answers} GROUP BY y"
        if told == "true":
            env.explain_sql(grouped)
        else:
            with pytest.raises(TableException) as refused:
                env.explain_sql(grouped)
            sentence = str(refused.value).splitlines()[0]
            assert sentence.startswith(f"The function '{function}' may answer otherwise"), sentence
            # What the sentence advises.
            env.explain_sql(f"INSERT INTO keyed SELECT k, y FROM {answers}")
            env.explain_sql(f"SELECT y, COUNT(*) FROM (SELECT {function}(x) AS y FROM numbers) GROUP BY y")
            env.get_config().set(STRATEGY, "IGNORE")
            env.explain_sql(grouped)
            env.get_config().set(STRATEGY, "TRY_RESOLVE")


def test_what_keeps_its_key_is_right_when_the_model_is_replaced(tmp_path: Path) -> None:
    """`latest` moves in mid-job; Flink keeps the last answer of each key."""
    flink = StreamExecutionEnvironment.get_execution_environment()
    flink.set_parallelism(1)
    env = StreamTableEnvironment.create(flink)
    with gated_triton(tmp_path / "models", "version") as triton, triton.closed():
        pyflink_triton.connect(env, triton.http_url)
        env.get_config().set(STRATEGY, "TRY_RESOLVE")
        define(env, triton.http_url, "version", deterministic="false")
        view(env, "rows_in", {"k": "INT", "x": "BIGINT"}, [(n % 3, n + 200 * (n > 11)) for n in range(15)])
        env.execute_sql(
            "CREATE TEMPORARY VIEW numbers AS SELECT k FROM ML_PREDICT("
            "TABLE rows_in, MODEL gate, DESCRIPTOR(x), MAP['async', 'false'])"
        )
        table = env.sql_query("SELECT k, m(c), v(c), a(c) FROM (SELECT k, COUNT(*) AS c FROM numbers GROUP BY k)")
        schema = Schema.new_builder().column("k", "INT NOT NULL")
        for answer in FUNCTIONS:
            schema.column(answer, "BIGINT")
        schema.primary_key("k")
        with env.to_changelog_stream(table, schema.build(), ChangelogMode.upsert()).execute_and_collect() as changes:
            wait_for(lambda: inferences(triton.http_url, "version") == 3 * 12, 60, "the rows before the gate")
            versions = triton.gate.parent.parent / "version"
            shutil.copytree(versions / "3", versions / "4")
            call(triton.http_url, "POST", "/v2/repository/models/version/load")
            triton.gate.touch()
            kept = {change[0]: tuple(change)[1:] for change in changes}
    assert kept == {0: (4, 4, 4), 1: (4, 4, 4), 2: (4, 4, 4)}


def test_defaults_of_failed_rows_are_taken_back(env: TableEnvironment, triton: Triton) -> None:
    """A row that fails fails again when it is taken back, and its default with it."""
    define(env, triton.http_url, "fails", default_value="-100", max_retries="0")
    sums = "(SELECT k, {}(s) AS y FROM (SELECT k, SUM(x) AS s FROM numbers GROUP BY k))"
    try:
        found = {
            function: rows_left(env, f"SELECT y, COUNT(*) FROM {sums.format(function)} GROUP BY y")
            for function in FUNCTIONS
        }
    finally:
        undefine(env)
    assert found == {function: Counter({(-100, 2): 1, (6, 1): 1}) for function in FUNCTIONS}


def rows_left(env: TableEnvironment, sql: str) -> Counter[tuple[int, ...]]:
    """What a query's changes come to."""
    left: Counter[tuple[int, ...]] = Counter()
    with env.execute_sql(sql).collect() as changes:
        for change in changes:
            is_added = change.get_row_kind() in (RowKind.INSERT, RowKind.UPDATE_AFTER)
            left[tuple(change)] += 1 if is_added else -1
    return +left


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_one_answer_is_one_call(mode: str, triton: Triton) -> None:
    """What an answer is named in, it is everywhere; and planning asks for none."""
    env = session(mode, with_jar=False)
    pyflink_triton.connect(env, triton.http_url)
    options = f"'provider' = 'triton', 'endpoint' = '{triton.http_url}', 'model-name' = 'identity_int64'"
    env.execute_sql(f"CREATE MODEL m WITH ({options}, 'deterministic' = 'false')")
    view(env, "numbers", {"x": "BIGINT"}, [(x,) for x in range(1, 6)])
    url, served = triton.http_url, "identity_int64"
    before = inferences(url, served)
    query = "SELECT y + 1, CASE WHEN y > 2 THEN y ELSE 0 END FROM (SELECT m(x) AS y FROM numbers) WHERE y > 1"
    for planned in (query, "SELECT m(7) FROM numbers"):
        env.explain_sql(planned)
    assert inferences(url, served) == before
    assert sorted(collect(env, query)) == [(x + 1, x * (x > 2)) for x in range(2, 6)]
    assert inferences(url, served) == before + 5
