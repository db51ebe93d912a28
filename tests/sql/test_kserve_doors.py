"""kserve's Python server through the catalog and every front door."""

from __future__ import annotations

import math
import re

import pytest
from doors import DOORS, Door, Model
from flink_session import collect, session, view
from job_metrics import counters, rest
from kserve_process import KServe
from places import ROOT
from pyflink.table import TableEnvironment
from type_cases import NATURAL
from waiting import wait_for

import pyflink_triton
from pyflink_triton.remedies import Remedy
from pyflink_triton.server.ports import choose

pytestmark = pytest.mark.either_mode


@pytest.fixture(scope="module")
def env(kserve: KServe) -> TableEnvironment:
    env = session(with_jar=False)
    pyflink_triton.connect(env, kserve.url, max_batch_size="8")
    view(env, "payments", {"id": "INT", "amount": "FLOAT", "account": "BIGINT", "note": "STRING"}, PAYMENTS)
    view(env, "numbers", {"x": "BIGINT"}, [(1,), (-1,), (3,)])
    return env


PAYMENTS = [(1, 1.5, 8, "a"), (2, 1.0, None, "b"), (3, 3.0, 1, "ü")]
ANSWERS = [(1, 4.0, "A"), (2, None, None), (3, 1.0, "Ü")]


@pytest.mark.parametrize(
    ("form", "door"),
    [*(("asked", door) for door in DOORS), ("json", ("ML_PREDICT", "streaming")), ("json", ("m(x)", "streaming"))],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_every_type_goes_to_the_server_and_back(kserve: KServe, door: tuple[str, str], form: str) -> None:
    cases = [case for case in NATURAL if case.datatype != "bf16" and not (form == "json" and case.datatype == "fp16")]
    values = [
        [value for value in case.values if not (form == "json" and isinstance(value, float) and math.isinf(value))]
        for case in cases
    ]
    rows = [[column[n % len(column)] for column in values] for n in range(max(map(len, values)))]
    inputs = {f"in_{case.datatype}": case.given for case in cases}
    outputs = {f"out_{case.datatype}": case.answered for case in cases}
    model = Model(f"types_{form}", inputs, outputs, {"max-batch-size": "8"})
    got = Door(*door, kserve.url).predict(model, [*rows, [*rows[0][:-1], None]])
    assert [list(row.values()) for row in got] == [*rows, [None] * len(cases)]


def test_the_catalog_has_its_models(env: TableEnvironment) -> None:
    assert {("fraud",), ("fails",), ("bare",)} <= set(collect(env, "SHOW MODELS"))
    assert [(row[0], row[1], row[3]) for row in collect(env, "DESCRIBE MODEL fraud")] == [
        ("amount", "FLOAT", True),
        ("account", "BIGINT", True),
        ("note", "STRING", True),
        ("score", "FLOAT", False),
        ("label", "STRING", False),
    ]
    env.execute_sql("CREATE MODEL mine WITH ('provider' = 'triton', 'model-name' = 'fraud')")
    assert len(collect(env, "DESCRIBE MODEL mine")) == 5


def test_the_statements_of_the_page_run_as_they_stand(env: TableEnvironment, kserve: KServe) -> None:
    text = (ROOT / "docs" / "other-servers.md").read_text().replace("http://localhost:8080", kserve.url)
    for statement in re.findall(r"```sql\n(.*?);\n```", text, re.DOTALL):
        env.execute_sql(statement)
    rows = collect(env, "SELECT id, r.score, r.label FROM (SELECT id, fraud(amount, account, note) AS r FROM payments)")
    assert sorted(rows) == ANSWERS
    view(env, "flowers", {"features": "ARRAY<DOUBLE>"}, [([1.0, 2.0],), ([3.0],)])
    assert sorted(collect(env, "SELECT iris(features) FROM flowers")) == [(3.0,), (3.0,)]
    query = "SELECT `output-0` FROM ML_PREDICT(TABLE flowers, MODEL iris, DESCRIPTOR(features))"
    assert sorted(collect(env, query)) == [(3.0,), (3.0,)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, score, label FROM ML_PREDICT(TABLE payments, MODEL fraud, DESCRIPTOR(amount, account, note))",
        "SELECT id, r.score, r.label FROM (SELECT id, fraud(amount, account, note) AS r FROM payments)",
    ],
)
def test_a_listed_model_predicts_with_no_ddl(env: TableEnvironment, query: str) -> None:
    assert sorted(collect(env, query)) == ANSWERS


@pytest.mark.parametrize(
    "query",
    [
        "SELECT y FROM ML_PREDICT(TABLE numbers, MODEL fails, DESCRIPTOR(x))",
        "SELECT fails(x) FROM numbers",
    ],
)
def test_a_row_that_fails_fails_the_job_and_says_why(env: TableEnvironment, kserve: KServe, query: str) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        collect(env, query)
    first = str(error.value).splitlines()[0]
    assert f"kserve's model 'fails' at {kserve.url} answered HTTP 500: ValueError : must not be negative" in first


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT bare(x) FROM numbers", f"does not describe its inputs. {Remedy.DESCRIBE_TENSORS()}"),
        ("SELECT brain(1.0) FROM numbers", f"of BF16, which kserve cannot read. {Remedy.CHANGE_DATATYPE()}"),
        (
            "SELECT y FROM ML_PREDICT(TABLE numbers, MODEL fails, DESCRIPTOR(x), MAP['compression', 'gzip'])",
            "is kserve, which has no compressed requests",
        ),
    ],
)
def test_what_it_cannot_do_is_said_when_planned(env: TableEnvironment, query: str, words: str) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        collect(env, query)
    assert words in str(error.value).splitlines()[0]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT x, y FROM ML_PREDICT(TABLE rows_in, MODEL covered, DESCRIPTOR(x))",
        "SELECT x, covered(x) AS y FROM rows_in",
    ],
)
def test_rows_are_counted(kserve: KServe, query: str) -> None:
    """A source that goes on keeps the job running, so that its metrics can be read."""
    (port,) = choose("127.0.0.1", 1, set())
    env = session(with_jar=False)
    for key, value in rest(port).items():
        env.get_config().set(key, value)
    pyflink_triton.connect(env, kserve.url, max_batch_size="8")
    env.execute_sql("CREATE MODEL covered WITH ('provider' = 'triton', 'model-name' = 'fails', 'default-value' = '-7')")
    env.execute_sql(
        "CREATE TEMPORARY TABLE endless (x BIGINT) WITH ('connector' = 'datagen', 'fields.x.kind' = 'sequence', "
        "'fields.x.start' = '-5', 'fields.x.end' = '999999', 'rows-per-second' = '50')"
    )
    env.execute_sql("CREATE TEMPORARY VIEW rows_in AS SELECT x FROM endless WHERE x < 15")
    result = env.execute_sql(query)
    job = result.get_job_client()
    counted: dict[str, int] = {}

    def all_counted() -> bool:
        counted.update(counters(port, str(job.get_job_id())))
        return counted.get("requests") == 20

    with result.collect() as rows:
        assert dict(tuple(next(rows)) for _ in range(20)) == {x: x if x >= 0 else -7 for x in range(-5, 15)}
        wait_for(all_counted, 30, "20 rows counted")
    assert (counted["success"], counted["failure"], counted["output_rows"]) == (15, 5, 20)
    assert counted["http_requests"] >= 20 / 8
