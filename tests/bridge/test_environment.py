"""What reaches a worker of its parent's environment: where its libraries and servers are, and whom it trusts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from certificates import Authority, serving
from flink_session import collect, create_model, session, view
from gate import gate
from places import SUPPORT
from triton import Triton

from pyflink_triton.table.sentences import tell_sentences_first

JOB = SUPPORT / "environment_job.py"
SECONDS = 240
VARIABLES = ("http://${ENV:NODE}", "http://${ENV:AWAY}")
#: A Python whose own library is found by LD_LIBRARY_PATH alone, as the loader tells of it.
LOST = "error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object file"
STUB = """#!/bin/sh
case ":$LD_LIBRARY_PATH:" in
  *:{library}:*) exec '{python}' "$@" ;;
esac
echo "$0: {lost}" >&2
exit 127
"""


def stub(directory: Path, library: Path) -> str:
    script = directory / "python"
    script.write_text(STUB.format(library=library, python=sys.executable, lost=LOST))
    script.chmod(0o755)
    return str(script)


def hashed(directory: Path, pem: Path) -> Path:
    """A directory of certificates as OpenSSL wants it."""
    directory.mkdir()
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", pem], check=True, capture_output=True, text=True, timeout=60
    )
    (directory / f"{name.stdout.strip()}.0").symlink_to(pem)
    return directory


def test_the_worker_and_pyflinks_functions_trust_and_ask_whom_the_environment_names(
    triton: Triton, tmp_path: Path
) -> None:
    """One authority by each variable; requests' own is nobody's. An endpoint by a variable, and by one not set."""
    by_file, by_directory, by_requests = (Authority(tmp_path, name) for name in ("file", "directory", "requests"))
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(tmp_path),
        "SSL_CERT_FILE": str(by_file.pem),
        "SSL_CERT_DIR": str(hashed(tmp_path / "certificates", by_directory.pem)),
        "REQUESTS_CA_BUNDLE": str(by_requests.pem),
        "CURL_CA_BUNDLE": str(by_requests.pem),
        "PYFLINK_TRITON_ENDPOINT_NODE": triton.address,
    }
    signed = [each.sign(f"by-{n}") for n, each in enumerate((by_file, by_directory, by_requests))]
    first, second, third = (gate(triton.http_url, tls=serving(each)) for each in signed)
    with first as a, second as b, third as c:
        done = subprocess.run(
            [sys.executable, JOB, stub(tmp_path, tmp_path), "identity_int64", a.url, b.url, *VARIABLES, c.url],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr[-5000:]
    *trusted, missing, refused = json.loads(done.stdout.splitlines()[-1])
    assert trusted == [[[[7]], [[7]]]] * 3
    for sentence in missing:
        assert "the environment variable PYFLINK_TRITON_ENDPOINT_AWAY, which is not set on this machine" in sentence
    for sentence in refused:
        assert "the TLS handshake failed: unable to get local issuer certificate" in sentence
        assert "'tls-ca-file'" in sentence


@pytest.mark.parametrize("option", ["python.client.executable", "python.executable"])
def test_a_python_without_its_library_is_quoted_with_what_the_loader_said(tmp_path: Path, option: str) -> None:
    """Where the statement is planned, and in a task."""
    env = session()
    env.get_config().set(option, stub(tmp_path, tmp_path))
    tell_sentences_first()
    view(env, "t", {"x": "BIGINT"}, [(1,)])
    create_model(env, "m", "http://127.0.0.1:1", "m", "x BIGINT", "y BIGINT", plan_check="off")
    with pytest.raises(Exception, match="exited with code 127") as error:
        collect(env, "SELECT y FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(x))")
    sentence = str(error.value).split("\nAn error occurred")[0]
    assert option in sentence
    assert sentence.endswith(f"Its last lines on standard error:\n{tmp_path}/python: {LOST}")
