"""The installed wheel on a real standalone cluster: by `flink run -py`, the SQL client and the SQL gateway.

And the metrics of a job that runs, read through the REST interface and through a Prometheus; and what it logs.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import first_prediction
import pytest
from cluster import HOST, TASK_MANAGERS, Cluster, Finished, standalone_cluster
from commands import command
from first_prediction import without_java
from flink_session import read_lines
from gated import COUNTED_ROWS, Counted, GatedTriton, gated_triton, settled_metrics
from gateway import Gateway, GatewaySession, Refused, sql_gateway
from installed import (
    Installed,
    Sightings,
    Worker,
    bare_python,
    build_wheel,
    copy_of_the_checkout,
    install,
    run,
    workers,
)
from places import ROOT, SUPPORT
from prometheus import PREFIX, NoPrometheus, Prometheus, prometheus
from soak import IS_SOAK
from waiting import wait_for

from pyflink_triton.command.flink import ModeName
from pyflink_triton.command.sql_places import on_gateway
from pyflink_triton.metric_table import MetricType, names
from pyflink_triton.remedies import Remedy
from pyflink_triton.server import TritonServer, ports
from pyflink_triton.server.examples import EXAMPLES

SHADED = "io/github/pyflinktriton/shaded/"
#: Where the classes are of what the jar holds of others, by the group of the artifacts.
PACKAGES_OF = {
    "org.apache.arrow": ("org/apache/arrow/",),
    "com.google.flatbuffers": ("com/google/flatbuffers/",),
    "com.fasterxml.jackson.core": tuple(
        f"com/fasterxml/jackson/{part}/" for part in ("annotation", "core", "databind")
    ),
    "com.fasterxml.jackson.datatype": ("com/fasterxml/jackson/datatype/",),
    "commons-codec": ("org/apache/commons/codec/",),
}
DIGITS = ROOT / "examples" / "digits.py"
UDF_JOB = SUPPORT / "udf_job.py"
METRICS_PAGE = ROOT / "docs" / "metrics.md"
TIMES = 3
IMAGES = 899 * TIMES
EXPECTED_ACCURACY = 0.93
ROWS = 2000

#: What each script begins with. In batch Flink itself would choose one task for so few rows.
SETTINGS = """
SET 'parallelism.default' = '2';
SET 'execution.batch.adaptive.auto-parallelism.enabled' = 'false';
SET 'table.dml-sync' = 'true';
SET 'python.client.executable' = '{planning}';
SET 'python.executable' = '{task}';
SET 'python.systemenv.enabled' = 'false';
"""
STATEMENTS = """
CREATE CATALOG served WITH ('type' = 'triton', 'endpoint' = '{endpoint}');
USE CATALOG served;
CREATE TABLE numbers (x BIGINT) WITH (
  'connector' = 'datagen', 'number-of-rows' = '{rows}',
  'fields.x.kind' = 'sequence', 'fields.x.start' = '1', 'fields.x.end' = '{rows}'
);
CREATE MODEL tripled WITH ('provider' = 'triton', 'model-name' = 'pairing'{option});
"""
INTO = """
SET 'execution.runtime-mode' = '{mode}';
CREATE TABLE {table} (x BIGINT, y BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv');
INSERT INTO {table} {query};
"""
#: What makes the last rows wait at the gate before they are written.
BEHIND_THE_GATE = """
SET 'table.dml-sync' = 'false';
CREATE MODEL gate INPUT (x BIGINT) OUTPUT (through BIGINT) WITH ('provider' = 'triton', 'model-name' = 'gate');
CREATE VIEW waiting AS {query};
"""
#: Synchronous, for an async operator never runs in one task with what is before it.
THROUGH_THE_GATE = "SELECT x, y FROM ML_PREDICT(TABLE waiting, MODEL gate, DESCRIPTOR(x), MAP['async', 'false'])"
ML_PREDICT = "SELECT x, y FROM ML_PREDICT(TABLE numbers, MODEL tripled, DESCRIPTOR(x))"
FUNCTION = "SELECT x, pairing(x) AS y FROM numbers"
#: The ways in SQL to call the model, by name.
DOORS = {
    "ml_predict": ML_PREDICT,
    "ml_predict_sync": ML_PREDICT.replace("DESCRIPTOR(x)", "DESCRIPTOR(x), MAP['async', 'false']"),
    "function": FUNCTION,
}
#: The same for a model that fails for every 20th row, twice; the row behind each of those is NULL.
EVERY = 20
FAILING = """
CREATE VIEW signed AS SELECT x,
  CASE MOD(x, {every}) WHEN 1 THEN -x WHEN 2 THEN CAST(NULL AS BIGINT) ELSE x END AS v FROM numbers;
CREATE MODEL failing WITH (
  'provider' = 'triton', 'model-name' = 'fails', 'default-value' = '0', 'max-batch-size' = '1', 'max-retries' = '1',
  'retry-initial-backoff' = '1 ms'
);
"""
FAILING_DOORS = {
    name: query.replace("numbers", "signed").replace("tripled", "failing").replace("pairing(x)", "failing(v)")
    for name, query in DOORS.items()
}
FAILING_DOORS = {name: query.replace("DESCRIPTOR(x)", "DESCRIPTOR(v)") for name, query in FAILING_DOORS.items()}
#: A decoupled model that gives two responses to a row, of which the last says 3 tokens; every 20th has a second that is
#: too large.
STREAMED = """
CREATE VIEW scripts AS SELECT x, CASE MOD(x, {every})
  WHEN 1 THEN '["a", {{"sleep": 0.1}}, "' || REPEAT('x', 5000) || '"]'
  ELSE '["a", {{"outputs": {{"text": ["b"], "number": [3]}}}}]' END AS script FROM numbers;
CREATE MODEL streamed INPUT (script STRING) OUTPUT (text STRING, number BIGINT) WITH (
  'provider' = 'triton', 'model-name' = 'script_many', 'responses' = 'join', 'tokens-column' = 'number',
  'max-response-bytes' = '2 kb', 'default-value' = 'null', 'circuit-breaker-enabled' = 'true'
);
"""
STREAMED_DOORS = {
    "ml_predict": "SELECT x, number AS y FROM ML_PREDICT(TABLE scripts, MODEL streamed, DESCRIPTOR(script))",
    "function": "SELECT x, r.number AS y FROM (SELECT x, streamed(script) AS r FROM scripts)",
}
#: What the log has between the level and the words.
BY_THE_SHIM = r"org\.apache\.flink\.model\.triton\.pyflink_triton\.calls +\[\] - \[\S+ \([12]/2\)\] "
BY_PYFLINK = r"PythonWorker +\[\] - \S+/pyflink_triton/delivery/call_log\.py:\d+ "
NULLS = COUNTED_ROWS // EVERY
PAIRS = [(x, 3 * x + 1) for x in range(1, ROWS + 1)]
MODES = ("streaming", "batch")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python_without_the_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare_python(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def reporters() -> list[int]:
    """The ports of Flink's Prometheus reporters: one for each process."""
    return ports.choose(HOST, 1 + TASK_MANAGERS, set())


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory, reporters: list[int]) -> Iterator[Cluster]:
    reporter = {
        "metrics.reporter.prom.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
        "metrics.reporter.prom.port": ",".join(map(str, reporters)),
    }
    with standalone_cluster(tmp_path_factory.mktemp("flink") / "home", reporter) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def scraping(tmp_path_factory: pytest.TempPathFactory, reporters: list[int]) -> Iterator[Prometheus | str]:
    """A Prometheus that scrapes the cluster, or why there is none."""
    try:
        context = prometheus(tmp_path_factory.mktemp("prometheus") / "home", [f"{HOST}:{port}" for port in reporters])
        with context as made:
            yield made
    except NoPrometheus as error:
        yield str(error)


