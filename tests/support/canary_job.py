"""A Flink session that uses secrets in every place that takes one, and writes down all that can be seen of it.

`python tests/support/canary_job.py PROXY REST_PORT LITERALS DIRECTORY`; tests/cluster/test_canary.py gives it the
environment. LITERALS is a file of two tokens to be written into statements as they are, the second in ML_PREDICT's MAP.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped] # it has no types
from flink_session import session
from pyflink.table.expressions import col
from waiting import wait_for

import pyflink_triton
from pyflink_triton.runtime.messages import ColumnType
from pyflink_triton.table.udf_pickle import payload

#: The places that take a secret: options of a model, by the first part of the endpoint's path.
PLACES = {
    "token": {"auth-token": "${SECRET:file-canary}"},
    "json": {"custom-headers": '{"X-Json": "key ${SECRET:env-canary}"}'},
    "list": {"custom-headers": "X-Other:a,X-List:${SECRET:file-canary}"},
    "own": {"custom-headers.X-Own": "${SECRET:env-canary}"},
}
#: By a proxy of the environment's.
PROXIED = {**PLACES["own"], "proxy-from-environment": "true"}
#: Models that fail, and how: by the endpoint, and their other options.
FAILING: dict[str, tuple[str | None, dict[str, str]]] = {
    "refused401": ("json", PLACES["token"]),
    "forbidden": ("forbidden", PLACES["token"]),
    "echo": ("echo", {**PLACES["token"], "custom-headers.X-Own": "a ${SECRET:env-canary}"}),
    "html": ("html", {**PLACES["token"], "custom-headers.X-Own": "a ${SECRET:env-canary}"}),
    "pretended": ("pretended", {**PLACES["token"], "custom-headers.X-Own": "a ${SECRET:env-canary}"}),
    "broken": ("token", {"auth-token": "${SECRET:broken-canary}"}),
    "missing": ("token", {"auth-token": "${SECRET:no-such-canary}"}),
    "wrong_header": ("token", {"custom-headers.Bad Name": "${SECRET:file-canary}"}),
    "unreachable": (None, PLACES["token"]),
}
COLUMNS = "INPUT (x BIGINT) OUTPUT (y BIGINT)"


class Job:
    """The session.

    Args:
        proxy: URL of the checking proxy.
        rest_port: Where Flink's REST interface is to be.
        literals: Tokens to write as they are, in WITH and in a MAP.
        directory: Where to write what can be seen.
    """

    def __init__(self, proxy: str, rest_port: int, literals: str, directory: Path) -> None:
        self.proxy, self.rest_port, self.directory = proxy, rest_port, directory
        literal, in_map = literals.split()
        self.literal, self.header = {"auth-token": literal}, {"custom-headers.X-Own": literal}
        self.literal_map = f"MAP['auth-token', '{in_map}', 'endpoint', '{proxy}/map']"

    def write(self, name: str, text: str | bytes) -> None:
        """Write down what can be seen in one place."""
        path = self.directory / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def env(self, mode: str) -> Any:
        """A session in which a table of numbers and the models are."""
        port = str(self.rest_port)
        settings = {"rest.port": port, "rest.bind-port": port, "metrics.fetcher.update-interval": "200 ms"}
        env = session(mode)
        for key, value in settings.items():
            env.get_config().set(key, value)
        pyflink_triton.connect(env, use=False)
        env.execute_sql(
            "CREATE TEMPORARY TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '3', "
            "'fields.x.kind' = 'sequence', 'fields.x.start' = '1', 'fields.x.end' = '3')"
        )
        env.execute_sql("CREATE TEMPORARY TABLE nowhere (y BIGINT) WITH ('connector' = 'blackhole')")
        for place, options in PLACES.items():
            self.create(env, f"model_{place}", f"{self.proxy}/{place}", options)
        self.create(env, "model_map", f"{self.proxy}/token", {"plan-check": "off"})
        self.create(env, "model_proxied", "http://triton.invalid/own", PROXIED)
        return env

    def create(self, env: Any, name: str, endpoint: str, options: dict[str, str], kind: str = "MODEL") -> None:
        """Create a model, or a catalog, with options."""
        written = {"endpoint": endpoint, **options}
        if kind == "CATALOG":
            written["type"] = "triton"
        else:
            written.update({"provider": "triton", "model-name": "identity_int64"})
        pairs = ", ".join(f"'{key}' = '{value}'" for key, value in written.items())
        columns = "" if kind == "CATALOG" else COLUMNS
        env.execute_sql(f"CREATE {kind} {name} {columns} WITH ({pairs})")

    def get(self, url: str, path: str) -> tuple[int, bytes]:
        """Send a GET."""
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def rest(self, path: str) -> Any:
        """Ask Flink's REST interface, and write the answer down; None where it has no such page."""
        status, body = self.get(f"localhost:{self.rest_port}", path)
        name = "rest" + path.partition("?")[0].replace("/", "_")
        with (self.directory / name[:120]).open("ab") as file:
            file.write(body + b"\n")
        return json.loads(body) if status == 200 and body[:1] in b"{[" else None


