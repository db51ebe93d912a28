"""What the compose files start, without containers: Triton, a cluster as the image has it, a SQL gateway, a Prometheus.

And jobs that between them have every metric. The cluster has what docker/Dockerfile lays out: the jars in `lib`,
docker/config.yaml behind Flink's own, and a Python whose PyFlink has no jars of Flink.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pyflink
from cluster import HOST, TASK_MANAGERS, Cluster, standalone_cluster
from gateway import GatewaySession, sql_gateway
from installed import bare_python, run
from model_repository import MODELS, write_repository
from places import ROOT
from prometheus import Prometheus, configured_prometheus
from ruamel.yaml import YAML
from triton import ARGUMENTS

from pyflink_triton.jar import jar_path
from pyflink_triton.server import TritonServer, ports

DOCKER = ROOT / "docker"
PROGRAM = DOCKER / "kubernetes" / "predict.py"
#: The model of the program, from examples/models.
EXAMPLE = "embeddings"
_SERVED = ("pairing", "fails", "script_many", "sequence_short")
_PYFLINK = Path(pyflink.__file__).parent
_JARS = ("lib", "opt", "plugins")
_SLOTS = 4
_SCRAPE_SECONDS = 1

#: What each session of the gateway begins with. Sources with a rate, so that the jobs take little of a small machine.
_BEGIN = """
SET 'parallelism.default' = '1';
SET 'execution.batch.adaptive.auto-parallelism.enabled' = 'false';
CREATE CATALOG served WITH ('type' = 'triton', 'endpoint' = '{endpoint}');
USE CATALOG served;
CREATE TABLE numbers (x INT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '100', 'fields.x.min' = '1', 'fields.x.max' = '1000'
);
CREATE TABLE few (x INT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '5', 'fields.x.min' = '1', 'fields.x.max' = '1000'
);
CREATE TABLE finite (x INT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '100', 'fields.x.min' = '1', 'fields.x.max' = '1000',
  'number-of-rows' = '1000000'
);
CREATE TABLE nowhere (x BIGINT, y BIGINT) WITH ('connector' = 'blackhole');
"""
#: The jobs, by name. Together they have each metric: plain rows, failures, streams, sequences, and a Python function.
JOBS = {
    "scores": """
CREATE MODEL tripled WITH (
  'provider' = 'triton', 'model-name' = 'pairing', 'circuit-breaker-enabled' = 'true', 'cache-max-bytes' = '1 mb'
);
CREATE VIEW payments AS SELECT CAST(x AS BIGINT) AS x FROM numbers;
INSERT INTO nowhere SELECT x, y FROM ML_PREDICT(TABLE payments, MODEL tripled, DESCRIPTOR(x));
""",
    "checks": """
CREATE MODEL failing WITH (
  'provider' = 'triton', 'model-name' = 'fails', 'default-value' = '0', 'max-batch-size' = '1', 'max-retries' = '1',
  'retry-initial-backoff' = '1 ms'
);
CREATE VIEW signed AS SELECT x, CAST(CASE MOD(x, 20) WHEN 1 THEN -x WHEN 2 THEN NULL ELSE x END AS BIGINT) AS v
FROM numbers;
INSERT INTO nowhere SELECT x, y FROM ML_PREDICT(TABLE signed, MODEL failing, DESCRIPTOR(v));
""",
    "answers": """
CREATE MODEL streamed INPUT (script STRING) OUTPUT (text STRING, number BIGINT) WITH (
  'provider' = 'triton', 'model-name' = 'script_many', 'responses' = 'join', 'tokens-column' = 'number',
  'max-response-bytes' = '2 kb', 'default-value' = 'null'
);
CREATE VIEW questions AS SELECT x, CASE MOD(x, 4)
  WHEN 1 THEN '["a", {"sleep": 0.1}, "' || REPEAT('x', 5000) || '"]'
  ELSE '["a", {"sleep": 0.05}, {"outputs": {"text": ["b"], "number": [3]}}]' END AS script FROM few;
INSERT INTO nowhere SELECT x, number FROM ML_PREDICT(TABLE questions, MODEL streamed, DESCRIPTOR(script));
""",
    "conversations": """
CREATE MODEL conversation INPUT (x BIGINT, id STRING) OUTPUT (`sum` BIGINT) WITH (
  'provider' = 'triton', 'model-name' = 'sequence_short', 'sequence-id' = '${id}', 'sequence-start' = 'true'
);
CREATE VIEW turns AS SELECT CAST(x AS BIGINT) AS x, CAST(1 + MOD(x, 9) AS STRING) AS id FROM few;
INSERT INTO nowhere SELECT x, `sum` FROM ML_PREDICT(TABLE turns, MODEL conversation, DESCRIPTOR(x, id));
""",
    "nightly": """
