"""Servers of the protocol that are not Triton: kserve's, the real one, and MLServer, which is refused."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fault_places import background_proxy
from gate import gate
from kserve_process import KServe
from triton import Triton
from type_cases import NATURAL, SHAPES

from pyflink_triton.bridge.planning_handlers import PLANNING_HANDLERS
from pyflink_triton.errors import ContractError, OptionError, TritonError
from pyflink_triton.metrics import Metrics
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import OpenedModel, open_model

QUICK = {"retry-initial-backoff": "5 ms", "retry-max-backoff": "20 ms", "max-retries": "2", "warmup-timeout": "5s"}
#: What makes a statement ask nobody.
UNASKED = {"plan-check": "off", "max-batch-size": "8"}
X, Y = {"x": "BIGINT"}, {"y": "BIGINT"}
FORMS = ("asked", "parameter", "mixed", "json")
#: kserve knows no BF16.
CASES = [case for case in NATURAL if case.datatype != "bf16"]


@dataclass
class Outcome:
    """What became of some rows.

    Attributes:
        rows: Their outputs.
        errors: The messages of those that failed.
        warnings: What the model warned of when it was opened.
        counters: What was counted.
        sizes: The rows of each call.
    """

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    sizes: list[float] = field(default_factory=list)


def columns(types: Mapping[str, str]) -> list[ColumnType]:
    return [{"name": name, "type": type_} for name, type_ in types.items()]


def asked(
    url: str, served: str, inputs: Mapping[str, str] = X, outputs: Mapping[str, str] = Y, /, **options: str | None
) -> OpenRequest:
    changes = {key.replace("_", "-"): value for key, value in options.items()}
    written = {"endpoint": url, "model-name": served, "max-batch-size": "8", **QUICK, **changes}
    chosen = {key: value for key, value in written.items() if value is not None}
    return {"model": "m", "options": chosen, "input": columns(inputs), "output": columns(outputs)}


def batch(opened: OpenedModel, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    types = [type_.arrow for type_ in opened.columns.argument_types]
    arrays = [pa.array(side, type_) for side, type_ in zip(zip(*rows, strict=True), types, strict=True)]
    return pa.record_batch(arrays, names=[f"c{n}" for n in range(len(arrays))])


async def send(request: OpenRequest, rows: Sequence[Sequence[Any]]) -> Outcome:
    metrics = Metrics()
    opened = await open_model(request, metrics)
    try:
        prediction = await opened.predict(batch(opened, rows))
        taken = metrics.take() or {"counters": {}, "histograms": {}, "gauges": {}}
        found = [tuple(row.values()) for row in prediction.outputs.to_pylist()]
        sizes = taken["histograms"].get("batch_size", [])
        return Outcome(found, prediction.errors, opened.warnings, taken["counters"], sizes)
    finally:
        await opened.close()


def predict(request: OpenRequest, *rows: Any) -> Outcome:
    """Send rows; one of a single column may be its value."""
    return asyncio.run(send(request, [row if isinstance(row, tuple) else (row,) for row in rows]))


def ask(what: str, request: Any) -> Any:
    """Send a planning request."""

    async def answer() -> Any:
        return await PLANNING_HANDLERS[what]({"request": what, **request})

    return asyncio.run(answer())


def refused(request: OpenRequest, what: str = "check") -> str:
    with pytest.raises(TritonError) as error:
        ask(what, request)
    return str(error.value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", ["", "_array", "_nested", "_nobatch"])
def test_every_type_in_every_form(kserve: KServe, suffix: str, form: str) -> None:
    """JSON holds all but infinities, which kserve writes as null, and FP16, which it refuses to write."""
    is_json = form in ("mixed", "json")
    around, wrap = SHAPES[suffix.replace("_nobatch", "")]
    cases = [case for case in CASES if not is_json or case.datatype != "fp16"]
    values = [
        wrap([value for value in case.values if not (is_json and isinstance(value, float) and math.isinf(value))])
        for case in cases
    ]
    rows = [tuple(column[n % len(column)] for column in values) for n in range(max(map(len, values)))]
    with_null = (None, *rows[0][1:])
    inputs = {f"in_{case.datatype}": around.format(case.given) for case in cases}
    outputs = {f"out_{case.datatype}": around.format(case.answered) for case in cases}
    size = "0" if suffix == "_nobatch" else "8"
    got = predict(asked(kserve.url, f"types{suffix}_{form}", inputs, outputs, max_batch_size=size), *rows, with_null)
    assert got.errors == {}
    assert got.rows == [*rows, (None,) * len(cases)]


def test_a_model_is_described_as_its_server_does(kserve: KServe) -> None:
    request = {"model": "m", "options": asked(kserve.url, "fraud")["options"]}
    described = ask("describe", request)
    assert described["input"] == columns({"amount": "FLOAT", "account": "BIGINT", "note": "STRING"})
    assert described["output"] == columns({"score": "FLOAT", "label": "STRING"})
    assert ask("check", {**request, **described, "max-batch-size": "8"})["warnings"] == []


def test_the_models_are_listed(kserve: KServe) -> None:
    names = ask("models", {"options": {"endpoint": kserve.url}})["models"]
    assert names == sorted(names)
    assert {"fraud", "fails", "bare", "late"} <= set(names)


def test_rows_go_in_batches_and_are_counted(kserve: KServe) -> None:
    got = predict(asked(kserve.url, "rows", max_batch_size="4"), *range(9), None)
    assert sorted(got.sizes) == [1, 4, 4]
    assert Counter(got.rows) == {(4,): 8, (1,): 1, (None,): 1}
    assert got.rows[-1] == (None,)
    counted = {"requests": 9, "success": 9, "output_rows": 9, "http_requests": 3}
    assert {key: got.counters.get(key, 0) for key in counted} == counted


def test_a_row_that_fails_fails_alone(kserve: KServe) -> None:
    got = predict(asked(kserve.url, "fails"), 1, -1, 2, 400, 3)
    assert got.rows == [(1,), (None,), (2,), (None,), (3,)]
    at = f"kserve's model 'fails' at {kserve.url} answered HTTP"
    assert got.errors[1].startswith(f"{at} 500: ValueError : must not be negative (request ")
    assert got.errors[3] == f"{at} 400: must not be 400"
    assert (got.counters["success"], got.counters["failure"]) == (3, 2)
    covered = predict(asked(kserve.url, "fails", default_value="-7"), 1, -1)
    assert covered.rows == [(1,), (-7,)]


def test_nan_needs_a_binary_answer(kserve: KServe) -> None:
    floats = {"x": "FLOAT"}, {"y": "FLOAT"}
    values = (1.0, math.inf, 2.0, -math.inf, 3.0)
    assert [y for (y,) in predict(asked(kserve.url, "same_asked", *floats), *values).rows] == list(values)
    got = predict(asked(kserve.url, "same_json", *floats), *values)
    assert got.rows == [(1.0,), (None,), (2.0,), (None,), (3.0,)]
    assert set(got.errors) == {1, 3}
    assert f"output 'y' holds null, which is how JSON has NaN and infinities. {Remedy.ANSWER_BINARY()}" in got.errors[1]
    assert math.isnan(predict(asked(kserve.url, "same_asked", *floats), math.nan).rows[0][0])


def test_bytes_that_are_not_text_are_the_rows_fault(kserve: KServe) -> None:
    """kserve reads each input of the datatype BYTES as text, whatever the model does with it."""
    multi = {"amount": "FLOAT", "account": "BIGINT", "note": "BYTES"}, {"label": "STRING"}
    got = predict(asked(kserve.url, "fraud", *multi), (1.0, 1, b"a"), (1.0, 1, b"\xff"), (1.0, 1, "é".encode()))
    assert got.rows == [("A",), (None,), ("É",)]
    assert "using UTF-8" in got.errors[1]
    assert got.counters["http_requests"] == 5  # three rows, their halves, and the halves of two: none is sent again


def test_float16_in_json_is_the_servers_refusal(kserve: KServe) -> None:
    got = predict(asked(kserve.url, "half", {"x": "FLOAT"}, {"y": "FLOAT"}), 1.0)
    assert "answered HTTP 400: Sending FP16 data via JSON is not supported" in got.errors[0]


def test_parameters_reach_the_model(kserve: KServe) -> None:
    assert predict(asked(kserve.url, "parameter", X, {"y": "STRING"}, **{"parameters.k": "v"}), 1).rows == [("v",)]


def test_json_may_be_nested(kserve: KServe) -> None:
    got = predict(asked(kserve.url, "nested", X, {"y": "ARRAY<ARRAY<DOUBLE>>"}), 1, 2)
    assert got.rows == [([[0.1, 2.0], [3.0, 4.0]],)] * 2


@pytest.mark.parametrize(
    ("served", "type_", "words"),
    [
        ("beyond", "TINYINT", "output 'y' holds a value that is not INT8"),
        ("written", "BIGINT", "output 'y' holds a value that is not INT64"),
        ("null", "BIGINT", "output 'y' holds a value that is not INT64"),
        ("few", "ARRAY<BIGINT>", "output 'y' has 8 bytes for the shape [1, 2]"),
        ("uneven", "ARRAY<BIGINT>", "output 'y' has values of different depths"),
        ("wrong", "INT", "output 'y' is INT64, and the model promised INT32"),
    ],
)
def test_json_that_breaks_the_contract(kserve: KServe, served: str, type_: str, words: str) -> None:
    with pytest.raises(ContractError) as error:
        predict(asked(kserve.url, served, X, {"y": type_}), 1)
    assert words in str(error.value)
    assert "Triton" not in str(error.value)


@pytest.mark.parametrize(
    ("served", "options", "words"),
    [
        ("fails", {"max_batch_size": None}, f"does not say whether it has a batch axis: {Remedy.SET_BATCH_SIZE()}"),
        ("fails", {"model_version": "3"}, f"which has no versions of a model. {Remedy.LEAVE_OUT()}"),
        ("fails", {"priority": "3"}, "option 'priority' has no effect, because the server at"),
        ("fails", {"sequence_id": "a", "sequence_start": "true"}, "is kserve, which has no sequences"),
        ("fails", {"compression": "gzip"}, "is kserve, which has no compressed requests"),
        ("fails", {"responses": "one"}, "is kserve, which has no streams of responses"),
        ("brain", {}, f"has the tensor 'x' of BF16, which kserve cannot read. {Remedy.CHANGE_DATATYPE()}"),
        ("bare", {}, f"does not describe its inputs. {Remedy.DESCRIBE_TENSORS()}"),
        ("none", {}, "is not ready: HTTP 404 for /v2/models/none: Model with name none does not exist."),
        ("late", {}, "is not ready: HTTP 503: Model with name late is not ready."),
    ],
)
def test_what_it_cannot_do_is_said_when_planned(
    kserve: KServe, served: str, options: dict[str, str | None], words: str
) -> None:
    said = refused(asked(kserve.url, served, **options))
    assert words in said
    assert "kserve" in said
    assert "Triton" not in said


def test_rows_may_name_their_models_and_no_versions(kserve: KServe) -> None:
    inputs = {"x": "BIGINT", "m": "STRING"}
    request = asked(kserve.url, "${m}", inputs, Y, allowed_models="*")
    got = predict(request, (1, "fails"), (2, "bare"), (3, "none"), (4, "half"))
    assert got.rows == [(1,), (2,), (None,), (None,)]
    assert "the model that column 'm' names is not loaded at" in got.errors[2]
    assert "its input is x FP16[1], and the declared column stands for x INT64[1]" in got.errors[3]
    versions = asked(kserve.url, "fails", {"x": "BIGINT", "v": "STRING"}, Y, model_version="${v}")
    with pytest.raises(OptionError) as error:
        predict(versions, (1, "3"))
    assert "is kserve, which has no versions of a model" in str(error.value)


def test_what_is_said_helps(kserve: KServe) -> None:
    request = asked(kserve.url, "fails")
    assert "priority" not in request["options"]
    answer = ask("check", request)
    assert answer["signature"]["max_batch_size"] == 8
    assert answer["warnings"] == []
    assert predict({**request, "planned": answer["signature"]}, 1).rows == [(1,)]


@pytest.mark.parametrize("served", ["bare", "bare_json"])
def test_the_declaration_stands_for_what_a_model_does_not_describe(kserve: KServe, served: str) -> None:
    got = predict(asked(kserve.url, served, **{key.replace("-", "_"): value for key, value in UNASKED.items()}), 1, 2)
    assert got.rows == [(1,), (2,)]
    assert f"kserve's model '{served}' at {kserve.url} does not describe its inputs" in got.warnings[0]
    assert "(x INT64[1]) -> (y INT64[1])" in got.warnings[0]


def test_a_value_for_each_row_may_come_without_another_axis(kserve: KServe) -> None:
    """So do kserve's own servers for scikit-learn and the like."""
    columns = {"features": "ARRAY<DOUBLE>"}, {"output-0": "DOUBLE"}
    got = predict(asked(kserve.url, "iris", *columns, plan_check="off"), ([1.0, 2.0],), (None,), ([3.0, 4.5],))
    assert got.rows == [(3.0,), (None,), (7.5,)]