def queries() -> dict[str, str]:
    """Every way in SQL, by name."""
    each = {
        f"ml_predict_{place}": f"SELECT y FROM ML_PREDICT(TABLE numbers, MODEL model_{place}, DESCRIPTOR(x))"
        for place in PLACES
    }
    each["ml_predict_map"] = (
        "SELECT y FROM ML_PREDICT(TABLE numbers, MODEL model_map, DESCRIPTOR(x), "
        "MAP['auth-token', '${SECRET:file-canary}', 'custom-headers.X-Own', '${SECRET:env-canary}'])"
    )
    each["ml_predict_proxied"] = each["ml_predict_own"].replace("model_own", "model_proxied")
    each["function"] = "SELECT served.`default`.identity_int64(x) AS y FROM numbers"
    return each


def main(job: Job) -> None:
    """Do it all."""
    logging.basicConfig(level=logging.DEBUG, filename=job.directory / "python.log")
    streaming(job)
    literal(job)
    batch(job)
    hanging(job)


def streaming(job: Job) -> None:
    """What DDL, EXPLAIN, compiled plans and exceptions show, and that rows are answered."""
    env = job.env("streaming")
    job.create(env, "served", f"{job.proxy}/own", {**PLACES["own"], "auth-token": "${SECRET:file-canary}"}, "CATALOG")
    ddl = [
        "SHOW CREATE CATALOG served",
        "DESCRIBE CATALOG EXTENDED served",
        "SHOW CREATE MODEL served.`default`.identity_int64",
        "DESCRIBE MODEL served.`default`.identity_int64",
        "SHOW MODELS FROM served.`default`",
        *(f"SHOW CREATE MODEL model_{place}" for place in PLACES),
        *(f"DESCRIBE MODEL model_{place}" for place in PLACES),
    ]
    job.write("ddl", "\n".join(str(row) for statement in ddl for row in rows(env, statement)))
    for name, query in queries().items():
        explained(job, env, name, query)
        answered = sorted(rows(env, query))
        job.write(f"rows_{name}", str(answered))
        assert answered == [(1,), (2,), (3,)], (name, answered)
    for name, (where, options) in FAILING.items():
        endpoint = f"{job.proxy}/{where}" if where else "http://127.0.0.1:9"
        limits = {"plan-check": "best-effort", "warmup-timeout": "1s", "max-retries": "0"}

        def run(name: str = name, endpoint: str = endpoint, options: dict[str, str] = {**options, **limits}) -> None:  # noqa: B006
            job.create(env, f"fails_{name}", endpoint, options)
            rows(env, f"SELECT y FROM ML_PREDICT(TABLE numbers, MODEL fails_{name}, DESCRIPTOR(x))")

        failure(job, f"exception_{name}", run)


def literal(job: Job) -> None:
    """What Flink shows of a token that is written as it is."""
    env = job.env("streaming")
    job.create(env, "served_literally", f"{job.proxy}/literal", job.literal, "CATALOG")
    job.create(env, "model_literal", f"{job.proxy}/literal", job.literal)
    for name, statement in {
        "catalog": "SHOW CREATE CATALOG served_literally",
        "catalog_described": "DESCRIBE CATALOG EXTENDED served_literally",
        "listed_model": "SHOW CREATE MODEL served_literally.`default`.identity_int64",
        "listed_model_described": "DESCRIBE MODEL served_literally.`default`.identity_int64",
        "model": "SHOW CREATE MODEL model_literal",
        "model_described": "DESCRIBE MODEL model_literal",
    }.items():
        job.write(f"literal_ddl_{name}", str(rows(env, statement)))
    ml_predict = queries()["ml_predict_token"].replace("model_token", "model_literal")
    for name, query in {
        "ml_predict": ml_predict,
        "function": queries()["function"].replace("served", "served_literally"),
        "map": ml_predict.replace(
            "MODEL model_literal, DESCRIPTOR(x)",
            f"MODEL model_map, DESCRIPTOR(x), {job.literal_map}",
        ),
    }.items():
        explained(job, env, name, query, "literal_")
        assert sorted(rows(env, query)) == [(1,), (2,), (3,)]
    for name, options in {
        "token": {**job.literal, "timeout": "nonsense"},
        "header": {**job.header, "timeout": "nonsense"},
        "refused": {**job.header, "auth-token": "wrong"},
    }.items():
        job.create(env, f"fails_literally_{name}", f"{job.proxy}/literal", options)
        query = ml_predict.replace("model_literal", f"fails_literally_{name}")
        failure(job, f"literal_exception_{name}", lambda query=query: rows(env, query))  # type: ignore[misc]
    job.create(env, "fails_literally", f"{job.proxy}/echo", {**job.literal, "max-retries": "0"})
    query = ml_predict.replace("model_literal", "fails_literally")
    failure(job, "literal_exception_echo", lambda: rows(env, query))
    written = {"endpoint": f"{job.proxy}/literal", "model-name": "identity_int64", **job.literal}
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(written)
    job.write("literal_pickle", cloudpickle.dumps(provider.scalar_function()._func))
    column: list[ColumnType] = [{"name": "x", "type": "BIGINT"}]
    job.write("literal_payload", payload({"model": "m", "options": written, "input": column, "output": column}))