SET 'execution.runtime-mode' = 'batch';
INSERT INTO nowhere SELECT x, pairing(x) FROM finite;
""",
}


@dataclass(frozen=True)
class Stack:
    """What runs.

    Attributes:
        flink: The cluster.
        triton_url: What the option `endpoint` takes.
        prometheus: What scrapes both.
        jobs: The id of each of `JOBS` and of the program, by name.
    """

    flink: Cluster
    triton_url: str
    prometheus: Prometheus
    jobs: dict[str, str]


@contextmanager
def running_stack(directory: Path) -> Iterator[Stack]:
    """Start all of it, and the jobs.

    Args:
        directory: Where to keep its files.

    Yields:
        It, once the jobs are submitted.

    Raises:
        NoPrometheus: There is none.
    """
    python = python_of_the_image(directory / "python")
    reporters = ports.choose(HOST, 1 + TASK_MANAGERS, set())
    configuration = configuration_of_the_image(python, reporters) | {"taskmanager.numberOfTaskSlots": str(_SLOTS)}
    with ExitStack() as started:
        models = write_repository(directory / "models", [each for each in MODELS if each.name in _SERVED])
        shutil.copytree(ROOT / "examples" / "models" / EXAMPLE, models / EXAMPLE)
        triton = started.enter_context(TritonServer(models, arguments=ARGUMENTS))
        jars = [Path(jar_path()), *(_PYFLINK / "opt").glob("flink-python-*.jar")]
        flink = started.enter_context(standalone_cluster(directory / "flink", configuration, jars))
        targets = {
            "flink": [f"{HOST}:{port}" for port in reporters],
            "triton": [urlsplit(triton.metrics_url).netloc],
        }
        written = prometheus_configuration(targets)
        prometheus = started.enter_context(configured_prometheus(directory / "prometheus", written))
        options = [f"-D{key}={value}" for key, value in configuration.items() if key.startswith("python.")]
        gateway = started.enter_context(sql_gateway(flink, *options))
        jobs = {}
        for name, script in JOBS.items():
            with gateway.session(f"SET 'pipeline.name' = '{name}'") as sql:
                jobs[name] = _submit(sql, _BEGIN.format(endpoint=triton.http_url) + script)
        jobs["predict"] = _run_the_program(flink, python, triton.http_url)
        yield Stack(flink, triton.http_url, prometheus, jobs)


def python_of_the_image(directory: Path) -> Path:
    """Make a Python as the image has it, with the tests' packages, whose PyFlink has no jars."""
    python = bare_python(directory)
    packages = Path(run(directory, python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    shutil.copytree(_PYFLINK, packages / "pyflink", ignore=_without_jars)
    (packages / "packages_of_the_tests.pth").write_text(f"{_PYFLINK.parent}\n{ROOT}\n")
    return python


def configuration_of_the_image(python: Path, reporters: list[int]) -> dict[str, str]:
    """What docker/config.yaml says, for processes on one machine."""
    written = YAML(typ="base").load(DOCKER / "config.yaml")  # each value as a text
    replaced = {
        "python.executable": str(python),
        "python.client.executable": str(python),
        "metrics.reporter.prom.port": ",".join(map(str, reporters)),
    }
    assert replaced.keys() <= written.keys()
    return {**written, **replaced}


def prometheus_configuration(targets: dict[str, list[str]]) -> str:
    """What docker/prometheus/prometheus.yml says, with other addresses, and more often.

    Args:
        targets: The addresses of each of its jobs.
    """
    yaml = YAML(typ="safe")
    written = yaml.load(DOCKER / "prometheus" / "prometheus.yml")
    written["global"] = dict.fromkeys(written["global"], f"{_SCRAPE_SECONDS}s")
    written["rule_files"] = [str(DOCKER / "prometheus" / file) for file in written["rule_files"]]
    assert {job["job_name"] for job in written["scrape_configs"]} == targets.keys()
    for job in written["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    text = StringIO()
    yaml.dump(written, text)
    return text.getvalue()


def _without_jars(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(directory) == _PYFLINK and name in _JARS]


def _submit(sql: GatewaySession, script: str) -> str:
    outcomes = [sql.execute(statement) for statement in script.split(";") if statement.strip()]
    job = outcomes[-1].job
    assert job
    return job


def _run_the_program(flink: Cluster, python: Path, endpoint: str) -> str:
    """Submit docker/kubernetes/predict.py, which adds the jar that is in `lib`, too."""
    before = flink.jobs()
    ended = flink.run("-d", "-pyclientexec", str(python), "-pyexec", str(python), "-py", str(PROGRAM), endpoint)
    assert ended.code == 0, ended.output
    (job,) = flink.jobs().keys() - before.keys()
    return job