def test_behind_a_gateway_that_hides_all_but_inferences_answers_have_to_be_binary(kserve: KServe) -> None:
    """What kind of server it is cannot be seen there."""
    floats = {"x": "FLOAT"}, {"y": "FLOAT"}
    with gate(kserve.url, hidden=403) as hiding:
        assert predict(asked(hiding.url, "same_asked", *floats, plan_check="off"), 1.5).rows == [(1.5,)]
        with pytest.raises(ContractError, match="the server's answer has the id of another request"):
            predict(asked(hiding.url, "same_json", *floats, plan_check="off"), 1.5)


def test_a_triton_is_not_asked_what_it_is(triton: Triton) -> None:
    with background_proxy(triton.http_url) as proxy:
        assert predict(asked(proxy.url, "fails"), 1, -1, 2).rows == [(1,), (None,), (2,)]
    questions = [call.path for call in proxy.calls if not call.is_inference]
    model = "/v2/models/fails"
    assert questions == [f"{model}/ready", model, f"{model}/config"]


def calls(server: KServe, model: str) -> int:
    """How many inferences a server's log has."""
    return server.log.read_text().count(f"POST /v2/models/{model}/infer")


def test_endpoints_may_be_of_two_kinds(kserve: KServe, triton: Triton) -> None:
    before = calls(kserve, "fails")
    request = asked(f"{triton.http_url},{kserve.url}", "fails", max_batch_size="1")
    assert predict(request, *range(400)).rows == [(x,) for x in range(400)]
    assert 0 < calls(kserve, "fails") - before < 400


