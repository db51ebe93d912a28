"""The worker's process, driven as the shim drives it: frames in, frames out, and what ends it."""

from __future__ import annotations

import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from shim import FLOATS, Shim, add_model
from triton import Triton

from pyflink_triton.bridge.frames import PROTOCOL
from pyflink_triton.metric_table import MetricType, names
from pyflink_triton.version import __version__


@pytest.fixture
def shim() -> Iterator[Shim]:
    with Shim() as made:
        yield made


SUM = pa.schema([("c0", pa.float32())])


def test_rows_are_answered_by_number_and_counted(shim: Shim, triton: Triton) -> None:
    opened = shim.hello().open(triton.http_url)
    assert opened.kind == "opened", opened.header
    assert (opened.header["frame_rows"], opened.header["rows_in_flight"]) == (256, 1536)
    firsts = {n: shim.rows((n, 1.0), (None, 1.0), (n, n)) for n in range(20)}
    assert list(firsts.values()) == list(range(0, 60, 3))
    answers, errors = shim.results(60, SUM)
    assert errors == {}
    for n, first in firsts.items():
        assert [answers[first + row] for row in range(3)] == [(n + 1,), (None,), (2 * n,)]
    calls = shim.counters["http_requests"]
    assert 1 <= calls <= 20
    counted = {"requests": 40, "success": 40, "output_rows": 40, "null_rows": 20, "http_requests": calls}
    counted["worker_cpu_time"] = shim.counters["worker_cpu_time"]
    assert shim.counters == {**dict.fromkeys(names(MetricType.COUNTER), 0), **counted}
    assert {name: len(samples) for name, samples in shim.histograms.items()} == {
        "latency": calls,
        "queue_time": calls,
        "batch_size": calls,
    }
    assert sum(shim.histograms["batch_size"]) == 40


def test_the_time_that_rows_waited_in_the_shim_is_queue_time(shim: Shim, triton: Triton) -> None:
    assert shim.hello().open(triton.http_url).kind == "opened"
    began = time.monotonic()
    shim.rows((1.0, 1.0), waited=7_000_000)
    shim.results(1, SUM)
    (milliseconds,) = shim.histograms["queue_time"]
    assert 7000 <= milliseconds < 7000 + (time.monotonic() - began) * 1000


def test_rows_that_are_sent_again_alone_have_waited_once(shim: Shim, triton: Triton) -> None:
    columns = [{"name": "x", "type": "BIGINT"}]
    options = {"endpoint": triton.http_url, "model-name": "fails", "default-value": "null", "max-retries": "0"}
    shim.hello().send("open", model="m", options=options, input=columns, output=columns, task={})
    assert shim.receive().kind == "opened"
    shim.predict(pa.record_batch([pa.array([1, -1, 2, 3], pa.int64())], names=["c0"]))
    shim.results(4, pa.schema([("c0", pa.int64())]))
    assert shim.counters["http_requests"] == len(shim.histograms["latency"]) == 5
    assert shim.counters["errors_model"] == 3
    assert len(shim.histograms["queue_time"]) == 1