@pytest.fixture(scope="module")
def gateway(flink: Cluster) -> Iterator[Gateway]:
    with sql_gateway(flink) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatedTriton]:
    with gated_triton(tmp_path_factory.mktemp("served") / "models", "pairing", "fails", "script_many") as triton:
        yield triton


@pytest.fixture(scope="module")
def digits(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The images of the example, and the URL of a Triton that serves its model."""
    directory = tmp_path_factory.mktemp("digits")
    run(directory, installed.python, DIGITS, "--prepare", str(directory), "--times", str(TIMES))
    with TritonServer(directory / "models") as server:
        yield directory / "images", server.http_url


@pytest.fixture
def sightings(tmp_path_factory: pytest.TempPathFactory) -> Sightings:
    """Of the workers of all that these tests start."""
    return Sightings(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def no_worker_is_left_in_a_task(flink: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nor what was unpacked for it. The gateway's planning worker stays for a minute, in case of another question."""
    yield
    parents = flink.task_managers()
    under = tmp_path_factory.getbasetemp()
    wait_for(
        lambda: not [worker for worker in workers(under).values() if worker.parent in parents],
        5,
        "the end of all workers of tasks",
    )
    assert unpacked(flink) == []


def test_the_wheel_holds_the_package_and_one_jar(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = wheel.namelist()
    assert len([name for name in names if name.endswith(".jar")]) == 1
    assert "pyflink_triton/py.typed" in names
    assert {f"pyflink_triton/example_models/{name}/config.pbtxt" for name in EXAMPLES} <= set(names)
    assert {re.sub(r"-.*\.dist-info$", "", name.split("/")[0]) for name in names} == {"pyflink_triton"}
    assert not [name for name in names if "test" in name]
    assert len(names) == len(set(names))


def test_the_wheel_of_the_checkout_is_that_of_the_sdist(installed: Installed, tmp_path: Path) -> None:
    """So the sdist holds all that is needed, and a jar that is built anew is the same, byte by byte."""
    wheel = build_wheel(copy_of_the_checkout(tmp_path), tmp_path)
    assert wheel.name == installed.wheel.name
    contents = [contents_of(each) for each in (wheel, installed.wheel)]
    assert [name for name in contents[0] if contents[0][name] != contents[1].get(name)] == []
    assert wheel.read_bytes() == installed.wheel.read_bytes()


def contents_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_lists_all_that_its_jar_holds(installed: Installed) -> None:
    (sbom,) = [json.loads(text) for name, text in contents_of(installed.wheel).items() if "/sboms/" in name]
    assert sbom["bomFormat"] == "CycloneDX"
    with zipfile.ZipFile(installed.jar) as jar:
        classes = [name for name in jar.namelist() if name.endswith(".class")]
        notice = jar.read("META-INF/NOTICE").decode()
    shaded = [name.removeprefix(SHADED) for name in classes if name.startswith(SHADED)]
    assert all(name.startswith("io/github/pyflinktriton/") for name in classes)
    assert {component["group"] for component in sbom["components"]} == PACKAGES_OF.keys()
    for packages in PACKAGES_OF.values():
        assert [name for name in shaded if name.startswith(packages)]
    assert [name for name in shaded if not name.startswith(tuple(chain(*PACKAGES_OF.values())))] == []
    for component in sbom["components"]:
        assert [each["license"]["id"] for each in component["licenses"]] == ["Apache-2.0"]
        assert component["name"] in notice
    nested = {each["name"]: each["licenses"] for component in sbom["components"] for each in component["components"]}
    assert nested.keys() == {"fastdoubleparser", "schubfach"}
    assert all(nested.values())
    for name in nested:
        assert name in notice.lower()


def test_the_installed_wheel_is_what_runs(installed: Installed, tmp_path: Path) -> None:
    site_packages = installed.python.parent.parent / "lib"
    imported = run(tmp_path, installed.python, "-c", "import pyflink_triton; print(pyflink_triton.__file__)").strip()
    assert Path(imported).is_relative_to(site_packages)
    assert installed.jar.is_relative_to(site_packages)
    assert installed.jar.is_file()


def test_a_session_without_a_java_on_the_machine(installed: Installed, tmp_path: Path) -> None:
    """The extra's Java is there, the model comes with the wheel, and nobody sets anything."""
    environment = without_java(tmp_path / "bin")
    assert not shutil.which("java", path=environment["PATH"])
    python = installed.python
    if IS_SOAK:  # all of it from PyPI, as a user has it
        environment |= {"PYFLINK_TRITON_CACHE": str(tmp_path / "cache"), "PIP_NO_CACHE_DIR": "1"}
        python = first_prediction.install(installed.wheel, tmp_path / "environment", environment)
    printed = first_prediction.first_prediction(python, environment)
    assert re.findall(r"\| \+I \| +(\d) \| +(\w+) \|", printed) == [("1", "positive"), ("2", "negative")]


def test_no_task_manager_has_the_jar_of_flink_python(flink: Cluster) -> None:
    """Else the jobs below would not show that the shim jar is enough."""
    assert list((flink.home / "opt").glob("flink-python-*.jar")) != []
    assert list((flink.home / "lib").glob("*python*")) == []
    for process in flink.task_managers():
        assert b"flink-python" not in Path(f"/proc/{process}/cmdline").read_bytes()


def test_flink_run_py(
    flink: Cluster, installed: Installed, digits: tuple[Path, str], tmp_path: Path, sightings: Sightings
) -> None:
    its_python = ["-pyexec", str(installed.python)]
    run_digits(flink, installed, digits, tmp_path, sightings, its_python, parallelism=2)
    assert {worker.python for worker in sightings.seen} == {installed.python}
    assert sightings.parents() >= flink.task_managers()


def test_flink_run_py_with_a_venv_archive(
    flink: Cluster, installed: Installed, digits: tuple[Path, str], tmp_path: Path, sightings: Sightings
) -> None:
    its_python = ["-pyarch", f"{installed.archive}#venv", "-pyexec", "venv/bin/python"]
    run_digits(flink, installed, digits, tmp_path, sightings, its_python, parallelism=4)
    assert_they_ran_from_archives(flink, sightings)


def test_the_sql_client(
    flink: Cluster, installed: Installed, served: GatedTriton, tmp_path: Path, sightings: Sightings
) -> None:
    """The shim jar alone is enough, but for `m(x)` in batch, which PyFlink's own worker runs."""
    before = flink.jobs()
    script = "".join(
        [
            into("streaming", tmp_path / "a", ML_PREDICT),
            into("streaming", tmp_path / "b", FUNCTION),
            into("batch", tmp_path / "c", ML_PREDICT),
            f"ADD JAR '{flink.python_jar}';",
            into("batch", tmp_path / "d", FUNCTION),
        ]
    )
    ended = by_the_client(flink, installed, served, script, sightings=sightings)
    assert "[ERROR]" not in ended.output
    assert ended.code == 0
    jobs = flink.jobs().keys() - before.keys()
    assert len(jobs) == 4, ended.output
    assert {flink.end_of(job) for job in jobs} == {"FINISHED"}, ended.output
    sizes = [jar.stat().st_size for jar in (installed.jar, flink.python_jar)]
    assert sorted(map(sorted, map(flink.shipped, jobs))) == sorted([*[sizes[:1]] * 3, sorted(sizes)])
    for name in "abcd":
        assert pairs_in(tmp_path / name) == PAIRS, name
    assert sightings.parents() >= flink.task_managers()


def test_the_sql_client_shows_which_option_was_meant(
    flink: Cluster, installed: Installed, served: GatedTriton, tmp_path: Path
) -> None:
    before = flink.jobs()
    script = into("streaming", tmp_path / "answers", ML_PREDICT)
    ended = by_the_client(flink, installed, served, script, option="warmup-timout")
    assert "[ERROR]" in ended.output
    assert "warmup-timout" in ended.output
    assert "Did you mean 'warmup-timeout'" in ended.output
    assert flink.jobs() == before


def test_the_command_through_the_gateway(
    gateway: Gateway, flink: Cluster, installed: Installed, served: GatedTriton, tmp_path: Path
) -> None:
    before = settings(installed, installed.python).replace("SET 'table.dml-sync' = 'true';", "") + statements(served)
    script = tmp_path / "script.sql"
    insert = into("streaming", tmp_path / "answers", ML_PREDICT)
    query = "SELECT x, pairing(x) AS y, ARRAY[x] AS z FROM numbers;"
    script.write_text(f"ADD JAR '{installed.jar}';\n{before}{insert}{query}")
    done = command("sql", "--gateway", gateway.url, "-f", script, "--format", "json")
    assert (done.code, done.err.count("\n")) == (0, 1), done.err
    assert "finished in" in done.err
    assert pairs_in(tmp_path / "answers") == PAIRS, "the INSERT is waited for"
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert sorted((row["x"], row["y"]) for row in rows) == PAIRS
    assert {row["op"] for row in rows} == {"+I"}
    assert all(row["z"] == [row["x"]] for row in rows)
    job = next(word for word in done.err.split() if len(word) == 32)
    place = on_gateway(gateway.url, None, None, [], ModeName.streaming)
    try:
        assert place.counts(job) is not None, "asked of the cluster that the gateway names"
    finally:
        place.close()
    wrong = command("sql", "--gateway", gateway.url, "-e", "SELECT 1 AS a;\nSELECT idd FROM (VALUES (1)) AS t (id)")
    elsewhere = command("sql", "--gateway", served.http_url, "-e", "SELECT 1")
    assert (elsewhere.code, Remedy.CHECK_GATEWAY() in elsewhere.err) == (1, True), elsewhere.err
    assert (wrong.code, wrong.err) == (1, "pyflink-triton: line 2:8: Column 'idd' not found in any table.\n")


@pytest.mark.parametrize("mode", MODES)
def test_the_sql_gateway(
    gateway: Gateway, flink: Cluster, installed: Installed, served: GatedTriton, tmp_path: Path, mode: str
) -> None:
    with session(gateway, installed, served) as sql:
        assert set(sql.execute("SHOW MODELS").rows) == {
            (name,) for name in ("fails", "gate", "pairing", "script_many", "tripled")
        }
        job = execute_all(sql, into(mode, tmp_path / "answers", ML_PREDICT))
        assert flink.end_of(job) == "FINISHED"
        assert flink.records_read(job, "MLPredict") == [ROWS // 2, ROWS // 2]
        assert flink.shipped(job) == {installed.jar.stat().st_size}
        assert pairs_in(tmp_path / "answers") == PAIRS
        if mode == "batch":
            sql.execute(f"ADD JAR '{flink.python_jar}'")
        assert sorted(sql.execute(FUNCTION).rows) == PAIRS
        columns, pairing = "INPUT (x BYTES) OUTPUT (y BYTES)", "'provider' = 'triton', 'model-name' = 'pairing'"
        sql.execute(f"CREATE MODEL content {columns} WITH ({pairing})")
        assert [row[:2] for row in sql.execute("DESCRIBE MODEL content").rows] == [("x", "BYTES"), ("y", "BYTES")]
        seven, answer = (f"x'{value:02x}{'00' * 7}'" for value in (7, 3 * 7 + 1))
        rows = sql.execute(
            f"SELECT x FROM numbers WHERE x < 3 AND content(CASE WHEN x > 0 THEN {seven} END) = {answer}"
        )
        assert sorted(rows.rows) == [(1,), (2,)], "the content of a tensor, as BYTES"
        ((plan,),) = sql.execute("EXPLAIN SELECT CASE WHEN x > 5 THEN pairing(x) END FROM numbers").rows
        assert "CASE((x > 5), x, null:BIGINT)" in plan, "the model is called where the guard holds"


def test_a_venv_archive_named_in_sql(
    gateway: Gateway, flink: Cluster, installed: Installed, served: GatedTriton, tmp_path: Path, sightings: Sightings
) -> None:
    """Each TaskManager runs two workers, and unpacks it once."""
    archives = f"SET 'python.archives' = '{installed.archive}#venv';"
    with session(gateway, installed, served, "venv/bin/python", COUNTED_ROWS) as sql, served.closed():
        job = execute_all(sql, archives + behind_the_gate("streaming", tmp_path / "answers", FUNCTION))
        wait_for(lambda: len(from_archives(sightings.look())) == 4, 60, "two workers in each task")
        assert len(unpacked(flink)) == len(flink.task_managers())
    assert flink.end_of(job) == "FINISHED"
    assert_they_ran_from_archives(flink, sightings)


def test_a_worker_without_the_package_says_what_to_install_and_set(
    gateway: Gateway, flink: Cluster, installed: Installed, served: GatedTriton, python_without_the_package: Path
) -> None:
    before = flink.jobs()
    with session(gateway, installed, served, python_without_the_package) as sql:
        with pytest.raises(Refused) as refused:
            sql.execute(ML_PREDICT)
        (job,) = flink.jobs().keys() - before.keys()
        assert flink.end_of(job) == "FAILED"
    for shown in (str(refused.value), flink.failure(job)):
        assert f"'{python_without_the_package} -m pyflink_triton.bridge'" in shown
        assert "No module named" in shown
        assert "pip install pyflink-triton" in shown
        assert "'python.executable'" in shown


def test_planning_without_the_package_says_what_to_install_and_set(
    gateway: Gateway, flink: Cluster, installed: Installed, served: GatedTriton, python_without_the_package: Path
) -> None:
    before = flink.jobs()
    with session(gateway, installed, served) as sql:
        sql.execute(f"SET 'python.client.executable' = '{python_without_the_package}'")
        with pytest.raises(Refused) as refused:
            sql.execute(ML_PREDICT)
    assert flink.jobs() == before
    assert "No module named" in str(refused.value)
    assert "pip install pyflink-triton" in str(refused.value)
    assert "'python.client.executable'" in str(refused.value)


def test_prometheus_scrapes_each_process(scraping: Prometheus | str, flink: Cluster) -> None:
    """Without one the tests below compare what REST says alone."""
    if isinstance(scraping, str):
        pytest.skip(scraping)
    wait_for(lambda: len(scraping.query("up == 1")) == 1 + len(flink.task_managers()), 20, "all targets")


@pytest.mark.either_mode
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("door", ["ml_predict", "function"])
def test_metrics_equal_what_happened(
    gateway: Gateway,
    flink: Cluster,
    installed: Installed,
    served: GatedTriton,
    scraping: Prometheus | str,
    tmp_path: Path,
    mode: str,
    door: str,
) -> None:
    """Every row has been answered, but the last wait in the job at the gate, while the metrics are read."""
    before = served.counts("pairing")
    with session(gateway, installed, served, rows=COUNTED_ROWS) as sql, served.closed():
        sql.execute(f"ADD JAR '{flink.python_jar}'")
        job = execute_all(sql, behind_the_gate(mode, tmp_path / "answers", DOORS[door]))
        counted = settled_metrics(flink, job)
        after = served.counts("pairing")
        assert_scraped(scraping, job, counted, assert_counted(counted, before, after))
    assert flink.end_of(job) == "FINISHED"
    assert pairs_in(tmp_path / "answers") == PAIRS[:COUNTED_ROWS]


@pytest.mark.parametrize(
    ("mode", "function"),
    [("streaming", "scalar_function"), ("batch", "scalar_function"), ("streaming", "async_scalar_function")],
)
def test_metrics_of_pyflink_functions_equal_what_happened(
    flink: Cluster,
    installed: Installed,
    served: GatedTriton,
    scraping: Prometheus | str,
    tmp_path: Path,
    mode: str,
    function: str,
) -> None:
    before = served.counts("pairing")
    with udf_job(flink, installed, served, tmp_path / "answers", mode, function) as job:
        counted = settled_metrics(flink, job)
        assert_scraped(scraping, job, counted, assert_counted(counted, before, served.counts("pairing")))
    assert flink.end_of(job) == "FINISHED"
    assert pairs_in(tmp_path / "answers") == PAIRS[:COUNTED_ROWS]


@pytest.mark.parametrize(("mode", "function"), [("batch", "scalar_function"), ("streaming", "async_scalar_function")])
def test_metrics_of_pyflink_functions_equal_the_failures_that_were_forced(
    flink: Cluster,
    installed: Installed,
    served: GatedTriton,
    scraping: Prometheus | str,
    tmp_path: Path,
    mode: str,
    function: str,
) -> None:
    before, logged = served.counts("fails"), flink.logged()
    fails = ("--fails-every", str(EVERY))
    with udf_job(flink, installed, served, tmp_path / "answers", mode, function, *fails) as job:
        counted = settled_metrics(flink, job)
        expected = assert_failures_counted(counted, before, served.counts("fails"), nulls=NULLS)
        assert_scraped(scraping, job, counted, expected)
    assert flink.end_of(job) == "FINISHED"
    assert_failures_answered(tmp_path / "answers")
    assert_failures_logged(flink, logged, BY_PYFLINK)


@contextmanager
def udf_job(
    flink: Cluster, installed: Installed, served: GatedTriton, answers: Path, mode: str, function: str, *more: str
) -> Iterator[str]:
    """Run the program; its job's last rows wait at the gate until it is left."""
    jobs = flink.jobs()
    with served.closed():
        options = ["-pyclientexec", str(installed.python), "-pyexec", str(installed.python), "-p", "2"]
        what = ["--mode", mode, "--function", function, "--rows", str(COUNTED_ROWS), "--endpoint", served.http_url]
        ended = flink.run(*options, "-py", str(UDF_JOB), *what, *more, "--output", answers.as_uri())
        assert ended.code == 0, ended.output
        (job,) = flink.jobs().keys() - jobs.keys()
        yield job


def assert_counted(counted: Counted, before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """The metrics say what happened: so many rows, and as many calls as Triton answered."""
    assert after["count"] - before["count"] == COUNTED_ROWS
    calls = after["success"] - before["success"]
    rows = dict.fromkeys(("requests", "success", "output_rows"), COUNTED_ROWS)
    return assert_metrics(counted, {**rows, "http_requests": calls}, queued=calls, batch_limit=2 * 64)


def assert_metrics(
    counted: Counted,
    counters: Mapping[str, int],
    *,
    queued: int,
    histograms: Mapping[str, int] | None = None,
    **gauges: int,
) -> dict[str, int]:
    """The metrics of two subtasks are these in REST; each counter that is not named is 0.

    Returns:
        The same as Prometheus must have them: REST does not say how many values a histogram of the shim's has.
    """
    metrics = dict(counted.metrics)
    assert 2 * 20 << 20 < metrics.pop("worker_memory") < 2 << 30
    assert 0 < metrics.pop("worker_cpu_time") < 60_000
    calls = counters["http_requests"]
    samples = {"latency": calls, "batch_size": calls, "queue_time": queued, **(histograms or {})}
    expected = {
        **dict.fromkeys(set(names(MetricType.COUNTER)) - {"worker_cpu_time"}, 0),
        **counters,
        "in_flight": 0,
        **gauges,
    }
    if is_pyflinks(counted):
        expected |= {f"{name}_samples": count for name, count in samples.items()}
        assert metrics == expected
        return expected
    assert metrics == expected
    return expected | {f"{name}_count": count for name, count in samples.items()}


def is_pyflinks(counted: Counted) -> bool:
    """Whether the operator runs in PyFlink's worker."""
    return "Python" in counted.operator


def assert_scraped(scraping: Prometheus | str, job: str, counted: Counted, expected: Mapping[str, int]) -> None:
    """Prometheus has these figures of an operator, and the docs' queries give something."""
    if isinstance(scraping, str):
        return
    seen: dict[str, float] = {}

    def is_scraped() -> bool:
        seen.clear()
        seen.update(scraping.of_operator(job, counted.operator))
        # The process's own time grows between two scrapes, when nothing else does any more.
        is_later = counted.metrics["worker_cpu_time"] <= seen.get("worker_cpu_time", -1)
        return is_later and {name: seen.get(name) for name in expected} == expected

    try:
        wait_for(is_scraped, 10, f"the metrics of {counted.operator} in Prometheus")
    except AssertionError as error:
        raise AssertionError(f"{error}: {seen} instead of {expected}") from None
    assert seen["worker_cpu_time"] < 60_000
    assert seen["worker_memory"] == pytest.approx(counted.metrics["worker_memory"], rel=0.3)
    of_pyflink = is_pyflinks(counted)
    parts = {f"{name}_p95" if of_pyflink else f"{name}{{0.95}}" for name in ("latency", "queue_time", "batch_size")}
    assert parts <= seen.keys()
    asked = [query for query in queries() if not (of_pyflink and "quantile" in query)]
    asked = [query for query in asked if of_pyflink or "_p95" not in query]
    wait_for(lambda: all(map(scraping.query, asked)), 10, f"an answer to each of {asked}")
    assert scraping.query(f"rate({PREFIX}requests_total[5m])") == [], "the specification's own has no such metric"


def queries() -> list[str]:
    """The PromQL of the docs: of the table, and of the alerts without their limits."""
    page = METRICS_PAGE.read_text()
    table = re.findall(r"^\| [^|]+ \| `(.+)` \|$", page[page.index("<!-- promql -->") :], re.MULTILINE)
    alerts = re.findall(r"^ +expr: (.+) > [\d.]+$", page, re.MULTILINE)
    assert len(table) >= 8
    assert len(alerts) >= 2
    return [*table, *alerts]


@pytest.mark.either_mode
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("door", FAILING_DOORS)
def test_metrics_equal_the_failures_that_were_forced(
    gateway: Gateway,
    flink: Cluster,
    installed: Installed,
    served: GatedTriton,
    scraping: Prometheus | str,
    tmp_path: Path,
    mode: str,
    door: str,
) -> None:
    before, logged = served.counts("fails"), flink.logged()
    # Flink itself answers NULL where an async function's argument is NULL.
    nulls = 0 if (door, mode) == ("function", "streaming") else NULLS
    with session(gateway, installed, served, rows=COUNTED_ROWS) as sql, served.closed():
        sql.execute(f"ADD JAR '{flink.python_jar}'")
        script = behind_the_gate(mode, tmp_path / "answers", FAILING_DOORS[door])
        job = execute_all(sql, FAILING.format(every=EVERY) + script)
        counted = settled_metrics(flink, job, COUNTED_ROWS - NULLS + nulls)
        expected = assert_failures_counted(counted, before, served.counts("fails"), nulls=nulls)
        assert_scraped(scraping, job, counted, expected)
    assert flink.end_of(job) == "FINISHED"
    assert_failures_answered(tmp_path / "answers")
    of_pyflink = (door, mode) == ("function", "batch")
    assert_failures_logged(flink, logged, BY_PYFLINK if of_pyflink else BY_THE_SHIM)


@pytest.mark.parametrize(("door", "mode"), [("ml_predict", "streaming"), ("function", "batch")])
def test_metrics_equal_the_streams_that_were_read(
    gateway: Gateway,
    flink: Cluster,
    installed: Installed,
    served: GatedTriton,
    scraping: Prometheus | str,
    tmp_path: Path,
    door: str,
    mode: str,
) -> None:
    """Of a decoupled model: the responses, the streams that are ended here, and the tokens."""
    with session(gateway, installed, served, rows=COUNTED_ROWS) as sql, served.closed():
        sql.execute(f"ADD JAR '{flink.python_jar}'")
        script = behind_the_gate(mode, tmp_path / "answers", STREAMED_DOORS[door])
        job = execute_all(sql, STREAMED.format(every=EVERY) + script)
        counted = settled_metrics(flink, job)
        failed, rows = COUNTED_ROWS // EVERY, COUNTED_ROWS
        answered = rows - failed
        expected = {
            "requests": rows,
            "success": answered,
            "failure": failed,
            "output_rows": rows,
            "default_values": failed,
            "http_requests": rows,
            "responses": 2 * answered + failed,
            "cancelled": failed,
            "tokens": 3 * answered,
            "errors_protocol": failed,
        }
        histograms = {"first_response_latency": rows}
        all_of_them = assert_metrics(counted, expected, queued=rows, histograms=histograms, circuit_breaker_state=0)
        assert_scraped(scraping, job, counted, all_of_them)
    assert flink.end_of(job) == "FINISHED"
    expected_rows = [(x, None if x % EVERY == 1 else 3) for x in range(1, COUNTED_ROWS + 1)]
    assert pairs_in(tmp_path / "answers") == expected_rows


def assert_failures_answered(written: Path) -> None:
    """Every 20th row has the default value, and the one behind it NULL."""
    instead = {1: 0, 2: None}
    expected = [(x, instead.get(x % EVERY, x)) for x in range(1, COUNTED_ROWS + 1)]
    assert pairs_in(written) == expected


def assert_failures_counted(
    counted: Counted, before: dict[str, int], after: dict[str, int], *, nulls: int
) -> dict[str, int]:
    """Each of those rows failed twice in a call of its own."""
    failed, rows = COUNTED_ROWS // EVERY, COUNTED_ROWS - NULLS
    assert after["success"] - before["success"] == rows + failed
    expected = {
        "requests": rows,
        "success": rows - failed,
        "failure": failed,
        "output_rows": rows,
        "default_values": failed,
        "null_rows": nulls,
        "http_requests": rows + failed,
        "retries": failed,
        "errors_model": 2 * failed,
    }
    return assert_metrics(counted, expected, queued=rows, batch_limit=2)


def assert_failures_logged(flink: Cluster, before: Mapping[Path, str], logger: str) -> None:
    """The log has them with their level and logger, a few of each subtask, and not what the model said.

    Args:
        flink: The cluster.
        before: Its logs before the job.
        logger: A pattern of what is between the level and the words.
    """
    lines = [line for file, text in flink.logged().items() for line in text[len(before[file]) :].splitlines()]
    told = [line for line in lines if "A call failed (model): Triton's model 'fails' at http://" in line]
    assert 1 <= len(told) <= 2 * 5, lines
    assert all(re.search(rf" WARN +{logger}A call failed ", line) for line in told), told
    assert all(re.search(r" answered HTTP 500: the model failed \[request \S+, 1 rows\]", line) for line in told), told
    assert not [line for line in lines if "must not be negative" in line]


def run_digits(
    flink: Cluster,
    installed: Installed,
    digits: tuple[Path, str],
    directory: Path,
    sightings: Sightings,
    its_python: list[str],
    *,
    parallelism: int,
) -> None:
    """Run the example by `flink run` and look at its rows."""
    images, endpoint = digits
    before = flink.jobs()
    options = ["-pyclientexec", str(installed.python), *its_python, "-p", str(parallelism), "-py", str(DIGITS)]
    its_arguments = ["--endpoint", endpoint, "--input", str(images), "--output", str(directory / "predictions")]
    ended = flink.run(*options, *its_arguments, meanwhile=sightings.look)
    assert ended.code == 0, ended.output
    (job,) = flink.jobs().keys() - before.keys()
    assert flink.end_of(job) == "FINISHED"
    rows = [json.loads(line) for line in read_lines(directory / "predictions")]
    assert sorted(row["id"] for row in rows) == list(range(IMAGES))
    assert sum(row["digit"] == row["label"] for row in rows) / IMAGES >= EXPECTED_ACCURACY
    assert all(0 < row["confidence"] <= 1 for row in rows)


def from_archives(seen: Iterable[Worker]) -> list[Worker]:
    return [worker for worker in seen if worker.python.match("python-archives-*/venv/bin/python")]


def unpacked(flink: Cluster) -> list[Path]:
    """The directories in which archives are unpacked now."""
    return list((flink.home / "tmp").glob("**/python-archives-*"))


def assert_they_ran_from_archives(flink: Cluster, sightings: Sightings) -> None:
    """Each TaskManager's workers ran from a directory of its own, which is gone."""
    task_managers = flink.task_managers()
    ran = {(worker.parent, worker.python) for worker in sightings.seen if worker.parent in task_managers}
    assert {parent for parent, _ in ran} == task_managers
    assert len(ran) == len(task_managers), ran
    assert all(python.match("python-archives-*/venv/bin/python") for _, python in ran)
    assert unpacked(flink) == []


def by_the_client(
    flink: Cluster,
    installed: Installed,
    served: GatedTriton,
    script: str,
    *,
    option: str = "",
    sightings: Sightings | None = None,
) -> Finished:
    """Run a script in the SQL client, after the statements that it needs."""
    beginning = settings(installed, installed.python) + statements(served, option)
    look = sightings.look if sightings else lambda: None
    return flink.sql(beginning + script, "-j", str(installed.jar), meanwhile=look)


@contextmanager
def session(
    gateway: Gateway, installed: Installed, served: GatedTriton, task: Path | str | None = None, rows: int = ROWS
) -> Iterator[GatewaySession]:
    """A session of the gateway after the statements that a script needs."""
    with gateway.session(f"ADD JAR '{installed.jar}'") as sql:
        execute_all(sql, settings(installed, task or installed.python) + statements(served, rows=rows))
        yield sql


def settings(installed: Installed, task: Path | str) -> str:
    return SETTINGS.format(planning=installed.python, task=task)


def statements(served: GatedTriton, option: str = "", rows: int = ROWS) -> str:
    option = f", '{option}' = '1'" if option else ""
    return STATEMENTS.format(rows=rows, endpoint=served.http_url, option=option)


def into(mode: str, path: Path, query: str) -> str:
    """The statements that write a query's rows to a directory."""
    return INTO.format(mode=mode, table=f"answers_{path.name}", path=path.as_uri(), query=query)


def behind_the_gate(mode: str, path: Path, query: str) -> str:
    """The same, but the last rows wait at the gate before they are written."""
    return BEHIND_THE_GATE.format(query=query) + into(mode, path, THROUGH_THE_GATE)


def execute_all(sql: GatewaySession, script: str) -> str:
    """Run statements one after the other, and return the job of the last, or an empty string."""
    outcomes = [sql.execute(statement) for statement in script.split(";") if statement.strip()]
    return outcomes[-1].job or ""


def pairs_in(directory: Path) -> list[tuple[int | None, ...]]:
    """The rows that were written; NULL is an empty text."""
    rows = [[int(value) if value else None for value in line.split(",")] for line in read_lines(directory)]
    return sorted(map(tuple, rows))