def test_an_endpoint_that_comes_later_is_known_too(kserve: KServe, tmp_path: Path) -> None:
    late = KServe(tmp_path / "log")
    floats = {"x": "FLOAT"}, {"y": "FLOAT"}
    request = asked(f"{late.url},{kserve.url}", "same_json", *floats, max_batch_size="1", max_in_flight_requests="2")

    async def main() -> None:
        opened = await open_model(request, Metrics())
        try:
            late.start()
            for _ in range(100):
                prediction = await opened.predict(batch(opened, [(1.5,)] * 20))
                assert prediction.errors == {}
                assert prediction.outputs.column(0).to_pylist() == [1.5] * 20
                if calls(late, "same_json"):
                    return
            pytest.fail("the endpoint was not asked")
        finally:
            await opened.close()

    try:
        asyncio.run(main())
    finally:
        late.stop()


def test_a_restart_costs_its_time_and_no_row(tmp_path: Path) -> None:
    """While it ends it says that it has no models."""
    server = KServe(tmp_path / "log")
    server.start()

    async def main() -> None:
        opened = await open_model(asked(server.url, "rows", max_batch_size="1"), Metrics())
        over = asyncio.Event()
        answered = 0

        async def rows() -> None:
            nonlocal answered
            while not over.is_set():
                prediction = await opened.predict(batch(opened, [(1,)] * 4))
                assert prediction.errors == {}
                answered += 4

        try:
            working = [asyncio.create_task(rows()) for _ in range(4)]
            while not answered:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(server.stop)
            before = answered
            await asyncio.to_thread(server.start)
            while answered < before + 100:
                await asyncio.sleep(0.01)
            over.set()
            await asyncio.gather(*working)
        finally:
            await opened.close()

    try:
        asyncio.run(asyncio.wait_for(main(), 120))
    finally:
        server.stop()