def test_what_the_worker_uses_is_told_each_second(shim: Shim) -> None:
    began = time.monotonic()
    shim.hello()
    for _ in range(3):
        shim.receive("heartbeat")
    resident = int(Path(f"/proc/{shim.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()
    assert shim.gauges["worker_memory"] == pytest.approx(resident, rel=0.1)
    assert 0 < shim.counters["worker_cpu_time"] <= 1000 * (time.monotonic() - began + 60)


def test_an_answer_leaves_while_its_frame_waits_for_others(shim: Shim, triton: Triton) -> None:
    columns = [{"name": "milliseconds", "type": "INT"}]
    options = {"endpoint": triton.http_url, "model-name": "slow", "max-batch-size": "1", "max-in-flight-requests": "1"}
    shim.hello().send("open", model="m", options=options, input=columns, output=columns, task={})
    assert shim.receive().kind == "opened"
    first = shim.predict(pa.record_batch([pa.array([1, None, 2, 600], pa.int32())], names=["c0"]))
    quick: list[int] = []
    while len(quick) < 3:
        for start, count in shim.receive("result").header["rows"]:
            quick += range(start, start + count)
    assert sorted(quick) == [first, first + 1, first + 2]
    assert shim.receive("result").header["rows"] == [[first + 3, 1]]


def test_a_row_that_fails_is_named_and_its_neighbours_are_answered(shim: Shim, triton: Triton) -> None:
    columns = [{"name": "x", "type": "INT"}]
    options = {"endpoint": triton.http_url, "model-name": "identity_uint8"}
    output = [{"name": "y", "type": "SMALLINT"}]
    shim.hello().send("open", model="c.d.u", options=options, input=columns, output=output, task={})
    assert shim.receive().kind == "opened"
    batch = pa.record_batch([pa.array([1, 256, 255], pa.int32())], names=["c0"])
    shim.predict(batch)
    answers, errors = shim.results(3, pa.schema([("c0", pa.int16())]))
    assert errors == {1: "Model 'c.d.u': column 'x' is out of the range of UINT8."}
    assert answers == {0: (1,), 1: (None,), 2: (255,)}


def test_what_is_found_while_rows_are_predicted_is_logged_once_and_shown(shim: Shim, triton: Triton) -> None:
    columns = [{"name": "x", "type": "BIGINT"}]
    options = {"endpoint": triton.http_url, "model-name": "one_row"}
    shim.hello().send("open", model="c.d.o", options=options, input=columns, output=columns, task={})
    assert shim.receive().kind == "opened"
    batch = pa.record_batch([pa.array(range(200), pa.int64())], names=["c0"])
    shim.predict(batch)
    shim.results(200, pa.schema([("c0", pa.int64())]))
    assert shim.gauges["batch_limit"] == 1
    shim.send("close")
    shim.process.wait(10)
    (record,) = [record for record in shim.logged if record["logger"] == "pyflink_triton"]
    assert record["level"] == "WARN"
    assert record["message"].startswith(f"Model 'c.d.o': {triton.http_url} refused 3 requests of up to ")


def test_close_and_the_end_of_input_end_the_worker_with_calls_under_way(triton: Triton) -> None:
    for end in ("close", "eof"):
        shim = Shim().hello()
        columns = [{"name": "milliseconds", "type": "INT"}]
        options = {"endpoint": triton.http_url, "model-name": "slow"}
        shim.send("open", model="m", options=options, input=columns, output=columns, task={})
        opened = shim.receive()
        assert opened.kind == "opened", opened.header
        batch = pa.record_batch([pa.array([3000], pa.int32())], names=["c0"])
        shim.predict(batch)
        assert shim.process.stdin is not None
        if end == "close":
            shim.send("close")
        else:
            shim.process.stdin.close()
        assert shim.process.wait(2.5) == 0, shim.stderr()


def test_heartbeats_come_each_second(shim: Shim) -> None:
    shim.hello()
    for _ in range(2):
        assert shim.receive("heartbeat").kind == "heartbeat"


def test_a_shim_of_another_version_is_told_both(shim: Shim) -> None:
    shim.send("hello", protocol=PROTOCOL, version="9.9.9")
    message = shim.receive("error").header["message"]
    assert "9.9.9" in message
    assert __version__ in message


def test_nonsense_ends_the_worker(triton: Triton) -> None:
    for nonsense in (b"\xff" * 64, b"\5\0\0\0" + b"\0" * 8 + b"hello", b"\2\0\0\0" + b"\0" * 8 + b"{}", b"\1\0"):
        shim = Shim()
        assert shim.process.stdin is not None
        shim.process.stdin.write(nonsense)
        shim.process.stdin.close()
        assert shim.process.wait(5) == 2
        assert "pyflink-triton worker:" in shim.stderr()


def test_rows_that_cannot_be_read_fail_the_worker(shim: Shim, triton: Triton) -> None:
    assert shim.hello().open(triton.http_url).kind == "opened"
    shim.predict_bytes(b"nonsense", 1)
    assert shim.receive("error").header["id"] is None
    batch = pa.record_batch([pa.array([1.0], pa.float32())] * 2, schema=FLOATS)
    shim.predict(batch, rows=2)
    assert shim.receive("error").header["id"] is None


def test_a_stray_print_corrupts_no_frame(triton: Triton, tmp_path: Any) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, os\n"
        "def spam():\n"
        "    import time\n"
        "    while True:\n"
        "        print('stray', flush=True); os.write(1, b'raw') if os.path.realpath('/proc/self/fd/1') == "
        "os.path.realpath('/proc/self/fd/2') else None; time.sleep(0.001)\n"
        "def start():\n"
        "    import sys\n"
        "    while sys.stdout is not sys.stderr: pass\n"
        "    spam()\n"
        "threading.Thread(target=start, daemon=True).start()\n"
    )
    shim = Shim(PYTHONPATH=str(tmp_path))
    drain = threading.Thread(target=shim.stderr, daemon=True)
    drain.start()
    assert shim.hello().open(triton.http_url).kind == "opened"
    for n in range(50):
        shim.rows((n, n))
        assert shim.results(1, SUM) == ({n: (2 * n,)}, {})
    shim.send("close")
    assert shim.process.wait(5) == 0


def test_planning_requests_are_answered_and_refused(shim: Shim, triton: Triton) -> None:
    shim.hello().send("plan", request="check", **add_model(triton.http_url))
    answer = shim.receive("answer").header["answer"]
    assert answer["capacity"] >= 1000
    assert answer["warnings"] == []
    shim.send("plan", request="check", **add_model(triton.http_url, "adder"))
    assert "'adder'" in shim.receive("error").header["message"]
    shim.send("plan", request="check", **add_model("http://127.0.0.1:9"))
    assert "Connection refused" in shim.receive("error").header["message"]
    shim.send("plan", request="check", **add_model("http://127.0.0.1:9", plan_check="best-effort"))
    assert "Connection refused" in shim.receive("answer").header["answer"]["warnings"][0]
    shim.send("plan", request="check", **add_model("http://127.0.0.1:9", plan_check="off"))
    assert shim.receive("answer").header["answer"]["warnings"] == []
    shim.send("plan", request="check", **add_model("http://host.invalid:8000"))
    assert "has no address" in shim.receive("error").header["message"]


def test_open_waits_for_the_server_and_then_says_what_is_missing(shim: Shim) -> None:
    opened = shim.hello().open("http://127.0.0.1:9", warmup_timeout="300 ms")
    assert opened.kind == "error"
    assert "Connection refused" in opened.header["message"]
    assert "'warmup-timeout'" in opened.header["message"]


def test_a_killed_worker_leaves_by_itself(shim: Shim) -> None:
    shim.hello().process.send_signal(signal.SIGKILL)
    assert shim.process.wait(5) == -signal.SIGKILL


def test_the_worker_imports_neither_pandas_nor_pyflink(triton: Triton, tmp_path: Any) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name.partition('.')[0] not in ('pandas', 'pyflink'), name\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    shim = Shim(PYTHONPATH=str(tmp_path)).hello()
    texts = pa.array(["a", None, "b"])
    lists = pa.array([[1.0], None, []], pa.list_(pa.float32()))
    small = pa.array([[1], [256, 1], [3]], pa.list_(pa.int32()))
    cases = [
        ("identity_bytes", "STRING", texts, texts.to_pylist()),
        ("identity_fp32_array", "ARRAY<FLOAT>", lists, lists.to_pylist()),
        ("identity_uint8", "ARRAY<INT>", small, [[1], [-1, 0], [3]]),
    ]
    for served, type_, values, expected in cases:
        columns, outputs = [{"name": "x", "type": type_}], [{"name": "y", "type": type_}]
        options = {"endpoint": triton.http_url, "model-name": served, "error-column": "why"}
        options["default-value"] = "[-1, 0]" if served == "identity_uint8" else "null"
        outputs.append({"name": "why", "type": "STRING"})
        shim.send("open", model="m", options=options, input=columns, output=outputs, task={})
        assert shim.receive().kind == "opened"
        batch = pa.record_batch([values], names=["c0"])
        first = shim.predict(batch)
        answers, _ = shim.results(3, pa.schema([("c0", values.type), ("c1", pa.utf8())]))
        assert [answers[first + row][0] for row in range(3)] == expected
    shim.send("close")
    assert shim.process.wait(5) == 0


def ask(shim: Shim, request: str, **fields: Any) -> dict[str, Any]:
    """Send a planning request; the answer, or {"error": its sentence}."""
    shim.send("plan", request=request, **fields)
    header = shim.receive().header
    answer: dict[str, Any] = header["answer"] if header["kind"] == "answer" else {"error": header["message"]}
    return answer


def declared(*columns: str) -> list[dict[str, str]]:
    return [dict(zip(("name", "type"), column.split(" ", 1), strict=True)) for column in columns]


def test_the_options_of_a_catalog_are_checked_without_a_server(shim: Shim) -> None:
    shim.hello()
    assert ask(shim, "defaults", options={"endpoint": "http://127.0.0.1:9", "timeout": "5 s"}) == {}
    assert ask(shim, "defaults", options={}) == {}
    assert "'time-out'" in ask(shim, "defaults", options={"time-out": "5 s"})["error"]
    assert "'model-name' is for one model" in ask(shim, "defaults", options={"model-name": "m"})["error"]


def test_the_models_that_are_ready_are_listed(shim: Shim, triton: Triton) -> None:
    shim.hello()
    names = ask(shim, "models", options={"endpoint": triton.http_url})["models"]
    assert names == sorted(name for name, state in triton.index().items() if state == "READY")
    assert ask(shim, "models", options={}) == {"models": []}
    assert "Connection refused" in ask(shim, "models", options={"endpoint": "http://127.0.0.1:9"})["error"]


@pytest.mark.parametrize(
    ("model", "options", "given", "inputs", "outputs"),
    [
        ("multi", {}, {}, ["amount FLOAT", "account BIGINT", "note STRING"], ["score FLOAT", "label STRING"]),
        ("multi", {"error-column": "why"}, {"input": ["note BYTES"]}, ["note BYTES"],
         ["score FLOAT", "label STRING", "why STRING"]),
        ("identity_fp32_nested", {}, {}, ["x ARRAY<ARRAY<FLOAT>>"], ["y ARRAY<ARRAY<FLOAT>>"]),
        ("sequence", {"sequence-id": "${user}-${x}", "sequence-start": "${first}"}, {},
         ["x BIGINT", "user STRING", "first BOOLEAN"], ["sum BIGINT", "id BIGINT"]),
        ("decoupled", {}, {}, ["x INT"], ["y INT"]),
        ("nowhere", {"endpoint": "http://127.0.0.1:9"}, {"input": ["a INT"], "output": ["b INT"]},
         ["a INT"], ["b INT"]),
    ],
)  # fmt: skip
def test_what_is_not_declared_comes_from_the_server(
    shim: Shim, triton: Triton, model: str, options: dict[str, str], given: dict[str, list[str]],
    inputs: list[str], outputs: list[str],
) -> None:  # fmt: skip
    written = {"endpoint": triton.http_url, "model-name": model, **options}
    fields = {side: declared(*columns) for side, columns in given.items()}
    answer = ask(shim.hello(), "describe", model="c.d.m", options=written, **fields)
    assert answer == {"input": declared(*inputs), "output": declared(*outputs)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model-name": "nowhere"}, "'nowhere'"),
        (
            {"endpoint": "http://127.0.0.1:9"},
            "is right. To create the model without the server, declare INPUT and OUTPUT.",
        ),
        ({"error-column": "SCORE"}, "'error-column' = 'SCORE' names a tensor"),
    ],
)
def test_a_model_that_cannot_be_described_says_why(
    shim: Shim, triton: Triton, options: dict[str, str], words: str
) -> None:
    written = {"endpoint": triton.http_url, "model-name": "multi", **options}
    assert words in ask(shim.hello(), "describe", model="c.d.m", options=written)["error"]


