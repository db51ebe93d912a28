"""The value behind a secret reference is found nowhere, and the server got it; a literal only where Flink prints it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from canary_job import FAILING
from checking_proxy import CheckingProxy, checking_proxy
from places import SUPPORT
from triton import Triton

from pyflink_triton.server import ports

JOB = SUPPORT / "canary_job.py"
SECONDS = 400


@dataclass(frozen=True)
class Seen:
    """What could be seen of a session: a text for each place.

    Attributes:
        places: What was written down, by the name of the place.
        canaries: The secrets' values.
        proxy: What the server saw.
    """

    places: dict[str, bytes]
    canaries: dict[str, str]
    proxy: CheckingProxy


@pytest.fixture(scope="module")
def seen(triton: Triton, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    directory = tmp_path_factory.mktemp("canary")
    canaries = {name: f"canary{uuid4().hex}" for name in ("file", "env", "broken", "literal", "map", "proxy")}
    secrets, found, logs = (directory / name for name in ("secrets", "found", "logs"))
    for each in (secrets, found, logs):
        each.mkdir()
    (secrets / "file-canary").write_text(canaries["file"] + "\n")
    (secrets / "broken-canary").write_text(f"two\n{canaries['broken']}")
    (directory / "literals").write_text(f"{canaries['literal']} {canaries['map']}")
    required = {
        "map": ("Authorization", f"Bearer {canaries['map']}"),
        "literal": ("Authorization", f"Bearer {canaries['literal']}"),
        "token": ("Authorization", f"Bearer {canaries['file']}"),
        "json": ("X-Json", f"key {canaries['env']}"),
        "list": ("X-List", canaries["file"]),
        "own": ("X-Own", canaries["env"]),
    }
    (port,) = ports.choose("localhost", 1, set())
    environment = {
        **os.environ,
        "PYFLINK_TRITON_SECRETS_DIR": str(secrets),
        "PYFLINK_TRITON_SECRET_ENV_CANARY": canaries["env"],
        "NO_PROXY": "127.0.0.1,localhost",
        "FLINK_LOG_DIR": str(logs),
        "ROOT_LOG_LEVEL": "DEBUG",
        "PYTHONASYNCIODEBUG": "1",
        "_python_worker_execution_mode": "process",  # else functions run in the client's own process
    }
    with checking_proxy(triton.http_url, required) as proxy:
        done = subprocess.run(
            [sys.executable, JOB, proxy.url, str(port), directory / "literals", found],
            env={**environment, "HTTP_PROXY": f"http://user:{canaries['proxy']}@{urlsplit(proxy.url).netloc}"},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout.decode()[-5000:]
    places = {path.name: path.read_bytes() for path in found.iterdir()}
    places.update({f"log_{path.name}": path.read_bytes() for path in logs.iterdir()})
    places["output"] = done.stdout
    return Seen(places, canaries, proxy)


def holding(seen: Seen, name: str) -> set[str]:
    """The places where a secret's value is found."""
    canary = seen.canaries[name].encode()
    return {place for place, text in seen.places.items() if canary in text}


def test_the_places_are_those_that_are_meant(seen: Seen) -> None:
    places = seen.places
    assert places["ddl"].count(b"${SECRET:file-canary}") >= 4
    assert b"${SECRET:env-canary}" in places["compiled_ALL_ml_predict_own"]
    assert b"pyflink_triton.bridge" in places["proc_cmdline"]
    assert b"PYFLINK_TRITON_SECRETS_DIR=" in places["proc_environ_workers"]
    assert b"pyflink_fn_execution" in places["proc_cmdline"] or b"beam_boot" in places["proc_cmdline"]
    assert any(b" DEBUG " in text and b"org.apache.flink" in text for text in places.values())
    assert sum(name.startswith("exception_") for name in places) == 2 * len(FAILING)
    assert sum(name.startswith("rest_jobs_") and name.endswith("_metrics") for name in places) >= 3
    assert {"rest_jobmanager_config", "rest_jobmanager_environment", "rest_taskmanagers"} < set(places)


def test_the_server_got_every_secret(seen: Seen) -> None:
    assert all(seen.proxy.passed[place] > 0 for place in seen.proxy.required)


@pytest.mark.parametrize("name", ["file", "broken"])
def test_a_secret_from_a_file_is_found_nowhere(seen: Seen, name: str) -> None:
    assert holding(seen, name) == set()


def test_a_secret_from_the_environment_is_only_where_environments_are(seen: Seen) -> None:
    environments = {"proc_environ_own", "proc_environ_workers", "proc_environ_workers_with_proxies"}
    assert holding(seen, "env") == environments
    # Flink's log shows what it gives its own workers, and that is the place where the secret would be.
    texts = [seen.places[log] for log in logs(seen)]
    assert any(b"pyflink-udf-runner.sh" in text and b"BOOT_LOG_DIR" in text for text in texts)


def test_a_worker_gets_proxies_only_where_its_model_asks_for_them(seen: Seen) -> None:
    canary = seen.canaries["proxy"].encode()
    assert canary not in seen.places["proc_environ_workers"]
    assert canary in seen.places["proc_environ_workers_with_proxies"]
    workers = [seen.places[name] for name in ("proc_environ_workers", "proc_environ_workers_with_proxies")]
    assert not [text for text in workers if b"FLINK_LOG_DIR=" in text or b"HOME=" in text.replace(b"JAVA_HOME=", b"")]


def test_a_literal_token_is_where_the_documents_say_that_flink_prints_it(seen: Seen) -> None:
    assert holding(seen, "literal") == {
        *("literal_ddl_catalog", "literal_ddl_catalog_described", "literal_ddl_listed_model", "literal_ddl_model"),
        *("literal_compiled_ALL_ml_predict", "literal_pickle", "literal_payload"),
        *("literal_exception_header", "literal_exception_refused"),
    }


def test_a_literal_token_in_a_map_is_part_of_the_plan_too(seen: Seen) -> None:
    found = holding(seen, "map")
    plans = {"literal_explain_map", "literal_compiled_ALL_map", "literal_compiled_IDENTIFIER_map"}
    assert plans <= found
    assert any(name.endswith("_plan") for name in found)
    rest = {name for name in found if name.startswith("rest_jobs_")}
    assert found - rest - set(logs(seen)) == plans


def logs(seen: Seen) -> list[str]:
    """The names of the places that are logs."""
    return [name for name in seen.places if name.startswith("log_") or name.endswith("_log")]