class MLServer(BaseHTTPRequestHandler):
    """Answers as MLServer 1.7 does."""

    def do_GET(self) -> None:
        x = {"name": "x", "datatype": "INT64", "shape": [-1, 1]}
        model = {"name": "m", "versions": [], "platform": "", "inputs": [x], "outputs": [{**x, "name": "y"}]}
        server = {"name": "mlserver", "version": "1.7.1", "extensions": []}
        found: dict[str, Any] = {"/v2": server, "/v2/models/m": model, "/v2/models/m/ready": None}
        if self.path in found:
            self._answer(200, found[self.path])
        elif "/versions/" in self.path:
            self._answer(404, {"error": "Model m with version 1 not found"})
        else:
            self._answer(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v2/repository/index" or body != b"{}":
            self._answer(422, {"detail": [{"type": "missing", "loc": ["body"], "msg": "Field required"}]})
        else:
            self._answer(200, [{"name": "m", "state": "READY", "reason": ""}])

    def _answer(self, status: int, body: Any) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def mlserver() -> Iterator[str]:
    """A URL where something answers as MLServer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), MLServer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("options", [{}, {"max_batch_size": None}, {"model_version": "1"}])
def test_mlserver_is_refused_in_one_sentence(kserve: KServe, options: dict[str, str | None]) -> None:
    with mlserver() as url:
        sentence = (
            f"the server at {url} is MLServer, which takes tensors in JSON only, and this package sends them in binary "
            f"form. {Remedy.CHANGE_SERVER()}"
        )
        assert refused(asked(url, "m", **options)) == sentence
        with pytest.raises(TritonError) as error:
            predict(asked(url, "m", **options, plan_check="off"), 1)
        assert str(error.value) == sentence
        assert ask("models", {"options": {"endpoint": url}})["models"] == ["m"]
    ask("check", asked(kserve.url, "fails"))