@pytest.mark.parametrize(
    ("model", "inputs", "outputs", "arguments", "cast", "gives"),
    [
        ("add", ["a FLOAT", "b FLOAT"], ["sum FLOAT"], ["INT NOT NULL", "DECIMAL(3, 1)"], ["FLOAT", "FLOAT"],
         ["FLOAT"]),
        ("add", ["a FLOAT", "b FLOAT"], ["sum FLOAT"], ["ARRAY<INT>", "NULL"], ["ARRAY<FLOAT>", "FLOAT"],
         ["ARRAY<FLOAT>"]),
        ("identity_fp32_matrix", ["x ARRAY<ARRAY<FLOAT>>"], ["y ARRAY<ARRAY<FLOAT>>"], ["ARRAY<DECIMAL(2, 1)>"],
         ["ARRAY<FLOAT>"], ["ARRAY<ARRAY<FLOAT>>"]),
        ("identity_fp32_matrix", ["x ARRAY<FLOAT>"], ["y ARRAY<FLOAT>"], ["ARRAY<ARRAY<FLOAT>>"],
         ["ARRAY<ARRAY<FLOAT>>"], ["ARRAY<FLOAT>"]),
        ("multi", ["amount FLOAT", "account BIGINT", "note STRING"], ["label STRING"],
         ["FLOAT", "TINYINT", "CHAR(3) NOT NULL"], ["FLOAT", "BIGINT", "STRING"], ["STRING"]),
    ],
)  # fmt: skip
def test_a_call_says_what_its_arguments_are_cast_to(
    shim: Shim, triton: Triton, model: str, inputs: list[str], outputs: list[str], arguments: list[str],
    cast: list[str], gives: list[str],
) -> None:  # fmt: skip
    options = {"endpoint": triton.http_url, "model-name": model}
    fields = {"model": "c.d.m", "options": options, "input": declared(*inputs), "output": declared(*outputs)}
    answer = ask(shim.hello(), "call", arguments=arguments, **fields)
    assert [column["type"] for column in answer["input"]] == cast
    assert [column["type"] for column in answer["output"]] == gives
    assert answer["capacity"] >= 1000
    sides = {"input": answer["input"], "output": answer["output"]}
    shim.send("open", **{**fields, **sides}, planned=answer["signature"], task={"subtask": 0})
    assert shim.receive().kind == "opened"