def batch(job: Job) -> None:
    """The same for functions that PyFlink runs, and what is pickled."""
    env = job.env("batch")
    job.create(env, "served", f"{job.proxy}/own", {**PLACES["own"], "auth-token": "${SECRET:file-canary}"}, "CATALOG")
    explained(job, env, "batch_function", queries()["function"])
    assert sorted(rows(env, queries()["function"])) == [(1,), (2,), (3,)]
    env = job.env("streaming")
    for place, options in PLACES.items():
        written = {"endpoint": f"{job.proxy}/{place}", "model-name": "identity_int64", **options}
        provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(written)
        for kind in ("scalar_function", "async_scalar_function"):
            function = getattr(provider, kind)()
            job.write(f"pickle_{kind}_{place}", cloudpickle.dumps(function._func) + pickle.dumps(function._func))
            table = env.from_path("numbers").select(function(col("x")).alias("y"))
            job.write(f"explain_{kind}_{place}", table.explain())
            with table.execute().collect() as found:
                assert sorted(tuple(row) for row in found) == [(1,), (2,), (3,)]
        descriptor = provider.model_descriptor()
        job.write(f"descriptor_{place}", str(descriptor))
        column: list[ColumnType] = [{"name": "x", "type": "BIGINT"}]
        job.write(f"payload_{place}", payload({"model": "m", "options": written, "input": column, "output": column}))
        job.write(f"repr_{place}", f"{provider!r} {vars(provider)!r} {function!r}")
    for name, (where, options) in FAILING.items():
        written = {"endpoint": f"{job.proxy}/{where}" if where else "http://127.0.0.1:9", **options}
        written.update({"model-name": "identity_int64", "max-retries": "0", "warmup-timeout": "1s"})

        def run(written: dict[str, str] = written) -> None:
            provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(
                {**written, "plan-check": "best-effort"}, {"x": "BIGINT"}, {"y": "BIGINT"}
            )
            table = env.from_path("numbers").select(provider.scalar_function()(col("x")).alias("y"))
            with table.execute().collect() as found:
                list(found)

        failure(job, f"exception_udf_{name}", run)


def hanging(job: Job) -> None:
    """What the system and the REST interface show of jobs under way."""
    env = job.env("streaming")
    job.create(env, "model_hanging", f"{job.proxy}/hang/token", PLACES["token"])
    job.create(env, "model_env", f"{job.proxy}/hang/own", PLACES["own"])
    job.create(env, "model_hanging_proxied", "http://triton.invalid/hang/own", PROXIED)
    job.create(env, "model_hanging_literally", f"{job.proxy}/hang/literal", job.literal)
    provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(
        {"endpoint": f"{job.proxy}/hang/json", "model-name": "identity_int64", **PLACES["json"]}
    )
    env.create_temporary_system_function("hanging", provider.scalar_function())
    statements = env.create_statement_set()
    in_map = f"model_map, DESCRIPTOR(x), {job.literal_map.replace('/map', '/hang/map')}"
    for model in ("model_hanging", "model_env", "model_hanging_literally", "model_hanging_proxied", in_map):
        given = model if "DESCRIPTOR" in model else f"{model}, DESCRIPTOR(x)"
        query = f"SELECT y FROM ML_PREDICT(TABLE numbers, MODEL {given})"
        statements.add_insert_sql(f"INSERT INTO nowhere {query}")
    statements.add_insert_sql("INSERT INTO nowhere SELECT hanging(x) FROM numbers")
    result = statements.execute()
    wait_for(lambda: int(job.get(job.proxy, "/held")[1]) >= 6, 120, "requests that hang in each door")
    processes(job)
    (found,) = [each["jid"] for each in job.rest("/jobs/overview")["jobs"] if each["state"] == "RUNNING"]
    pages(job, found)
    status, _ = job.get(job.proxy, "/release")
    assert status == 200
    result.wait()


