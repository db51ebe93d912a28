"""Bad inputs as a table: what a user wrote, and the words that the one sentence about it must have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class BadInput:
    """A model as a statement declares it, with something wrong.

    Attributes:
        what: What is wrong.
        words: What the sentence says, besides the model's name: the column or option, and the remedy.
        served: The server's model.
        input: The declared INPUT, as SQL.
        output: The declared OUTPUT, as SQL.
        arguments: The types of what is given; None for the declared ones.
        options: Besides endpoint and model-name; None leaves one of those out.
        runtime: The options of ML_PREDICT's MAP.
        request: The planning request that meets it.
    """

    what: str
    words: tuple[str, ...]
    served: str = "identity_fp32"
    input: str = "x FLOAT"
    output: str = "y FLOAT"
    arguments: tuple[str, ...] | None = None
    options: dict[str, str | None] = field(default_factory=dict)
    runtime: dict[str, str] = field(default_factory=dict)
    request: str = "check"

    def fields(self, url: str) -> dict[str, Any]:
        """The request's fields."""
        options = {"endpoint": url, "model-name": self.served, **self.options}
        fields: dict[str, Any] = {
            "request": self.request,
            "model": "cat.db.wrong",
            "options": {key: value for key, value in options.items() if value is not None},
            "runtime_options": self.runtime,
            "input": columns(self.input),
            "output": columns(self.output),
        }
        if self.arguments is not None:
            fields["arguments"] = list(self.arguments)
        return fields


def columns(sql: str) -> list[dict[str, str]]:
    """Columns as the bridge has them; `;` between them, for types hold commas."""
    pairs = (each.strip().split(" ", 1) for each in sql.split(";") if each.strip())
    return [{"name": name, "type": type_} for name, type_ in pairs]


def option(what: str, words: tuple[str, ...], **options: str | None) -> BadInput:
    return BadInput(what, words, options={key.replace("_", "-"): value for key, value in options.items()})


def typed(what: str, served: str, input_: str, output: str, *words: str) -> BadInput:
    return BadInput(what, words, served=served, input=input_, output=output)


def call(
    what: str, served: str, declared: str, given: tuple[str, ...], *words: str, output: str = "y FLOAT"
) -> BadInput:
    return BadInput(what, words, served=served, input=declared, output=output, arguments=given, request="call")