@pytest.mark.parametrize(
    ("model", "column", "argument", "words"),
    [
        ("identity_fp32", "x FLOAT", "DOUBLE", "CAST(... AS FLOAT)"),
        ("identity_fp32", "x FLOAT", "STRING", "CAST(... AS FLOAT)"),
        ("identity_fp32", "x FLOAT", "TIMESTAMP(3)", "TIMESTAMP(3)"),
        ("identity_fp32", "x FLOAT", "ARRAY<ARRAY<FLOAT>>", "Write ...[1][1]"),
        ("identity_fp32_nobatch", "x FLOAT", "ARRAY<FLOAT>", "declare it FLOAT"),
        ("identity_fp32_array", "x ARRAY<FLOAT>", "FLOAT", "Write ARRAY[...]"),
        ("identity_fp32_nested", "x ARRAY<ARRAY<FLOAT>>", "ARRAY<FLOAT>", "declare it ARRAY<ARRAY<FLOAT>>"),
    ],
)
def test_what_flink_does_not_cast_is_refused(
    shim: Shim, triton: Triton, model: str, column: str, argument: str, words: str
) -> None:
    options = {"endpoint": triton.http_url, "model-name": model}
    sides = {"input": declared(column), "output": declared(column.replace("x ", "y "))}
    answer = ask(shim.hello(), "call", model="c.d.m", options=options, arguments=[argument], **sides)
    assert words in answer["error"]
    answer = ask(shim, "call", model="c.d.m", options=options, arguments=["INT", "INT"], **sides)
    assert f"takes 1 columns ({column}), and 2 were given" in answer["error"]


def test_a_model_that_changed_since_the_plan_fails_the_job(shim: Shim, triton: Triton) -> None:
    fields = add_model(triton.http_url)
    planned = ask(shim.hello(), "check", **fields)["signature"]
    shim.send("open", **fields, planned={**planned, "max_batch_size": 7}, task={"subtask": 0})
    assert shim.receive().kind == "opened"
    other = {**planned, "inputs": [{**planned["inputs"][0], "datatype": "FP64"}, planned["inputs"][1]]}
    shim.send("open", **fields, planned=other, task={"subtask": 0})
    message = shim.receive("error").header["message"]
    assert "it was (a FP64[1], b FP32[1])" in message
    assert "and is (a FP32[1], b FP32[1])" in message


def test_without_the_server_what_can_be_checked_is(shim: Shim) -> None:
    fields = add_model("http://127.0.0.1:9", plan_check="off")
    assert "signature" not in ask(shim.hello(), "check", **fields)
    assert (
        "'error-column' = 'e'"
        in ask(shim, "check", **add_model("http://h", plan_check="off", error_column="e"))["error"]
    )
    assert ask(shim, "call", arguments=["INT", "ARRAY<FLOAT>"], **fields)["output"][0]["type"] == "ARRAY<FLOAT>"