def rows(env: Any, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement and take its rows."""
    with env.execute_sql(statement).collect() as found:
        return [tuple(row) for row in found]


def explained(job: Job, env: Any, name: str, query: str, prefix: str = "") -> None:
    """Write down a statement's plans."""
    what = "ESTIMATED_COST, CHANGELOG_MODE, JSON_EXECUTION_PLAN"
    job.write(f"{prefix}explain_{name}", str(rows(env, f"EXPLAIN {what} {query}")[0][0]))
    if name.startswith("batch"):
        return
    for objects in ("ALL", "IDENTIFIER"):
        if objects == "ALL" and name == "function":
            continue  # Flink compiles a catalog's functions by their names only
        env.get_config().set("table.plan.compile.catalog-objects", objects)
        plan = env._j_tenv.compilePlanSql(f"INSERT INTO nowhere {query}").asJsonString()
        job.write(f"{prefix}compiled_{objects}_{name}", plan)


def failure(job: Job, name: str, run: Callable[[], object]) -> None:
    """Write down how something fails."""
    try:
        run()
    except Exception:
        job.write(name, traceback.format_exc())
        return
    raise AssertionError(f"{name} did not fail")


def processes(job: Job) -> None:
    """Write down the command line and the environment of every process that can be read."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            for what in ("cmdline", "environ"):
                try:
                    seen = (process / what).read_bytes()
                except OSError:
                    continue  # gone, or somebody else's
                name = what if what == "cmdline" else f"{what}_{'own' if is_own(int(process.name)) else 'others'}"
                if name == "environ_own" and b"-m\0pyflink_triton.bridge" in (process / "cmdline").read_bytes():
                    name = "environ_workers_with_proxies" if b"\0NO_PROXY=" in b"\0" + seen else "environ_workers"
                with (job.directory / f"proc_{name}").open("ab") as file:
                    file.write(b"%s: %s\n" % (process.name.encode(), seen))


def is_own(process: int) -> bool:
    """Whether a process is this one or was started by it."""
    while process > 1:
        if process == os.getpid():
            return True
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def pages(job: Job, running: str) -> None:
    """Write down what the REST interface says."""
    for path in (
        *("/config", "/overview", "/jobs", "/jobs/metrics", "/datasets", "/dataset", "/taskmanagers/metrics"),
        *("/jobmanager/config", "/jobmanager/environment", "/jobmanager/logs", "/jobmanager/log", "/jobmanager/stdout"),
        *("/jobmanager/thread-dump", "/cluster"),
        *(f"/jobs/{running}{page}" for page in ("", "/plan", "/config", "/exceptions", "/accumulators", "/status")),
        *(f"/jobs/{running}{page}" for page in ("/checkpoints", "/checkpoints/config", "/jobmanager/config")),
        *(f"/jobs/{running}{page}" for page in ("/jobmanager/environment", "/resource-requirements", "/metrics")),
    ):
        job.rest(path)
    for path in metric_paths(job, running):

        def values(path: str = path) -> Any:
            names = [each["id"] for each in job.rest(path) or ()]
            return [job.rest(f"{path}?get={name}") for name in names] or None

        wait_for(values, 20, f"metrics of {path}")
    for manager in job.rest("/taskmanagers")["taskmanagers"]:
        for page in ("", "/logs", "/log", "/stdout", "/thread-dump"):
            job.rest(f"/taskmanagers/{manager['id']}{page}")


def metric_paths(job: Job, running: str) -> Iterator[str]:
    """Where metrics are."""
    yield "/jobmanager/metrics"
    for vertex in job.rest(f"/jobs/{running}")["vertices"]:
        yield f"/jobs/{running}/vertices/{vertex['id']}/metrics"
        for page in ("", "/taskmanagers", "/subtasktimes", "/accumulators", "/backpressure", "/watermarks"):
            job.rest(f"/jobs/{running}/vertices/{vertex['id']}{page}")


if __name__ == "__main__":
    main(Job(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).read_text(), Path(sys.argv[4])))
