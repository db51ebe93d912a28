"""Every stream of support/streams.py from a real Triton, through a proxy, for each value of `responses`."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from deliveries import upstream
from fault_proxy import FaultProxy
from faults import PASS, Step
from streams import AFTER_A_FAILURE, DOCUMENT, MODES, ONE_AFTER_THE_OTHER, OPTIONS, STREAMS, Stream, document
from triton import Triton

from pyflink_triton.errors import AccessError, ContractError, JobError, PlanError
from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.open_model import open_model

Columns = Mapping[str, str]
SCRIPT, TEXT = {"script": "STRING"}, {"text": "STRING"}


@dataclass
class Outcome:
    """What became of rows: a list of values for each, and the message of each that failed."""

    rows: list[list[Any]] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    histograms: Mapping[str, Sequence[float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


async def predict(
    url: str, model: str, inputs: Columns, outputs: Columns, rows: Sequence[Sequence[Any]], **options: str
) -> Outcome:
    """Predict rows with a model; the options have `_` for `-`, and `__` for `.`."""
    written = {key.replace("__", ".").replace("_", "-"): value for key, value in options.items()}
    sides = {
        side: [{"name": name, "type": type_} for name, type_ in columns.items()]
        for side, columns in (("input", inputs), ("output", outputs))
    }
    metrics = Metrics()
    request: Any = {"model": "m", "options": {"endpoint": url, "model-name": model, **written}, **sides}
    opened = await open_model(request, metrics)
    try:
        types = [type_.arrow for type_ in opened.columns.argument_types]
        columns = [pa.array(values, type_) for values, type_ in zip(zip(*rows, strict=True), types, strict=True)]
        batch = pa.record_batch(columns, names=[f"c{place}" for place in range(len(columns))])
        began = time.monotonic()
        predicted = await opened.predict(batch)
        seconds = time.monotonic() - began
    finally:
        await opened.close()
    taken = metrics.take()
    assert taken is not None
    values = zip(*(column.to_pylist() for column in predicted.outputs.columns), strict=True)
    counters, answers = Counter(taken["counters"]), [list(row) for row in values]
    return Outcome(answers, predicted.errors, counters, taken["histograms"], opened.warnings, seconds)


def scripts(url: str, *texts: Any, outputs: Columns | None = None, model: str = "script", **options: str) -> Outcome:
    """Predict rows that are scripts."""
    rows = [(None if text is None else json.dumps(text),) for text in texts]
    work = predict(url, model, SCRIPT, outputs or TEXT, rows, **options)
    return asyncio.run(asyncio.wait_for(work, 60))


#: The row beside a case's; no fault is made for it.
BESIDE = json.dumps(["beside"])


async def streams(url: str, mode: str, texts: Sequence[str], options: Mapping[str, str]) -> Outcome:
    """Predict rows that are scripts, with the options of every case and more."""
    outputs = {"text": "ARRAY<STRING>" if mode == "array" else "STRING"}
    written = {key.replace("-", "_"): value for key, value in {**OPTIONS, **options}.items()}
    return await predict(url, "script", SCRIPT, outputs, [(text,) for text in texts], responses=mode, **written)


async def through_proxy(case: Stream, mode: str, triton: Triton) -> tuple[Outcome, int]:
    async with FaultProxy(upstream(triton.http_url), case.steps, spared=b"beside") as proxy:
        outcome = await streams(proxy.url, mode, [case.text, BESIDE], case.options)
        return outcome, len([call for call in proxy.inferences if b"beside" not in call.body])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.what)
def test_a_stream(case: Stream, mode: str, triton: Triton) -> None:
    outcome, requests = asyncio.run(asyncio.wait_for(through_proxy(case, mode, triton), 60))
    expected, message = case.outcome(mode)
    assert outcome.rows[0] == [expected]
    assert message in outcome.errors.get(0, ""), outcome.errors
    assert (0 in outcome.errors) == bool(message)
    assert requests == case.requests
    assert outcome.counters["retries"] == case.requests - 1
    assert outcome.seconds >= case.seconds
    # The row beside it is answered, whatever becomes of this one.
    assert outcome.rows[1] == [["beside"] if mode in ("array", "rows") else "beside"]


@pytest.mark.parametrize("mode", MODES)
def test_what_a_failed_row_leaves_is_no_response_to_the_next(mode: str, triton: Triton) -> None:
    async def main() -> Outcome:
        async with FaultProxy(upstream(triton.http_url), always=Step("whole")) as proxy:
            return await streams(proxy.url, mode, [case.text for case in AFTER_A_FAILURE], ONE_AFTER_THE_OTHER)

    outcome = asyncio.run(asyncio.wait_for(main(), 60))
    for place, case in enumerate(AFTER_A_FAILURE):
        expected, message = case.outcome(mode)
        assert outcome.rows[place] == [expected], case.what
        assert message in outcome.errors.get(place, ""), (case.what, outcome.errors)
        assert (place in outcome.errors) == bool(message), case.what


def test_the_page() -> None:
    assert DOCUMENT.read_text() == document(), "run `make pages`"


#: An input of the model script_inputs: its type, values, and how the model's JSON has what it got.
INPUTS: dict[str, tuple[str, Sequence[Any], Sequence[Any]]] = {
    "one_INT8": ("TINYINT", [-128, 127], [[-128], [127]]),
    "one_INT64": ("BIGINT", [-(2**63), 2**63 - 1], [[-(2**63)], [2**63 - 1]]),
    "one_UINT8": ("SMALLINT", [0, 255], [[0], [255]]),
    "one_UINT64": ("DECIMAL(20, 0)", [Decimal(2**64 - 1), Decimal(2**53 + 1)], [[2**64 - 1], [2**53 + 1]]),
    "one_FP32": ("FLOAT", [math.nan, 16777217.0], [["nan"], [(16777216.0).hex()]]),
    "one_FP64": ("DOUBLE", [-math.inf, 5e-324], [["-inf"], [(5e-324).hex()]]),
    "one_BOOL": ("BOOLEAN", [True, False], [[True], [False]]),
    "pair": ("ARRAY<BIGINT>", [[1, 2], [2**62 + 1, -3]], [[1, 2], [2**62 + 1, -3]]),
    "vector": (
        "ARRAY<FLOAT>",
        [[0.5, -0.0, 1e-45], [2.0]],
        [[(0.5).hex(), (-0.0).hex(), (1.401298464324817e-45).hex()], [(2.0).hex()]],
    ),
    "texts": ("ARRAY<STRING>", [["", '"\\\n', "é\u2028😀"], ["x"]], [["", '"\\\n', "é\u2028😀"], ["x"]]),
    "id": ("STRING", ["of the row", ""], [["of the row"], [""]]),
}


def test_every_input_arrives_as_it_was(triton: Triton) -> None:
    types = {**SCRIPT, **{name: type_ for name, (type_, _, _) in INPUTS.items()}}
    rows = [('[{"inputs": 1}]', *(values[n] for _, values, _ in INPUTS.values())) for n in (0, 1)]
    outcome = asyncio.run(predict(triton.http_url, "script_inputs", types, TEXT, rows, parameters__more="1"))
    assert not outcome.errors
    for n in (0, 1):
        expected = {name: got[n] for name, (_, _, got) in INPUTS.items()}
        assert json.loads(outcome.rows[n][0]) == expected


def test_hundreds_at_once(triton: Triton) -> None:
    outcome = scripts(triton.http_url, *([{"sleep": 0.5}, str(row), "!"] for row in range(300)), responses="join")
    assert outcome.rows == [[f"{row}!"] for row in range(300)]
    assert outcome.counters["responses"] == 600
    assert len(outcome.histograms["first_response_latency"]) == 300
    assert min(outcome.histograms["first_response_latency"]) >= 500


def test_several_outputs_and_missing_ones(triton: Triton) -> None:
    outputs = {"text": "STRING", "number": "BIGINT", "score": "FLOAT", "flag": "BOOLEAN", "vector": "ARRAY<FLOAT>"}
    stream = [
        {"outputs": {"text": ["a"], "number": [2**63 - 1], "score": [0.1], "flag": [True], "vector": [1, 2]}},
        {"outputs": {"text": ["b"], "score": [float("nan")]}},
        {"outputs": {"number": [-1], "vector": []}},
    ]
    joined = scripts(triton.http_url, stream, outputs=outputs, model="script_many", responses="join")
    assert joined.rows == [["ab", -1, None, None, []]]
    arrays = {name: f"ARRAY<{type_}>" for name, type_ in outputs.items() if name not in ("vector", "score")}
    listed = scripts(triton.http_url, stream, outputs=arrays, model="script_many", responses="array")
    assert listed.rows == [[["a", "b", None], [2**63 - 1, None, -1], [True, None, None]]]
    rows = scripts(
        triton.http_url,
        stream,
        [],
        None,
        outputs={"n": "INT", "number": "BIGINT", "vector": "ARRAY<FLOAT>"},
        model="script_many",
        responses="rows",
        response_index="n",
    )
    assert rows.rows == [
        [[0, 1, 2], [2**63 - 1, None, -1], [[1.0, 2.0], None, []]],
        [[], [], []],
        [[None], [None], [None]],
    ]


def test_a_failed_row_becomes_one_row_under_a_policy(triton: Triton) -> None:
    outputs = {"text": "STRING", "n": "INT", "why": "STRING"}
    outcome = scripts(
        triton.http_url,
        ["a", {"error": "bad row"}],
        ["b", "c"],
        outputs=outputs,
        responses="rows",
        response_index="n",
        error_column="why",
        default_value="none",
    )
    assert outcome.rows[1] == [["b", "c"], [0, 1], None]
    text, index, why = outcome.rows[0]
    assert (text, index) == (["none"], [None])
    assert "bad row" in why
    assert not outcome.errors


def test_parameters_reach_the_model(triton: Triton) -> None:
    echo = json.dumps([{"parameters": 1}])
    rows = [(echo, "warm", 5, 0.1, None, True), (echo, None, None, None, "x", False)]
    inputs = {"script": "STRING", "mood": "STRING", "most": "INT", "heat": "FLOAT", "stop": "STRING", "flag": "BOOLEAN"}
    outcome = asyncio.run(
        predict(
            triton.http_url,
            "script",
            inputs,
            TEXT,
            rows,
            parameters='{"fixed": 200, "share": 0.5, "text": "200", "on": true}',
            parameters__least="NaN",
            parameters__mood="${mood}",
            parameters__most="${most}",
            parameters__heat="${heat}",
            parameters__stop="<${stop}>",
            parameters__flag="${flag}",
        )
    )
    fixed = {"fixed": 200, "share": 0.5, "text": "200", "on": True, "least": "NaN"}
    assert [json.loads(text) for (text,) in outcome.rows] == [
        {**fixed, "mood": "warm", "most": 5, "heat": 0.1, "flag": True},
        {**fixed, "stop": "<x>", "flag": False},
    ]


def test_tokens_are_counted(triton: Triton) -> None:
    stream = [{"outputs": {"text": ["a"], "number": [3]}}, {"outputs": {"text": ["b"], "number": [4]}}]
    outputs = {"text": "STRING", "number": "BIGINT"}
    for responses, tokens in (("join", 7), ("last", 4)):
        named = {"model": "script_many", "responses": responses, "tokens_column": "number"}
        outcome = scripts(triton.http_url, stream, stream, outputs=outputs, **named)
        assert outcome.counters["tokens"] == 2 * tokens


def test_a_stream_that_was_cut_without_a_word_is_tried_again(triton: Triton) -> None:
    """Triton may lose the last responses of a stream, and end it as if it were whole."""
    whole = json.dumps(
        [{"outputs": {"text": ["a"], "reason": ["None"]}}, {"outputs": {"text": ["b"], "reason": ["stop"]}}]
    )
    event = b'data: {"model_name":"script_many","model_version":"1","text":"a","reason":"None"}\n\n'
    cut = Step("status", 200, event, ("Content-Type: text/event-stream",))
    empty = Step("status", 200, b"", ("Content-Type: text/event-stream",))
    outputs = {"text": "STRING", "reason": "STRING"}

    async def asked(responses: str, outputs: Columns) -> tuple[Outcome, int]:
        async with FaultProxy(upstream(triton.http_url), (cut, empty)) as proxy:
            options = {**OPTIONS, "responses": responses, "finish-column": "reason"}
            written = {key.replace("-", "_"): value for key, value in options.items()}
            outcome = await predict(proxy.url, "script_many", SCRIPT, outputs, [(whole,)], **written)
            return outcome, len(proxy.inferences)

    outcome, requests = asyncio.run(asked("join", outputs))
    assert (outcome.rows, requests) == ([["ab", "stop"]], 3)
    outcome, requests = asyncio.run(asked("array", dict.fromkeys(outputs, "ARRAY<STRING>")))
    assert (outcome.rows, requests) == ([[["a", "b"], ["None", "stop"]]], 3)


EVENTS = "Content-Type: text/event-stream"
MARK = b"\xef\xbb\xbf"


def answered(steps: Sequence[Step], url: str, *, always: Step = PASS, **options: str) -> tuple[Outcome, int]:
    """What becomes of a row that is answered `a` where nothing goes wrong, and how many requests it takes."""

    async def main() -> tuple[Outcome, int]:
        async with FaultProxy(upstream(url), steps, always=always) as proxy:
            written = {**{key.replace("-", "_"): value for key, value in OPTIONS.items()}, **options}
            return await predict(proxy.url, "script", SCRIPT, TEXT, [('["a"]',)], **written), len(proxy.inferences)

    return asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "words"),
    [
        (401, EVENTS, b'data: {"error":"who are you"}\n\n', AccessError, "HTTP 401.*who are you"),
        (404, EVENTS, b'data: {"error":"unknown model"}\n\n', JobError, "HTTP 404.*unknown model"),
        (200, "Content-Type: application/json", b'{"error":"no quota"}', ContractError, "not a stream.*no quota"),
        (200, "Content-Type: text/html", b"<p>log in</p>", ContractError, "not a stream of events.*log in"),
        (200, EVENTS, b"data: [DONE]\n\n", ContractError, "not a JSON object"),
    ],
)
def test_what_is_no_stream_fails_the_job(
    status: int, headers: str, body: bytes, error: type[Exception], words: str, triton: Triton
) -> None:
    with pytest.raises(error, match=words):
        answered([Step("status", status, body, (headers,))], triton.http_url, default_value="null")


def test_the_status_counts_where_an_error_comes_as_an_event(triton: Triton) -> None:
    busy = Step("status", 503, b'data: {"error":"busy"}\n\n', (EVENTS,))
    outcome, requests = answered([busy, busy], triton.http_url)
    assert (outcome.rows, requests) == ([["a"]], 3)


def test_a_stream_may_begin_with_a_byte_order_mark_and_end_with_a_comment(triton: Triton) -> None:
    event = b'data: {"model_name":"script","model_version":"1","text":"b"}\n\n'
    outcome, requests = answered([Step("status", 200, MARK + event + b": bye\n", (EVENTS,))], triton.http_url)
    assert (outcome.rows, requests) == ([["b"]], 1)


def test_an_error_is_one_whoever_names_a_model_in_it(triton: Triton) -> None:
    event = b'data: {"model_name":"script","model_version":"1","error":"no quota"}\n\n'
    outcome, requests = answered([Step("status", 200, event, (EVENTS,))], triton.http_url)
    assert (outcome.rows, requests) == ([[None]], 1)
    assert "answered an error: no quota" in outcome.errors[0]


def test_bytes_without_a_response_are_no_response(triton: Triton) -> None:
    pings = Step("ping", seconds=60)
    outcome, requests = answered([], triton.http_url, always=pings, timeout="500 ms")
    assert "before a first response" in outcome.errors[0]
    assert requests == 2
    assert outcome.seconds < 30


def test_a_parameter_that_the_server_would_cut_is_its_rows_failure(triton: Triton) -> None:
    inputs = {"script": "STRING", "mood": "STRING"}
    rows = [('[{"parameters": 1}]', mood) for mood in ("good", "a\0b", None, "bad")]
    outcome = asyncio.run(
        predict(triton.http_url, "script", inputs, TEXT, rows, parameters__mood="${mood}", parameters__say="<${mood}>")
    )
    texts = [None if text is None else json.loads(text) for (text,) in outcome.rows]
    assert texts == [{"mood": "good", "say": "<good>"}, None, {}, {"mood": "bad", "say": "<bad>"}]
    assert "holds the character NUL" in outcome.errors[1]


def test_a_model_that_is_not_decoupled_gives_one_response(triton: Triton) -> None:
    async def asked(outputs: Columns, **options: str) -> Outcome:
        rows = [(1,), (None,), (3,)]
        return await predict(triton.http_url, "identity_int64", {"x": "BIGINT"}, outputs, rows, **options)

    outcome = asyncio.run(asked({"y": "ARRAY<BIGINT>"}, responses="array"))
    assert outcome.rows == [[[1]], [None], [[3]]]
    outcome = asyncio.run(asked({"y": "BIGINT", "n": "INT"}, responses="rows", response_index="n"))
    assert outcome.rows == [[[1], [0]], [[None], [None]], [[3], [0]]]
    outcome = asyncio.run(asked({"y": "BIGINT"}, responses="join"))
    assert outcome.rows == [[1], [None], [3]]
    assert "not decoupled" in outcome.warnings[0]
    text = asyncio.run(
        predict(triton.http_url, "identity_bytes", {"x": "STRING"}, {"y": "STRING"}, [("a",)], finish_column="y")
    )
    assert text.rows == [["a"]]
    assert "has no effect" in text.warnings[0]


#: Options and output columns that are refused, and words of the message.
REFUSED: dict[str, tuple[dict[str, str], Columns, str]] = {
    "priority": ({"priority": "3"}, TEXT, "'priority' has no effect"),
    "sequences": ({"sequence-id": "a"}, TEXT, "'sequence-id' has no effect"),
    "compression": ({"compression": "gzip"}, TEXT, "'compression' has no effect"),
    "bytes": ({}, {"text": "BYTES"}, "cannot hold bytes"),
    "a text as the array of responses": ({"responses": "array"}, TEXT, "Declare it ARRAY<STRING>"),
    "an index without rows": ({"response-index": "n"}, TEXT, "Set 'responses' = 'rows'"),
    "an index that is not there": ({"responses": "rows", "response-index": "n"}, TEXT, "Add `n` INT to OUTPUT"),
    "a parameter that is an input": ({"parameters.script": "x"}, TEXT, "Declare `script` in INPUT"),
    "a parameter with a NUL": ({"parameters.a": "a\0b"}, TEXT, "character NUL"),
    "a parameter that is too long": ({"parameters.a": "9223372036854775808"}, TEXT, "more than 64 bits"),
    "a parameter that is null": ({"parameters.a": "null"}, TEXT, "not a text, a number or a truth value"),
    "a parameter twice": ({"parameters": '{"a": 1, "a": 2}'}, TEXT, "'a' twice"),
    "a parameter of ours": ({"parameters.priority": "1"}, TEXT, "not for users to set"),
    "a column of a parameter": ({"parameters.a": "${b}"}, TEXT, "Add `b` STRING to INPUT"),
    "a finish that is not there": ({"finish-column": "why"}, TEXT, "Add `why` STRING to OUTPUT"),
    "tokens that are a text": ({"tokens-column": "text"}, TEXT, "Declare it INT"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_when_planned(what: str, triton: Triton) -> None:
    options, outputs, words = REFUSED[what]
    written = {key.replace(".", "__").replace("-", "_"): value for key, value in options.items()}
    with pytest.raises(PlanError, match=words):
        asyncio.run(predict(triton.http_url, "script", SCRIPT, outputs, [("[]",)], **written))
