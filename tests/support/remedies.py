"""What messages tell the user to do, as a table: a planning request that is refused, and the same with the remedy.

Those that need a job, a server of their own or Flink's planner are in `tests/project/test_remedies.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bad_inputs import columns

from pyflink_triton.remedies import Remedy
from pyflink_triton.types.triton import DEFAULT_DATATYPES


@dataclass(frozen=True)
class Cure:
    """A planning request that is refused, and what makes it right.

    Attributes:
        remedy: What the message says.
        values: What is filled in there.
        broken: What differs from a good request: `served`, `input`, `output`, `arguments`, `request`, or options by
            their keys; None leaves an option out.
        cured: What differs then; several where the remedy names several ways.
    """

    remedy: Remedy
    values: Mapping[str, Any]
    broken: Mapping[str, Any]
    cured: tuple[Mapping[str, Any], ...]

    @property
    def text(self) -> str:
        return self.remedy(**self.values)


_FIELDS = ("served", "input", "output", "arguments", "request")


def fields(url: str, changes: Mapping[str, Any]) -> Any:
    """A planning request's fields: a good one with some changes."""
    chosen = {"served": "identity_fp32", "input": "x FLOAT", "output": "y FLOAT", "request": "check", **changes}
    options = {"endpoint": url, "model-name": chosen["served"]}
    options.update({key: value for key, value in changes.items() if key not in _FIELDS})
    request: dict[str, Any] = {
        "request": chosen["request"],
        "model": "m",
        "options": {key: value for key, value in options.items() if value is not None},
        "input": columns(chosen["input"]),
        "output": columns(chosen["output"]),
    }
    if "arguments" in chosen:
        request["arguments"] = list(chosen["arguments"])
    return request


def cure(remedy: Remedy, broken: Mapping[str, Any], *cured: Mapping[str, Any], **values: Any) -> Cure:
    """A cure; what cures is written over what broke."""
    return Cure(remedy, values, broken, tuple({**broken, **each} for each in cured))


_SEQUENCE = {"served": "sequence", "input": "x BIGINT", "output": "sum BIGINT"}
_KEYED = {**_SEQUENCE, "input": "x BIGINT; user_id STRING", "sequence-id": "${user_id}"}
_ADD = {"served": "add", "input": "a FLOAT; b FLOAT", "output": "sum FLOAT"}
_SCRIPT = {"served": "script", "input": "script STRING", "output": "text STRING"}
_MASKED = {"served": "masked", "input": "ids ARRAY<BIGINT>", "output": "total BIGINT"}
_ROUTED = {"model-name": "${m}", "allowed-models": "t-*", "max-batch-size": "8", "input": "x FLOAT; m STRING"}
_INT = {"served": "identity_int64", "input": "x BIGINT", "output": "y BIGINT"}