OPTIONS = (
    option("no endpoint", ("'endpoint' is missing", "URL"), endpoint=None),
    option("no model-name", ("'model-name' is missing",), model_name=None),
    option("endpoint without a scheme", ("'endpoint'", "http://host:8000"), endpoint="triton:8000"),
    option("endpoint of another scheme", ("'endpoint'", "http or https"), endpoint="grpc://triton:8001"),
    option("endpoint with a query", ("'endpoint'", "more than a server"), endpoint="http://triton:8000?x=1"),
    option("one of two endpoints is none", ("'endpoint'", "http or https"), endpoint="http://a:1,b:1"),
    option("a server that is not there", ("Connection refused", "'endpoint'"), endpoint="http://127.0.0.1:9"),
    option("a host without an address", ("no address", "'endpoint'"), endpoint="http://no-such-host.invalid:8000"),
    option("misspelt option", ("no option 'tmeout'", "Did you mean 'timeout'?"), tmeout="3s"),
    option("unknown option", ("no option 'xyzzy'", "The options are: endpoint"), xyzzy="1"),
    option("duration in words", ("'timeout' = 'soon'", "'30s'"), timeout="soon"),
    option("negative duration", ("'timeout' = '-3s'", "'30s'"), timeout="-3s"),
    option("no time at all", ("'timeout'", "1ms"), timeout="0s"),
    option("total below one call", ("'total-timeout'", "'timeout'", "Lower"), timeout="1 min", total_timeout="3s"),
    option("version in words", ("'model-version' = 'newest'", "digits", "'latest'"), model_version="newest"),
    option("a version that is not there", ("version 9", "identity_fp32"), model_version="9"),
    option("a model that is not there", ("no_such_model", "unknown model"), model_name="no_such_model"),
    option("no boolean", ("'flatten-batch-dim' = 'yes'", "'true'"), flatten_batch_dim="yes"),
    option("priority too high", ("'priority' = '256'", "0 to 255"), priority="256"),
    option("priority below zero", ("'priority' = '-1'", "0 to 255"), priority="-1"),
    option("unknown compression", ("'compression' = 'zstd'", "'gzip'", "'deflate'"), compression="zstd"),
    option("header without a colon", ("'custom-headers'", "without a ':'"), custom_headers="X-Key value"),
    option("headers that are no JSON", ("'custom-headers'", "JSON"), custom_headers='{"X-Key"'),
    option("line break in a header", ("'custom-headers.X-Key'", "line break"), **{"custom_headers.X_Key": "a\r\nB: c"}),
    option("header of the protocol", ("custom-headers.Host", "not for users"), **{"custom_headers.Host": "other"}),
    option("header twice", ("'custom-headers'", "twice", "Leave one out"), custom_headers="X-Key:a,x-key:b"),
    option(
        "two authorizations",
        ("'auth-token'", "Authorization", "Leave one out"),
        auth_token="t",
        custom_headers="Authorization:t",
    ),
    option("line break in a token", ("'auth-token'", "line break"), auth_token="a\nb"),
    option("sequence start without an id", ("'sequence-start'", "Set 'sequence-id'"), sequence_start="true"),
    option("auto increment without an id", ("'sequence-id'",), sequence_id_auto_increment="true"),
    option("open template", ("'sequence-id'", "not closed"), sequence_id="user-${user"),
    option(
        "auto increment and an end",
        ("'sequence-end'", "'sequence-id-auto-increment'", "Leave one out"),
        sequence_id="a",
        sequence_id_auto_increment="true",
        sequence_end="true",
    ),
    option("template of no column", ("'sequence-id'", "'user'", "Add `user` STRING"), sequence_id="u-${user}"),
    option("too many retries", ("'max-retries' = '101'", "0 to 100"), max_retries="101"),
    option(
        "backoff above its limit", ("'retry-initial-backoff'", "'retry-max-backoff'"), retry_initial_backoff="1 min"
    ),
    option(
        "share above one",
        ("'circuit-breaker-failure-threshold' = '50'", "'0.5'"),
        circuit_breaker_failure_threshold="50",
    ),
    option(
        "no half-open request",
        ("'circuit-breaker-half-open-requests' = '0'", "from 1"),
        circuit_breaker_half_open_requests="0",
    ),
    option("plan-check in other words", ("'plan-check' = 'no'", "'best-effort'"), plan_check="no"),
    option("size in words", ("'max-request-bytes' = 'big'", "'32 mb'"), max_request_bytes="big"),
    option("too little memory", ("'max-in-flight-bytes'", "1 mb"), max_in_flight_bytes="1 kb"),
    option("TLS for http", ("'tls-ca-file'", "https"), tls_ca_file="/etc/ca.pem"),
    option("error column that is not there", ("'error-column' = 'why'", "Add `why` STRING"), error_column="why"),
    option("optional output that is not there", ("'optional-outputs' names 'z'", "y"), optional_outputs="y,z"),
    option("no optional output", ("'optional-outputs' = ','", "'name'"), optional_outputs=","),
    option("default of another type", ("'default-value' = 'none'", "FLOAT", "'y'", "-1.0"), default_value="none"),
)

