"""Metrics of faults in a real job, as a real Prometheus scrapes them from Flink: they equal what was forced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyflink
import pytest
from fault_places import background_proxy
from faults import OPTIONS, PASS, Step, page, triton_says
from flink_session import create_model, session, view
from job_metrics import rest
from prometheus import PREFIX, NoPrometheus, Prometheus, prometheus
from pyflink.table import TableEnvironment
from pyflink.util.java_utils import add_jars_to_context_class_loader
from triton import Triton
from waiting import wait_for

from pyflink_triton.metric_table import MetricType, names
from pyflink_triton.server.ports import choose

HOST = "127.0.0.1"
#: Where a distribution of Flink has its reporter; a local Flink looks for it among the session's jars.
REPORTER = Path(pyflink.__file__).parent / "plugins" / "metrics-prometheus"
NO_SEQUENCE = "sequence 1 must specify the START flag on the first request of the sequence"


@dataclass(frozen=True)
class Forced:
    """Faults that are forced in a job of rows that go one after the other.

    Attributes:
        steps: What becomes of its calls, in their order.
        rows: How many rows it has.
        counters: The counters; each that is not named is 0.
        gauges: The gauges.
        served: The model's name.
        output: Its output column.
        options: Its options.
    """

    steps: Sequence[Step]
    rows: int
    counters: Mapping[str, int]
    gauges: Mapping[str, int] = field(default_factory=dict)
    served: str = "fails"
    output: str = "y"
    options: Mapping[str, str] = field(default_factory=dict)


FORCED = {
    "calls that fail": Forced(
        # A call for each step, and one more for each row; a row that the server refuses is not sent again.
        [
            *(Step("reset"), PASS, Step("reset"), PASS),
            *(Step("hang", seconds=4.0), PASS),
            *(page(429), page(503), page(429), PASS),
            *(page(502), PASS),
            *(page(500), PASS),
            page(400),
        ],
        rows=7,
        counters={
            "errors_connection": 2,
            "errors_timeout": 1,
            "errors_overload": 3,
            "errors_unavailable": 1,
            "errors_model": 1,
            "errors_request": 1,
            "http_requests": 15,
            "retries": 8,
            "success": 6,
            "failure": 1,
        },
        options={"timeout": "3 s", "max-retries": "5"},
    ),
    "a breaker that opens": Forced(
        [page(503)] * 10,
        rows=1,
        counters={
            "errors_overload": 10,
            "http_requests": 11,
            "retries": 10,
            "circuit_breaker_openings": 1,
            "success": 1,
        },
        gauges={"circuit_breaker_state": 0},
        options={
            "max-retries": "20",
            "circuit-breaker-enabled": "true",
            "circuit-breaker-timeout": "500 ms",
            "circuit-breaker-half-open-requests": "1",
        },
    ),
    "a sequence that is lost": Forced(
        [PASS, PASS, triton_says(400, NO_SEQUENCE)],
        rows=4,
        counters={"errors_request": 1, "http_requests": 5, "sequences_lost": 1, "success": 4},
        gauges={"live_sequences": 2},
        served="sequence",
        output="`sum`",
        options={"sequence-id": "${id}", "sequence-start": "true"},
    ),
}


@pytest.fixture(scope="module")
def ports() -> list[int]:
    """Of the reporter and of the REST interface."""
    return choose(HOST, 2, set())


@pytest.fixture(scope="module")
def scraping(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Iterator[Prometheus]:
    try:
        with prometheus(tmp_path_factory.mktemp("prometheus") / "home", [f"{HOST}:{ports[0]}"]) as made:
            yield made
    except NoPrometheus as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def env(ports: list[int]) -> TableEnvironment:
    """A session whose operator holds one row: it goes when the one before is answered."""
    env = session(restart_strategy__type="none", table__exec__async_ml_predict__max_concurrent_operations="1")
    (jar,) = REPORTER.glob("*.jar")
    add_jars_to_context_class_loader([jar.as_uri()])
    reporter = {
        "metrics.reporter.prom.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
        "metrics.reporter.prom.port": str(ports[0]),
    }
    for key, value in {**reporter, **rest(ports[1])}.items():
        env.get_config().set(key, value)
    # A source that never ends keeps the job running.
    env.execute_sql("CREATE TEMPORARY TABLE endless (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1')")
    return env


def scraped(scraping: Prometheus, job: str) -> dict[str, int]:
    """The counters and the gauges of a job's model."""
    known = {*names(MetricType.COUNTER), *names(MetricType.GAUGE)} - {"worker_cpu_time", "worker_memory"}
    found: dict[str, int] = {}
    for series in scraping.query(f'{{__name__=~"{PREFIX}.*",job_id="{job}"}}'):
        name = series["metric"]["__name__"].removeprefix(PREFIX)
        if name in known:
            found[name] = found.get(name, 0) + int(float(series["value"][1]))
    return found


@pytest.mark.parametrize("name", FORCED)
def test_metrics_equal_what_was_forced(env: TableEnvironment, scraping: Prometheus, triton: Triton, name: str) -> None:
    case = FORCED[name]
    # Of two sequences, one row after the other.
    view(env, "few", {"x": "BIGINT", "id": "STRING"}, [(x, "ab"[x % 2]) for x in range(1, case.rows + 1)])
    env.execute_sql(
        "CREATE TEMPORARY VIEW rows_in AS SELECT x, id FROM few "
        "UNION ALL SELECT CAST(NULL AS BIGINT), CAST(NULL AS STRING) FROM endless WHERE n IS NULL"
    )
    inputs, given = ("x BIGINT, id STRING", "x, id") if "sequence-id" in case.options else ("x BIGINT", "x")
    outputs = f"{case.output} BIGINT, why STRING"
    expected = {
        **dict.fromkeys(set(names(MetricType.COUNTER)) - {"worker_cpu_time"}, 0),
        **case.counters,
        "requests": case.rows,
        "output_rows": case.rows,
        "in_flight": 0,
    }
    # A busy machine may need long for a call that does not fail.
    times = {"timeout": "30 s", "total-timeout": "60 s"}
    options = {**OPTIONS, **times, "error-column": "why", **case.options}
    with background_proxy(triton.http_url, steps=case.steps) as proxy:
        create_model(env, "m", proxy.url, case.served, inputs, outputs, **options)
        try:
            result = env.execute_sql(
                f"SELECT {case.output}, why FROM ML_PREDICT(TABLE rows_in, MODEL m, DESCRIPTOR({given}))"
            )
            with result.collect() as rows:
                failed = [why for _, why in (next(rows) for _ in range(case.rows)) if why is not None]
                assert len(failed) == case.counters.get("failure", 0), failed
                job = str(result.get_job_client().get_job_id())
                seen: dict[str, int] = {}

                def is_scraped() -> bool:
                    seen.update(scraped(scraping, job))
                    return {name: seen.get(name) for name in (*expected, *case.gauges)} == {**expected, **case.gauges}

                try:
                    wait_for(is_scraped, 60, "the metrics in Prometheus")
                except AssertionError as error:
                    raise AssertionError(f"{error}: {seen} instead of {expected} and {case.gauges}") from None
        finally:
            for what in ("MODEL m", "TEMPORARY VIEW rows_in"):
                env.execute_sql(f"DROP {what}")
            env.drop_temporary_view("few")
        assert len(proxy.inferences) == case.counters["http_requests"]
