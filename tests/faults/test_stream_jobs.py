"""Streams in real jobs: a job that is cancelled, servers and models that die in mid-stream, hundreds at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flink_session import collect, create_model, session, view
from jobs import assert_gone, busy, workers
from py4j.protocol import Py4JJavaError
from scripted import Scripted, parts, scripted, stream
from soak import some
from waiting import wait_for

__all__ = ["scripted"]

Start = Callable[[], Scripted]
QUERY = "SELECT {columns} FROM ML_PREDICT(TABLE scripts, MODEL m, DESCRIPTOR(script))"
QUICK = {"retry_initial_backoff": "20 ms", "retry_max_backoff": "100 ms", "max_retries": "2", "timeout": "2 s"}


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    wait_for(lambda: not busy(set(workers())), 5, "workers that still talk to the server")


def prepared(endpoint: str, scripts: list[str], **options: str) -> Any:
    """A session with the rows, the model, and a sink that takes all."""
    env = session(restart_strategy__type="none")
    view(env, "scripts", {"n": "INT", "script": "STRING"}, list(enumerate(scripts)))
    outputs = "text STRING, place INT" + (", why STRING" if "error_column" in options else "")
    more = {"responses": "rows", "response_index": "place", **options}
    create_model(env, "m", endpoint, "script", "script STRING", outputs, **more)
    return env


def test_cancelling_a_job_ends_its_streams(scripted: Start) -> None:
    server, before = scripted(), set(workers())
    env = prepared(server.url, [json.dumps(["a", *[{"sleep": 0.1}] * 600])] * 100)
    env.execute_sql("CREATE TEMPORARY TABLE answers (text STRING) WITH ('connector' = 'blackhole')")
    result = env.execute_sql("INSERT INTO answers " + QUERY.format(columns="text"))
    wait_for(lambda: server.noted("answered") == 100, 60, "100 streams that have answered once")
    assert server.connections() >= 100
    result.get_job_client().cancel().result()
    wait_for(lambda: server.noted("cancelled") == 100 and not server.connections(), 5, "the end of all streams")
    assert server.noted("ended") == 0
    assert_gone(before)


def test_cancelling_a_job_waits_for_no_first_response(scripted: Start) -> None:
    """Triton does not notice then, and goes on; on this side nothing is left."""
    server, before = scripted(), set(workers())
    env = prepared(server.url, [stream(n, 3, first=20.0) for n in range(100)])
    env.execute_sql("CREATE TEMPORARY TABLE answers (text STRING) WITH ('connector' = 'blackhole')")
    result = env.execute_sql("INSERT INTO answers " + QUERY.format(columns="text"))
    wait_for(lambda: server.noted("begun"), 60, "a stream")
    result.get_job_client().cancel().result()
    wait_for(lambda: not server.connections(), 5, "the end of all connections")
    assert_gone(before)


#: What a row becomes, as the job's result has it.
POLICIES: dict[str, tuple[dict[str, str], str]] = {
    "default": ({"default_value": "none"}, "text, place"),
    "error column": ({"error_column": "why"}, "text, place, why"),
}


CASES = [
    ("fail", "backend"),
    ("default", "backend"),
    ("error column", "server"),
    ("fail", "server"),
    ("error column", "backend"),
    ("default", "server"),
]


@pytest.mark.parametrize(("policy", "fault"), some(CASES, 2))
def test_what_dies_in_mid_stream_fails_rows_by_their_policy(policy: str, fault: str, scripted: Start) -> None:
    """Rows that are answered before are right; those under way fail in time, and those behind them, too."""
    server = scripted()
    assert server.triton.server is not None
    options, columns = POLICIES.get(policy, ({}, "text, place"))
    scripts = [stream(n, 2) for n in range(10)] + [stream(n, 3, between=0.8) for n in range(10, 30)]
    env = prepared(server.url, scripts, **QUICK, total_timeout="5 s", **options)
    kill = server.kill_backend if fault == "backend" else server.triton.server.kill
    # A backend that is dead takes a second to say so of each call, one after the other.
    words = (
        ("Stub process 'script", "Request timed out after") if fault == "backend" else ("'total-timeout' allows 5s",)
    )
    got, error = killed_meanwhile(env, f"n, {columns}", server, kill)
    if policy == "fail":
        assert any(each in error for each in words), error
        return
    assert error == ""
    good = [(n, text, place) for n in range(10) for place, text in enumerate(parts(n, 2))]
    assert [row[:3] for row in got if row[0] < 10] == good
    default = options.get("default_value")
    assert [row[:3] for row in got if row[0] >= 10] == [(n, default, None) for n in range(10, 30)]
    if policy == "error column":
        assert all(row[3] is None for row in got if row[0] < 10)
        assert all(any(each in row[3] for each in words) for row in got if row[0] >= 10)


def killed_meanwhile(
    env: Any, columns: str, server: Scripted, kill: Callable[[], object]
) -> tuple[list[tuple[Any, ...]], str]:
    """The rows of a job, and why it failed; something is killed when 30 of its streams have answered once."""
    result = env.execute_sql(QUERY.format(columns=columns))
    wait_for(lambda: server.noted("answered") == 30, 60, "30 streams")
    kill()
    try:
        with result.collect() as rows:
            return sorted((tuple(row) for row in rows), key=lambda row: (row[0], row[2] or 0)), ""
    except Py4JJavaError as error:
        return [], str(error)


def test_rows_of_a_backend_that_died_are_answered_by_the_other_endpoint(scripted: Start) -> None:
    servers = [scripted(), scripted()]
    scripts = [stream(n, 4, between=0.6) for n in range(100)]
    env = prepared(",".join(server.url for server in servers), scripts, **QUICK)
    result = env.execute_sql(QUERY.format(columns="n, place, text"))
    wait_for(lambda: sum(server.noted("answered") for server in servers) >= 100, 60, "100 streams")
    servers[0].kill_backend()
    with result.collect() as rows:
        got = sorted(tuple(row) for row in rows)
    assert got == [(n, place, text) for n in range(100) for place, text in enumerate(parts(n, 4))]
    assert servers[1].noted("ended") == 100


def test_hundreds_of_streams_at_once(scripted: Start) -> None:
    """Slow to begin and slow between; rows that take no time come first, so that the limit of concurrency grows."""
    server = scripted()
    quick, slow = range(300, 1500), range(300)
    scripts = [stream(n, 1) for n in quick] + [stream(n, 8, first=1.0, between=0.5) for n in slow]
    env = prepared(server.url, scripts, **{**QUICK, "max_in_flight_requests": "300", "timeout": "60 s"})
    got = sorted(collect(env, QUERY.format(columns="n, place, text")))
    names = [*quick, *slow]
    expected = [
        (row, place, text) for row, n in enumerate(names) for place, text in enumerate(parts(n, 1 if n in quick else 8))
    ]
    assert got == expected
    assert server.most_at_once() == 300


def test_streams_that_are_too_slow_fail_alone(scripted: Start) -> None:
    server = scripted()
    late = {3: stream(3, 2, first=12.0)}
    stop = {7: stream(7, 2, between=12.0)}
    endless = {n: stream(n, 200, first=0.5, between=0.5) for n in (20, 40)}
    slow = {**late, **stop, **endless}
    # First responses within an eighth of `timeout` raise the limit of concurrency.
    scripts = [slow.get(n) or stream(n, 6, first=0.1, between=0.8) for n in range(60)]
    limits = {**QUICK, "timeout": "4 s", "total_timeout": "16 s", "max_retries": "1"}
    env = prepared(server.url, scripts, error_column="why", **limits)
    got = sorted(collect(env, QUERY.format(columns="n, place, text, why")), key=lambda row: (row[0], row[1] or 0))
    failed = {row[0]: row[3] for row in got if row[1] is None}
    assert failed.keys() == slow.keys()
    assert all("before a first response" in failed[n] for n in late)
    assert all("between two responses" in failed[n] for n in stop)
    assert all("'total-timeout' allows 16s" in failed[n] for n in endless)
    good = [n for n in range(60) if n not in slow]
    expected = [(n, place, text, None) for n in good for place, text in enumerate(parts(n, 6))]
    assert [row for row in got if row[0] not in slow] == expected


def test_a_server_that_restarts_costs_no_part(scripted: Start) -> None:
    server = scripted()
    assert server.triton.server is not None
    env = prepared(server.url, [stream(n, 5, between=0.3) for n in range(150)], **{**QUICK, "max_retries": "4"})
    result = env.execute_sql(QUERY.format(columns="n, place, text"))
    wait_for(lambda: server.noted("answered") >= 100, 60, "100 streams")
    server.triton.server.kill()
    server.triton.server.start()
    with result.collect() as rows:
        got = sorted(tuple(row) for row in rows)
    assert got == [(n, place, text) for n in range(150) for place, text in enumerate(parts(n, 5))]