COLUMNS = (
    typed("integer for a float", "identity_fp32", "x INT", "y FLOAT", "'x'", "expected FLOAT but got INT32", "CAST"),
    typed("double for a float", "identity_fp32", "x DOUBLE", "y FLOAT", "'x'", "expected FLOAT but got FP64", "CAST"),
    typed("string for a float", "identity_fp32", "x STRING", "y FLOAT", "'x'", "expected FLOAT but got BYTES", "CAST"),
    typed("decimal for a float", "identity_fp32", "x DECIMAL(10, 2)", "y FLOAT", "'x'", "CAST(... AS FLOAT)"),
    typed("long for an integer", "identity_int32", "x BIGINT", "y INT", "'x'", "expected INT but got INT64", "CAST"),
    typed("float for a string", "identity_bytes", "x FLOAT", "y STRING", "'x'", "expected STRING but got FP32", "CAST"),
    typed("narrower output", "identity_int64", "x BIGINT", "y INT", "'y'", "expected INT but got INT64", "BIGINT"),
    typed("output of another kind", "identity_int64", "x BIGINT", "y STRING", "'y'", "STRING", "Declare it BIGINT"),
    typed("timestamp", "identity_fp32", "x TIMESTAMP(3)", "y FLOAT", "'x'", "TIMESTAMP(3)", "CAST"),
    typed("map", "identity_fp32", "x MAP<STRING, INT>", "y FLOAT", "'x'", "MAP<STRING, INT>", "CAST"),
    typed("row", "identity_fp32", "x ROW<a INT>", "y FLOAT", "'x'", "ROW<a INT>", "CAST"),
    typed("scalar for an array", "identity_fp32_matrix", "x FLOAT", "y FLOAT", "'x'", "declare it ARRAY<ARRAY<FLOAT>>"),
    typed("array for a scalar", "identity_fp32", "x ARRAY<FLOAT>", "y FLOAT", "'x'", "declare it FLOAT"),
    typed("too deep", "identity_fp32_array", "x ARRAY<ARRAY<FLOAT>>", "y ARRAY<FLOAT>", "'x'", "'flatten-batch-dim'"),
    typed("too flat", "identity_fp32_nested", "x ARRAY<FLOAT>", "y ARRAY<FLOAT>", "'x'", "ARRAY<ARRAY<FLOAT>>"),
    typed(
        "output that is not null", "identity_fp32", "x FLOAT", "y FLOAT NOT NULL", "'y'", "NOT NULL", "Declare it FLOAT"
    ),
    typed("array output for a scalar", "identity_fp32", "x FLOAT", "y ARRAY<FLOAT>", "'y'", "declare it FLOAT"),
    typed(
        "misspelt input",
        "add",
        "a FLOAT; c FLOAT",
        "sum FLOAT",
        "'c'",
        "Name it after one of these tensors: a FP32[1], b FP32[1]",
    ),
    typed("input that is missing", "add", "a FLOAT", "sum FLOAT", "'b'", "Add a column `b` FLOAT"),
    typed("one input too many", "add", "a FLOAT; b FLOAT; c FLOAT", "sum FLOAT", "'c'", "is not a tensor"),
    typed("input twice", "add", "a FLOAT; A FLOAT; b FLOAT", "sum FLOAT", "'a'", "Leave one out"),
    typed(
        "misspelt output", "multi", "amount FLOAT; account BIGINT; note STRING", "skore FLOAT", "'skore'", "score FP32"
    ),
    typed("decoupled model with bytes", "script", "script STRING", "text BYTES", "decoupled", "Declare it STRING"),
    typed("stateful model without an id", "sequence", "x BIGINT", "sum BIGINT", "stateful"),
    BadInput(
        "too few columns given", ("2 columns", "1 were given"), "add", "a FLOAT; b FLOAT", "sum FLOAT", ("FLOAT",)
    ),
    BadInput(
        "array that Flink would not cast",
        ("'x'", "CAST(... AS ARRAY<FLOAT>)"),
        "identity_fp32_array",
        "x ARRAY<FLOAT>",
        "y ARRAY<FLOAT>",
        ("ARRAY<INT>",),
    ),
    BadInput(
        "misspelt in the MAP", ("no option 'request-tmeout'", "'request-timeout'"), runtime={"request-tmeout": "1s"}
    ),
    BadInput("bad value in the MAP", ("'max-retries' = 'many'", "whole number"), runtime={"max-retries": "many"}),
    BadInput("model of no server in the MAP", ("'none'", "unknown model"), runtime={"model-name": "none"}),
)

CALLS = (
    call("string for a float", "identity_fp32", "x FLOAT", ("STRING",), "'x'", "STRING", "CAST(... AS FLOAT)"),
    call("double for a float", "identity_fp32", "x FLOAT", ("DOUBLE",), "'x'", "DOUBLE", "CAST(... AS FLOAT)"),
    call("long for an integer", "identity_int32", "x INT", ("BIGINT",), "'x'", "CAST(... AS INT)", output="y INT"),
    call("boolean for a float", "identity_fp32", "x FLOAT", ("BOOLEAN",), "'x'", "CAST(... AS FLOAT)"),
    call("too many arguments", "identity_fp32", "x FLOAT", ("FLOAT", "FLOAT"), "1 columns (x FLOAT)", "2 were given"),
    call("too deep an argument", "identity_fp32", "x FLOAT", ("ARRAY<ARRAY<FLOAT>>",), "'x'", "Write ...[1][1]"),
    call("bytes for a float", "identity_fp32", "x FLOAT", ("BYTES",), "'x'", "CAST(CAST(... AS STRING) AS FLOAT)"),
    call("timestamp", "identity_fp32", "x FLOAT", ("TIMESTAMP(3)",), "'x'", "TIMESTAMP(3)", "CAST"),
)

