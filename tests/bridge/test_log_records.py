"""What Python logs in a worker reaches the shim: level, logger, words; limited, and without values and secrets."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from fault_places import background_proxy
from faults import triton_says
from shim import Shim
from triton import Triton

from pyflink_triton._logs import RateLimit
from pyflink_triton.bridge.log_records import LogRecords

#: A row that its model refuses, and that no log may hold.
VALUE = -7_310_042
SECRET = "hunter2hunter2"


def record(words: str, *arguments: Any, level: int = logging.WARNING, exc_info: Any = None) -> logging.LogRecord:
    return logging.LogRecord("a.logger", level, __file__, 1, words, arguments, exc_info)


def sent(*records: logging.LogRecord, redact: Any = bytes) -> list[Mapping[str, Any]]:
    """What the shim gets of some records, which are logged in another thread, too."""
    messages: list[Mapping[str, Any]] = []

    async def main() -> None:
        handler = LogRecords(messages.append, asyncio.get_running_loop())
        handler.redact = redact
        for each in records[:-1]:
            handler.handle(each)
        thread = threading.Thread(target=handler.handle, args=records[-1:])
        thread.start()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        await asyncio.sleep(0)

    asyncio.run(main())
    return messages


def test_a_record_keeps_its_level_and_its_logger_in_any_thread() -> None:
    levels = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
    messages = sent(*(record("%s and %d", "one", 2, level=level) for level in levels))
    assert [message["level"] for message in messages] == ["DEBUG", "INFO", "WARN", "ERROR", "ERROR"]
    assert {(message["kind"], message["logger"], message["message"]) for message in messages} == {
        ("log", "a.logger", "one and 2")
    }


def test_an_exception_is_logged_with_its_place_and_without_its_words() -> None:
    try:
        raise ValueError(f"{VALUE} is no number")
    except ValueError:
        (message,) = sent(record("it broke", exc_info=sys.exc_info()))
    assert message["message"].startswith("it broke\n")
    assert "test_log_records.py" in message["message"]
    assert message["message"].endswith("\nValueError")
    assert str(VALUE) not in message["message"]


def test_secrets_are_masked_and_long_records_cut() -> None:
    redacted = sent(record("token %s " + "x" * 9000, SECRET), redact=lambda text: text.replace(SECRET.encode(), b"***"))
    assert redacted[0]["message"].startswith("token *** xxx")
    assert len(redacted[0]["message"]) == 4096


def test_records_that_say_the_same_are_limited_and_counted() -> None:
    now = [0.0]
    limit = RateLimit(lambda: now[0])
    first = [limit.filter(record("the same of %d", number)) for number in range(30)]
    assert first == [True] * 5 + [False] * 25
    assert limit.filter(record("another"))
    assert limit.filter(record("the same of %d", 1, level=logging.ERROR))
    assert all(limit.filter(record("asked for", level=logging.DEBUG)) for _ in range(30))
    now[0] = 60.0
    again = record("the same of %d", 31)
    assert limit.filter(again)
    assert again.getMessage() == "the same of 31 (25 more like this were not logged)"


def test_many_kinds_of_records_take_no_more_memory() -> None:
    limit = RateLimit(lambda: 0.0)
    assert sum(limit.filter(record(f"number {number}")) for number in range(5000)) == 1005


@pytest.fixture
def shim() -> Any:
    with Shim() as made:
        yield made


def test_calls_that_fail_are_logged_without_the_rows_values(shim: Shim, triton: Triton) -> None:
    columns = [{"name": "x", "type": "BIGINT"}]
    options = {
        "endpoint": triton.http_url,
        "model-name": "fails",
        "default-value": "null",
        "max-batch-size": "1",
        "max-retries": "0",
        "trace-context": "true",
        "auth-token": SECRET,
    }
    shim.hello("DEBUG").send("open", model="c.d.f", options=options, input=columns, output=columns, task={})
    assert shim.receive().kind == "opened"
    shim.predict(pa.record_batch([pa.array([VALUE] * 20 + [1], pa.int64())], names=["c0"]))
    shim.results(21, pa.schema([("c0", pa.int64())]))
    failed = [each for each in shim.logged if each["level"] == "WARN" and each["logger"] == "pyflink_triton.calls"]
    assert len(failed) == 5
    told = failed[0]["message"]
    assert told.startswith(f"A call failed (model): Triton's model 'fails' at {triton.http_url} answered HTTP 500: ")
    assert told.endswith(", 1 rows]")
    assert " [request " in told
    assert ", trace " in told
    calls = [each["message"] for each in shim.logged if each["level"] == "DEBUG"]
    assert len(calls) == 21, "each call is logged where someone asks for it"
    everything = "".join(each["message"] for each in shim.logged)
    assert str(VALUE) not in everything
    assert SECRET not in everything
    assert shim.counters["errors_model"] == 20
    assert shim.counters["http_requests"] == 21


@pytest.mark.parametrize(
    ("status", "words", "is_told"),
    [
        (404, "no customer SECRETROW", False),
        (429, "SECRETROW comes too often", False),
        (503, "cannot score SECRETROW", False),
        (503, "Exceeds maximum queue size", True),
    ],
)
def test_only_known_words_of_a_server_are_logged(
    status: int, words: str, is_told: bool, shim: Shim, triton: Triton
) -> None:
    """A model may answer any status, with its rows' values in the words."""
    with background_proxy(triton.http_url, always=triton_says(status, words)) as proxy:
        assert shim.hello("DEBUG").open(proxy.url, max_retries="0", default_value="0").kind == "opened"
        shim.rows((1.0, 1.0))
        assert shim.receive().kind in ("result", "error")
    failed = [each["message"] for each in shim.logged if each["logger"] == "pyflink_triton.calls"]
    assert f"HTTP {status}" in "".join(failed)
    assert (words in "".join(failed)) == is_told


def test_what_is_below_the_shims_level_is_not_sent(shim: Shim, triton: Triton) -> None:
    assert shim.hello("ERROR").open(triton.http_url, max_batch_size="1", auth_token=SECRET).kind == "opened"
    shim.rows((1.0, 1.0))
    shim.results(1, pa.schema([("c0", pa.float32())]))
    assert shim.logged == []
