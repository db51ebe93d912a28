"""The columns that say which version answered a row, how long that took, and the code of a failure."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from deliveries import QUICK, proxied
from faults import Step, page
from triton import Triton

from pyflink_triton.errors import OptionError, SchemaError
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.validation import parse_options
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import open_model
from pyflink_triton.runtime.planning import DeclaredModel, check

FACTS = {
    "model-version-column": "version",
    "latency-column": "ms",
    "error-column": "why",
    "error-code-column": "code",
}
OWN = {"version": "STRING", "ms": "DOUBLE", "why": "STRING", "code": "STRING"}


def declared(url: str, served: str, x: Mapping[str, str], y: Mapping[str, str], **options: str) -> OpenRequest:
    def columns(types: Mapping[str, str]) -> list[ColumnType]:
        return [{"name": name, "type": type_} for name, type_ in types.items()]

    written = {key.replace("_", "-"): value for key, value in {**QUICK, **options}.items()}
    return {
        "model": "m",
        "options": {"endpoint": url, "model-name": served, **FACTS, **written},
        "input": columns(x),
        "output": columns({**y, **OWN}),
    }


async def predict(
    url: str, served: str, x: Mapping[str, str], y: Mapping[str, str], rows: Sequence[Any], **options: str
) -> list[dict[str, Any]]:
    opened = await open_model(declared(url, served, x, y, **options), Metrics())
    try:
        arrays = [
            pa.array(values, type_.arrow)
            for values, type_ in zip(zip(*rows, strict=True), opened.columns.argument_types, strict=True)
        ]
        prediction = await opened.predict(pa.record_batch(arrays, names=[f"c{n}" for n in range(len(arrays))]))
        assert prediction.errors == {}
        return [dict(zip((*y, *OWN), row.values(), strict=True)) for row in prediction.outputs.to_pylist()]
    finally:
        await opened.close()


def answers(triton: Triton, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
    return asyncio.run(predict(triton.http_url, *arguments, **options))


def test_the_version_that_answered_and_the_time_of_its_call(triton: Triton) -> None:
    began = time.perf_counter()
    for asked, answered in (("latest", 3), ("1", 1)):
        rows = answers(triton, "version", {"x": "BIGINT"}, {"y": "BIGINT"}, [(1,), (None,), (2,)], model_version=asked)
        given, null, _ = rows
        assert (given["y"], given["version"]) == (answered, str(answered))
        assert 0.0 < given["ms"] < (time.perf_counter() - began) * 1000
        assert null == dict.fromkeys(null)
        assert rows[2] == {**given, "y": answered}


def test_the_time_is_that_of_the_call_that_answered(triton: Triton) -> None:
    """Not that of the ones before it, or of waiting for a retry."""

    async def main() -> list[dict[str, Any]]:
        async with proxied(triton, page(503)) as proxy:
            return await predict(
                proxy.url, "fails", {"x": "BIGINT"}, {"y": "BIGINT"}, [(1,)],
                retry_initial_backoff="2 s", retry_max_backoff="2 s",
            )  # fmt: skip

    began = time.perf_counter()
    (row,) = asyncio.run(main())
    assert time.perf_counter() - began > 2.0
    assert row["ms"] < (time.perf_counter() - began) * 1000 - 2000


def test_a_row_of_an_array_batch_has_the_facts_of_its_elements(triton: Triton) -> None:
    xs, ys = {"x": "ARRAY<BIGINT>"}, {"y": "ARRAY<BIGINT>"}
    rows = answers(triton, "fails", xs, ys, [([1, 2],), ([],), (None,), ([3, -1],), ([4],)], max_batch_size="1")
    assert [row["y"] for row in rows] == [[1, 2], [], None, None, [4]]
    assert [row["version"] for row in rows] == ["1", None, None, None, "1"]
    assert [row["ms"] is not None for row in rows] == [True, False, False, False, True]
    assert [row["code"] for row in rows] == [None, None, None, "500", None]


@pytest.mark.parametrize("responses", ["one", "last", "join", "array", "rows"])
def test_a_stream_has_the_version_of_its_responses_and_the_time_to_its_end(triton: Triton, responses: str) -> None:
    y = "ARRAY<STRING>" if responses == "array" else "STRING"
    script = json.dumps([*(["a"] if responses != "one" else []), {"sleep": 0.2}, "b"])
    bad = json.dumps([{"error": "no"}])
    (good, failed) = answers(
        triton, "script", {"script": "STRING"}, {"text": y}, [(script,), (bad,)], responses=responses
    )
    assert (good["version"], good["code"]) == ("1", None)
    assert good["ms"] >= 200
    assert (failed["version"], failed["ms"], failed["code"]) == (None, None, "ANSWERED_ERROR")


#: What a call meets, the options, and the code.
CODES: dict[str, tuple[Step, dict[str, str], str]] = {
    "an HTTP status": (page(413), {}, "413"),
    "a status that is tried again": (page(503), {}, "503"),
    "no response in time": (Step("hang"), {"timeout": "100 ms", "max_retries": "0"}, "TIMEOUT"),
    "a broken connection": (Step("reset"), {"max_retries": "0"}, "RESET"),
    "a server that is away": (Step("away", seconds=1.0), {"timeout": "200 ms", "total_timeout": "400 ms"}, "REFUSED"),
    "an open circuit breaker": (
        page(503),
        {
            "circuit_breaker_enabled": "true",
            "circuit_breaker_timeout": "1 min",
            "default_value": "null",
            "max_retries": "20",
        },
        "CIRCUIT_OPEN",
    ),
}


@pytest.mark.parametrize("name", CODES)
def test_the_code_of_a_fault(triton: Triton, name: str) -> None:
    step, options, code = CODES[name]

    async def main() -> list[dict[str, Any]]:
        async with proxied(triton, always=step) as proxy:
            return await predict(proxy.url, "fails", {"x": "BIGINT"}, {"y": "BIGINT"}, [(1,), (None,)], **options)

    failed, null = asyncio.run(main())
    assert (failed["y"], failed["version"], failed["ms"]) == (None, None, None)
    assert failed["why"]
    assert failed["code"] == code
    assert null == dict.fromkeys(null)


def test_the_codes_of_values(triton: Triton) -> None:
    (unsendable,) = answers(triton, "identity_uint8", {"x": "INT"}, {"y": "INT"}, [(256,)])
    assert unsendable["code"] == "INVALID_VALUE"
    (missing,) = answers(triton, "sums", {"x": "FLOAT"}, {"y": "FLOAT", "z": "FLOAT"}, [(-2.0,)])
    assert missing["code"] == "INVALID_ANSWER"
    unknown = {"sequence_id": "${id}", "sequence_start": "${first}", "sequence_lost": "fail"}
    columns = {"x": "BIGINT", "id": "BIGINT", "first": "BOOLEAN"}
    (lost,) = answers(triton, "sequence", columns, {"sum": "BIGINT"}, [(1, 7, False)], **unknown)
    assert lost["code"] == "SEQUENCE_NOT_FOUND"


def test_what_does_not_fit_is_refused_when_planned(triton: Triton) -> None:
    def refused(outputs: Mapping[str, str], **options: str) -> str:
        request = declared(triton.http_url, "fails", {"x": "BIGINT"}, {"y": "BIGINT"}, **options)
        request["output"] = [{"name": name, "type": type_} for name, type_ in outputs.items()]
        with pytest.raises(SchemaError) as error:
            asyncio.run(check(DeclaredModel.parse(request)))
        return str(error.value)

    assert "'latency-column' = 'ms' is an OUTPUT column of type FLOAT. Declare it DOUBLE" in refused(
        {"y": "BIGINT", **OWN, "ms": "FLOAT"}
    )
    assert "names no OUTPUT column. Add `version` STRING" in refused({"y": "BIGINT", "ms": "DOUBLE"})
    assert "'error-column' and 'error-code-column' name the same OUTPUT column" in refused(
        {"y": "BIGINT", **OWN}, error_code_column="why"
    )
    with pytest.raises(OptionError, match="'error-code-column' needs 'error-column' or 'default-value'"):
        parse_options({"endpoint": "http://a:1", "model-name": "m", "error-code-column": "c"})