BAD_INPUTS = (*OPTIONS, *COLUMNS, *CALLS)

#: Statements in a session whose catalog `triton` is attached to the server, which holds a view `rows_in` of
#: (x FLOAT, i BIGINT, s STRING, xs ARRAY<FLOAT>) and the models `good` and `uses_int`; `{url}` is the server's.
STATEMENTS: dict[str, tuple[str, ...]] = {
    "CREATE CATALOG c WITH ('type' = 'triton', 'endpont' = '{url}')": ("'endpont'", "'endpoint'"),
    "CREATE CATALOG c WITH ('type' = 'triton', 'endpoint' = 'triton')": ("'endpoint' = 'triton'", "http://host:8000"),
    "CREATE CATALOG c WITH ('type' = 'triton', 'model-name' = 'm')": ("'model-name'", "CREATE MODEL"),
    "CREATE CATALOG c WITH ('type' = 'triton', 'timeout' = 'soon')": ("'timeout' = 'soon'", "'30s'"),
    "CREATE MODEL m WITH ('provider' = 'triton', 'model-name' = 'none')": ("'m'", "unknown model", "INPUT and OUTPUT"),
    "CREATE MODEL m WITH ('provider' = 'triton', 'model-name' = 'add', 'tmeout' = '1s')": ("'m'", "'timeout'"),
    "CREATE MODEL m WITH ('provider' = 'triton')": ("'m'", "'model-name' is missing"),
    "CREATE MODEL m WITH ('provider' = 'triton', 'model-name' = 'add', 'endpoint' = 'http://127.0.0.1:9')": (
        "'m'",
        "Connection refused",
        "'endpoint'",
    ),
    "DROP MODEL add": ("'add'", "cannot be dropped", "CREATE MODEL"),
    "ALTER MODEL add SET ('timeout' = '1s')": ("'add'", "cannot be altered", "CREATE MODEL"),
    "ALTER MODEL add RENAME TO plus": ("'add'", "cannot be renamed", "CREATE MODEL"),
    "SELECT good(s) FROM rows_in": ("good'", "'x'", "STRING", "CAST(... AS FLOAT)"),
    "SELECT good(xs) FROM (SELECT ARRAY[xs] AS xs FROM rows_in)": ("good'", "'x'", "Write ...[1][1]"),
    "CREATE MODEL m INPUT (x FLOAT) OUTPUT (y FLOAT NOT NULL) WITH ('provider' = 'triton', 'model-name' = 'add')": (
        "'m'",
        "'y'",
        "Declare it FLOAT",
    ),
    "SELECT uses_int(i) FROM rows_in": ("uses_int'", "'x'", "BIGINT", "CAST(... AS INT)"),
    "SELECT s, y FROM ML_PREDICT(TABLE rows_in, MODEL good, DESCRIPTOR(s))": ("'s'", "STRING", "FLOAT"),
    "SELECT s, y FROM ML_PREDICT(TABLE rows_in, MODEL good, DESCRIPTOR(x, s))": ("2", "input size (1)"),
    "SELECT s, y FROM ML_PREDICT(TABLE rows_in, MODEL good, DESCRIPTOR(x), MAP['tmeout', '1s'])": (
        "good'",
        "no option 'tmeout'",
        "'timeout'",
    ),
    "SELECT s, y FROM ML_PREDICT(TABLE rows_in, MODEL uses_float, DESCRIPTOR(i))": (
        "uses_float'",
        "'x'",
        "Declare it FLOAT",
    ),
    "SELECT s, y FROM ML_PREDICT(TABLE rows_in, MODEL good, DESCRIPTOR(x), MAP['max-retries', 'many'])": (
        "good'",
        "'max-retries' = 'many'",
        "whole number",
    ),
    "SELECT fails(i) FROM rows_in": ("fails'", "HTTP 500", "must not be negative"),
    "SELECT y FROM ML_PREDICT(TABLE rows_in, MODEL fails, DESCRIPTOR(i))": ("fails'", "must not be negative"),
    "SELECT identity_uint8(CAST(i AS SMALLINT)) FROM rows_in": ("'x'", "out of the range of UINT8"),
    "SELECT identity_fp32_nested(ARRAY[xs, ARRAY[x]]) FROM rows_in": ("'x'", "ragged"),
    "SELECT identity_fp32_array(ARRAY[x, CAST(NULL AS FLOAT)]) FROM rows_in": ("'x'", "holds a NULL"),
}