CURES = (
    # Each example that is named is taken.
    cure(Remedy.RENAME_MODEL, {"served": "identity fp32"}, {"served": "identity_fp32"}),
    cure(Remedy.WRITE_VERSION, {"model-version": "newest"}, {"model-version": "1"}, {"model-version": "latest"}),
    cure(
        Remedy.WRITE_BOOLEAN,
        {"flatten-batch-dim": "yes"},
        {"flatten-batch-dim": "true"},
        {"flatten-batch-dim": "false"},
    ),
    cure(
        Remedy.WRITE_BOOLEAN_OR_COLUMN,
        {**_KEYED, "input": "x BIGINT; user_id STRING; is_first BOOLEAN", "sequence-start": "yes"},
        {"sequence-start": "true", "input": "x BIGINT; user_id STRING"},
        {"sequence-start": "${is_first}"},
    ),
    cure(
        Remedy.CLOSE_TEMPLATE,
        {**_KEYED, "sequence-id": "conversation-${user_id", "sequence-start": "true"},
        {"sequence-id": "conversation-${user_id}"},
    ),
    cure(
        Remedy.WRITE_INTEGER,
        {"max-retries": "many"},
        {"max-retries": "0"},
        {"max-retries": "100"},
        minimum=0,
        maximum=100,
    ),
    cure(
        Remedy.WRITE_SHARE,
        {"circuit-breaker-failure-threshold": "50"},
        {"circuit-breaker-failure-threshold": "0.5"},
        {"circuit-breaker-failure-threshold": "1"},
    ),
    cure(
        Remedy.WRITE_RATE,
        {"max-requests-per-second": "0"},
        {"max-requests-per-second": "50"},
        {"max-requests-per-second": "0.5"},
        {"max-requests-per-second": "0.001"},
        {"max-requests-per-second": "1000000"},
        minimum="0.001",
        maximum=1_000_000,
    ),
    cure(Remedy.WRITE_DURATION, {"timeout": "soon"}, {"timeout": "30s"}, {"timeout": "500 ms"}),
    cure(
        Remedy.WRITE_SIZE,
        {"max-request-bytes": "big"},
        {"max-request-bytes": "32 mb"},
        {"max-request-bytes": "64 kb"},
    ),
    cure(
        Remedy.STAY_BETWEEN,
        {"plan-check-timeout": "100s"},
        {"plan-check-timeout": "1ms", "plan-check": "best-effort"},
        {"plan-check-timeout": "50s"},
        minimum="1ms",
        maximum="50s",
    ),
    cure(
        Remedy.STAY_BETWEEN,
        {"max-in-flight-bytes": "1 kb"},
        {"max-in-flight-bytes": "1 mb"},
        {"max-in-flight-bytes": "2 gb"},
        minimum="1 mb",
        maximum="2 gb",
    ),
    cure(
        Remedy.WRITE_ONE_OF,
        {"compression": "zstd"},
        {"compression": "gzip"},
        {"compression": "deflate"},
        choices="'gzip', 'deflate'",
    ),
    *(
        cure(
            Remedy.WRITE_HEADERS,
            {"custom-headers": wrong},
            {"custom-headers": "X-Key:value,X-Other:value"},
            {"custom-headers": '{"X-Key": "value"}'},
            {"custom-headers": None, "custom-headers.X-Key": "value"},
        )
        for wrong in ("X-Key value", '{"X-Key"', '{"X-Key": 1}')
    ),
    cure(Remedy.NAME_HEADER, {"custom-headers": "X Key:value"}, {"custom-headers": "X-Key:value"}),
    cure(Remedy.DID_YOU_MEAN, {"tmeout": "3s"}, {"tmeout": None, "timeout": "3s"}, key="timeout"),
    cure(
        Remedy.WRITE_OTHER_KEY,
        {"connection-timeout": "10s"},
        {"connection-timeout": None, "timeout": "10s"},
        {"connection-timeout": None},
        key="timeout",
    ),
    # Options that do not go together.
    cure(
        Remedy.LEAVE_ONE_OUT,
        {"custom-headers": "X-Key:a,x-key:b"},
        {"custom-headers": "X-Key:a"},
    ),
    cure(
        Remedy.LEAVE_ONE_OUT,
        {"endpoint-groups": "http://h:1;http://h:1"},
        {"endpoint-groups": "http://h:1"},
    ),
    cure(
        Remedy.LEAVE_ONE_OUT,
        {"auth-token": "abcdef", "custom-headers": "Authorization:abcdef"},
        {"auth-token": None},
        {"custom-headers": None},
    ),
    cure(
        Remedy.LEAVE_ONE_OUT,
        {"trace-context": "true", "custom-headers": "traceparent:00-a-b-01"},
        {"trace-context": None},
        {"custom-headers": None},
    ),
    cure(
        Remedy.LEAVE_ONE_OUT,
        {**_SEQUENCE, "sequence-id": "a", "sequence-id-auto-increment": "true", "sequence-end": "true"},
        {"sequence-end": None},
        {"sequence-id-auto-increment": None, "sequence-start": "true"},
    ),
    cure(Remedy.LEAVE_ONE_OUT, {**_ADD, "input": "a FLOAT; A FLOAT; b FLOAT"}, {"input": "a FLOAT; b FLOAT"}),
    cure(
        Remedy.SET_OPTION_TOO,
        {**_KEYED, "sequence-id": None, "sequence-start": "true"},
        {"sequence-id": "${user_id}"},
        key="sequence-id",
    ),
    cure(
        Remedy.LOWER_OR_RAISE,
        {"retry-initial-backoff": "1 min"},
        {"retry-initial-backoff": "10s"},
        {"retry-max-backoff": "2 min"},
        above="retry-initial-backoff",
        below="retry-max-backoff",
    ),
    cure(
        Remedy.LOWER_OR_RAISE,
        {"timeout": "1 min", "total-timeout": "3s"},
        {"timeout": "2s"},
        {"total-timeout": "2 min"},
        above="timeout",
        below="total-timeout",
    ),
    # Default values.
    cure(
        Remedy.WRITE_DEFAULT,
        {"default-value": "none"},
        {"default-value": "-1.0"},
        {"default-value": "null"},
        example="-1.0",
    ),
    *(
        cure(
            Remedy.WRITE_DEFAULT,
            {"served": served, "input": f"x {type_}", "output": f"y {type_}", "default-value": "nothing"},
            {"default-value": example},
            {"default-value": "null"},
            example=example,
        )
        for served, type_, example in (
            ("identity_int64", "BIGINT", "0"),
            ("identity_fp32_array", "ARRAY<FLOAT>", "[-1.0]"),
            ("identity_fp32_nested", "ARRAY<ARRAY<FLOAT>>", "[[-1.0]]"),
            ("identity_bytes_array", "ARRAY<STRING>", '["unknown"]'),
        )
    ),
    cure(
        Remedy.WRITE_DEFAULT,
        {
            "served": "multi",
            "input": "amount FLOAT; account BIGINT; note STRING",
            "output": "score FLOAT; label STRING",
            "default-value": "-1.0",
        },
        {"default-value": '{"score": -1.0, "label": "unknown"}'},
        {"default-value": "null"},
        example='{"score": -1.0, "label": "unknown"}',
    ),
    *(
        cure(
            Remedy.WRITE_NULL,
            {**broken, "default-value": "nothing" if example == "null" else example.replace("null", '"nothing"')},
            {"default-value": example},
            example=example,
        )
        for broken, example in (
            ({"output": "y BYTES"}, "null"),
            ({"served": "sums", "output": "y BYTES; z FLOAT"}, '{"y": null, "z": -1.0}'),
        )
    ),
    # Columns.
    *(
        cure(Remedy.DECLARE_RAW, {side: f"{name} ARRAY<BYTES>"}, {side: f"{name} BYTES"})
        for side, name in (("input", "x"), ("output", "y"))
    ),
    cure(Remedy.DECLARE_BYTES, {"output": "y BINARY(5)"}, {"output": "y BYTES"}),
    cure(
        Remedy.DECLARE,
        {"served": "identity_fp32_nested", "input": "x BYTES", "output": "y ARRAY<FLOAT>"},
        {"input": "x ARRAY<ARRAY<FLOAT>>"},
        type="ARRAY<ARRAY<FLOAT>>",
    ),
    cure(
        Remedy.DECLARE_ELEMENT,
        {**_ADD, "input": "a ARRAY<FLOAT>; b BYTES", "output": "sum ARRAY<FLOAT>"},
        {"input": "a ARRAY<FLOAT>; b FLOAT"},
        column="b",
        type="FLOAT",
    ),
    *(
        cure(
            Remedy.DECLARE_AND_CONVERT_ARGUMENT,
            {**_INT, "served": served, "input": f"x {wrong}", "output": f"y {right}"},
            {"input": f"x {right}"},
            type=right,
            other=wrong,
            expression=f"CAST(... AS {right})",
        )
        for served, wrong, right in (
            ("identity_int32", "BIGINT", "INT"),
            ("identity_fp32", "DOUBLE", "FLOAT"),
            ("identity_bytes", "DOUBLE", "STRING"),
            ("identity_fp32_array", "ARRAY<INT>", "ARRAY<FLOAT>"),
        )
    ),
    cure(
        Remedy.DECLARE_AND_CONVERT_RESULT,
        {**_INT, "output": "y INT"},
        {"output": "y BIGINT"},
        type="BIGINT",
        other="INT",
        expression="CAST(... AS INT)",
    ),
    cure(Remedy.USE_TYPE, {**_INT, "input": "x TIMESTAMP(3)"}, {"input": "x BIGINT"}),
    cure(
        Remedy.DECLARE,
        {"served": "identity_fp32_matrix", "output": "y ARRAY<ARRAY<FLOAT>>"},
        {"input": "x ARRAY<ARRAY<FLOAT>>"},
        type="ARRAY<ARRAY<FLOAT>>",
    ),
    cure(Remedy.DECLARE, {"output": "y ARRAY<FLOAT>"}, {"output": "y FLOAT"}, type="FLOAT"),
    cure(
        Remedy.DECLARE_OR_FLATTEN,
        {"served": "identity_fp32_array", "input": "x ARRAY<ARRAY<FLOAT>>", "output": "y ARRAY<FLOAT>"},
        {"input": "x ARRAY<FLOAT>"},
        {"flatten-batch-dim": "true"},
        type="ARRAY<FLOAT>",
    ),
    cure(
        Remedy.DECLARE_ELEMENT_OR_ARRAY,
        {"input": "x ARRAY<FLOAT>"},
        {"input": "x FLOAT"},
        {"output": "y ARRAY<FLOAT>"},
        type="FLOAT",
        output="y",
        array="ARRAY<FLOAT>",
    ),
    cure(Remedy.ADD_COLUMN, {**_ADD, "input": "a FLOAT"}, {"input": "a FLOAT; b FLOAT"}, name="b", type="FLOAT"),
    cure(
        Remedy.ADD_REFERENCE,
        {**_SEQUENCE, "sequence-id": "${user_id}", "sequence-start": "true"},
        {"input": "x BIGINT; user_id STRING"},
        name="user_id",
        type="STRING",
    ),
    cure(
        Remedy.DECLARE_AS,
        {**_KEYED, "input": "x BIGINT; user_id DOUBLE", "sequence-start": "true"},
        {"input": "x BIGINT; user_id STRING"},
        type="STRING",
    ),
    cure(Remedy.ADD_ERROR_COLUMN, {"error-column": "why"}, {"output": "y FLOAT; why STRING"}, name="why"),
    cure(
        Remedy.DECLARE_AS,
        {"error-column": "why", "output": "y FLOAT; why INT"},
        {"output": "y FLOAT; why STRING"},
        type="STRING",
    ),
    cure(
        Remedy.RENAME_OWN_COLUMN,
        {"error-column": "y", "output": "y STRING"},
        {"error-column": "why", "output": "y FLOAT; why STRING"},
    ),
    # Decoupled models.
    cure(Remedy.WRITE_PARAMETERS, {"parameters": "[]"}, {"parameters": '{"max_tokens": 200}'}),
    # Padding.
    cure(
        Remedy.WRITE_PAD,
        {**_MASKED, "pad.ids": '{"edges": [], "mask": "mask"}'},
        {"pad.ids": '{"edges": [16, 32, 64, 128], "value": 0, "mask": "mask"}'},
    ),
    cure(
        Remedy.WRITE_MASK,
        {**_MASKED, "pad.ids": '{"edges": [4]}'},
        {"pad.ids": '{"edges": [4], "mask": "mask"}'},
        {"pad.ids": '{"edges": [4], "mask": null}', "input": "ids ARRAY<BIGINT>; mask ARRAY<INT>"},
    ),
    cure(
        Remedy.WRITE_MASK,
        {**_MASKED, "pad.ids": '{"edges": [4], "mask": "attention_mask"}'},
        {"pad.ids": '{"edges": [4], "mask": "mask"}'},
    ),
    cure(
        Remedy.FIT_PAD_VALUE,
        {**_MASKED, "pad.ids": '{"edges": [4], "mask": "mask", "value": 0.5}'},
        {"pad.ids": '{"edges": [4], "mask": "mask", "value": 1}'},
        type="BIGINT",
    ),
    cure(
        Remedy.GIVE_SAME_EDGES,
        {
            **_MASKED,
            "served": "masked_pair",
            "input": "ids ARRAY<BIGINT>; kinds ARRAY<INT>",
            "pad.ids": '{"edges": [4], "mask": "mask"}',
            "pad.kinds": '{"edges": [4, 8], "mask": "mask"}',
        },
        {"pad.kinds": '{"edges": [4], "mask": "mask"}'},
    ),
    cure(
        Remedy.NAME_TRIMMED,
        {**_MASKED, "output": "doubled ARRAY<BIGINT>", "pad.ids": '{"edges": [4], "mask": "mask"}'},
        {"pad.ids": '{"edges": [4], "mask": "mask", "outputs": ["doubled"]}'},
        {"pad.ids": '{"edges": [4], "mask": "mask", "untrimmed": ["doubled"]}'},
    ),
    cure(
        Remedy.NAME_UNTRIMMED,
        {**_MASKED, "pad.ids": '{"edges": [4], "mask": "mask", "outputs": ["total"]}'},
        {"pad.ids": '{"edges": [4], "mask": "mask", "untrimmed": ["total"]}'},
    ),
    cure(Remedy.SET_ROWS, {"response-index": "n", "output": "y FLOAT; n INT"}, {"responses": "rows"}),
    cure(Remedy.LEAVE_OUT, {**_SCRIPT, "priority": "3"}, {"priority": None}),
    cure(
        Remedy.ALLOW_REPEATS,
        {**_SCRIPT, "cache-max-bytes": "1 mb"},
        {"deterministic": "true"},
        {"cache-max-bytes": None},
    ),
    # Rows that name their models.
    cure(
        Remedy.WRITE_ROUTE,
        {**_ROUTED, "model-name": "t-${model}", "input": "x FLOAT; model STRING"},
        {"model-name": "${model}"},
    ),
    cure(
        Remedy.WRITE_ROUTE,
        {"model-version": "v${model}", "max-batch-size": "8", "input": "x FLOAT; model INT"},
        {"model-version": "${model}"},
    ),
    *(
        cure(Remedy.WRITE_ALLOWED, {**_ROUTED, "allowed-models": wrong}, {"allowed-models": "fraud_v2,tenant-*"})
        for wrong in (" ", "t*a", "t-/*", "**", "t-a\u202e")
    ),
    cure(Remedy.SET_OPTION_TOO, {**_ROUTED, "allowed-models": None}, {"allowed-models": "t-*"}, key="allowed-models"),
    cure(Remedy.SET_OPTION_TOO, {**_ROUTED, "max-batch-size": None}, {"max-batch-size": "8"}, key="max-batch-size"),
    cure(Remedy.LEAVE_OUT, {"allowed-models": "t-*"}, {"allowed-models": None}),
    cure(Remedy.LEAVE_ONE_OUT, {**_ROUTED, "priority": "3"}, {"priority": None}),
    cure(Remedy.LEAVE_ONE_OUT, {**_ROUTED, "responses": "one"}, {"responses": None}),
    cure(Remedy.LEAVE_ONE_OUT, {**_ROUTED, "sequence-id": "${m}"}, {"sequence-id": None}),
    cure(
        Remedy.ADD_REFERENCE, {**_ROUTED, "input": "x FLOAT"}, {"input": "x FLOAT; m STRING"}, name="m", type="STRING"
    ),
    cure(Remedy.DECLARE_AS, {**_ROUTED, "input": "x FLOAT; m FLOAT"}, {"input": "x FLOAT; m STRING"}, type="STRING"),
    cure(Remedy.DECLARE_BOTH, {**_ROUTED, "request": "describe", "input": ""}, {"input": "x FLOAT; m STRING"}),
    cure(
        Remedy.DECLARE_ONE_OF,
        {**_ROUTED, "input": "x DECIMAL(20, 0); m STRING"},
        {"input": "x BIGINT; m STRING"},
        types=", ".join(DEFAULT_DATATYPES),
    ),
    # Repeats.
    cure(
        Remedy.LEAVE_OUT,
        {**_KEYED, "sequence-id": None, "cache-max-bytes": "1 mb"},
        {"cache-max-bytes": None, "sequence-id": "${user_id}", "sequence-start": "true"},
    ),
    cure(
        Remedy.LEAVE_ONE_OUT,
        {**_KEYED, "sequence-start": "true", "cache-max-bytes": "1 mb"},
        {"cache-max-bytes": None},
    ),
    cure(
        Remedy.LEAVE_ONE_OUT,
        {"deterministic": "false", "cache-max-bytes": "1 mb"},
        {"deterministic": None},
        {"cache-max-bytes": None},
    ),
    cure(
        Remedy.ADD_OUTPUT,
        {**_SCRIPT, "responses": "rows", "response-index": "n"},
        {"output": "text STRING; n INT"},
        name="n",
        type="INT",
    ),
    cure(
        Remedy.DECLARE_INPUT,
        {**_SCRIPT, "parameters.script": "${text}", "input": "text STRING"},
        {"parameters.script": None, "input": "script STRING"},
        name="script",
    ),
    cure(
        Remedy.USE_ARRAY,
        {**_SCRIPT, "responses": "rows", "request": "call", "arguments": ["STRING"]},
        {"responses": "array", "output": "text ARRAY<STRING>"},
        {"request": "check"},
    ),
    cure(
        Remedy.CHANGE_DATATYPE,
        {**_SCRIPT, "served": "script_half", "output": "half FLOAT"},
        {"served": "script_many", "output": "score FLOAT"},
    ),
    cure(
        Remedy.NAME_TEXT_OUTPUT,
        {**_SCRIPT, "served": "script_many", "output": "reason STRING; flag BOOLEAN", "finish-column": "flag"},
        {"finish-column": "reason"},
    ),
    cure(
        Remedy.RENAME_INPUT,
        {**_SCRIPT, "served": "script_parameters", "input": "script STRING; parameters INT"},
        {"served": "script", "input": "script STRING"},
    ),
    cure(
        Remedy.CHANGE_DIMS,
        {**_SCRIPT, "served": "script_grid", "output": "grid ARRAY<ARRAY<FLOAT>>"},
        {"served": "script_many", "output": "vector ARRAY<FLOAT>"},
    ),
    cure(Remedy.WRITE_NAMES, {"optional-outputs": ","}, {"optional-outputs": "y"}),
    cure(Remedy.NAME_OUTPUTS, {"optional-outputs": "z"}, {"optional-outputs": "y"}, names="y"),
    cure(
        Remedy.NAME_TENSOR,
        {**_ADD, "input": "a FLOAT; c FLOAT"},
        {"input": "a FLOAT; b FLOAT"},
        tensors="a FP32[1], b FP32[1]",
    ),
    # Sequences.
    cure(
        Remedy.SET_SEQUENCE,
        {**_KEYED, "sequence-id": None, "input": "x BIGINT"},
        {"input": "x BIGINT; user_id STRING", "sequence-id": "${user_id}", "sequence-start": "true"},
        {"sequence-id": "a", "sequence-id-auto-increment": "true"},
    ),
    cure(
        Remedy.SET_START,
        {**_KEYED, "input": "x BIGINT; user_id STRING; is_first BOOLEAN"},
        {"input": "x BIGINT; user_id STRING", "sequence-start": "true"},
        {"sequence-start": "${is_first}"},
    ),
    cure(
        Remedy.CHANGE_CORRID,
        {**_KEYED, "served": "sequence_string", "sequence-start": "true"},
        {"served": "sequence"},
        {"served": "sequence_no_corrid"},
    ),
)
