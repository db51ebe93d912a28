"""The options of a model: each is declared once here, with its key, type, default and description."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

from pyflink_triton.options import parsers as read
from pyflink_triton.options import routes
from pyflink_triton.options.declaration import REQUIRED, Option, option
from pyflink_triton.options.padding import Pad, pads
from pyflink_triton.options.request_parameters import Parameter, parameters

#: Defaults of `timeout` and `max-in-flight-requests` for decoupled models: a model's first response takes long, and
#: hundreds of streams at once are normal.
_STREAM_TIMEOUT = 120.0
#: The default of `total-timeout` for decoupled models, in time-outs.
_STREAM_TIMEOUTS = 5
STREAMS_IN_FLIGHT = 256


@dataclass(frozen=True)
class Options:
    """A model's options, read and checked; durations are in seconds, sizes in bytes."""

    endpoints: tuple[str, ...] = option(
        "endpoint", "String", read.endpoints, REQUIRED,
        "URL of the Triton server, with or without `/v2/models` and a path before it. Requests are spread over "
        "several URLs, separated by commas, and over all addresses of a host that has several. `${ENV:NAME}` is an "
        "environment variable of the machine that sends: its name there has `PYFLINK_TRITON_ENDPOINT_` in front.",
    )  # fmt: skip
    model_name: str = option(
        "model-name", "String", read.model_name, REQUIRED,
        "Name of the model on the server. It is sent as it is and holds no space, `/`, `?`, `#` or control character. "
        "`${column}`: each row names its model, one of `allowed-models`.",
    )  # fmt: skip
    model_version: str | None = option(
        "model-version", "String", read.version, None,
        "Version of the model: digits, or `latest` (the default) for the newest version that is ready. `${column}`: "
        "each row names its version.",
    )  # fmt: skip
    allowed_models: tuple[str, ...] = option(
        "allowed-models", "List", routes.allowed_models, (),
        "Models that rows may name where `model-name` is `${column}`: names, separated by commas. One that ends in `*` "
        "stands for all that begin so.",
    )  # fmt: skip
    endpoint_groups: tuple[tuple[str, ...], ...] = option(
        "endpoint-groups", "List", read.endpoint_groups, (),
        "URLs, as in `endpoint`, that get requests only while none of `endpoint` can be reached: servers in another "
        "region. A `;` begins another such list, which stands behind the lists before it.",
    )  # fmt: skip
    timeout: float = option(
        "timeout", "Duration", read.duration(0.001), 30.0,
        "Time for one HTTP call: connect, send and receive. In the MAP of `ML_PREDICT` it is called "
        "`request-timeout`. For a decoupled model it is the time to the first response and between two, by default "
        "120 s.",
    )  # fmt: skip
    total_timeout: float | None = option(
        "total-timeout", "Duration", read.duration(0.001), None,
        "Time for a row, from when its request is first sent, or first held back because no endpoint can be reached. "
        "By default 150 s, or 1.2 times `timeout` if that is longer; it may not be below a `timeout` that is set. For "
        "a decoupled model it is five times `timeout`.",
    )  # fmt: skip
    flatten_batch_dim: bool = option(
        "flatten-batch-dim", "Boolean", read.boolean, False,
        "Whether a leading dimension of 1 is dropped from array inputs: `[1, N]` becomes `[N]`.",
    )  # fmt: skip
    default_value: str | None = option(
        "default-value", "String", str, None,
        "Answer for a row whose request failed; the job does not fail then. A value, `null` for NULL, or JSON for "
        "arrays and for several outputs.",
    )  # fmt: skip
    error_column: str | None = option(
        "error-column", "String", read.text, None,
        "Name of a STRING column in OUTPUT that holds the message of a row that failed, and NULL for other rows. The "
        "job does not fail then.",
    )  # fmt: skip
    error_code_column: str | None = option(
        "error-code-column", "String", read.text, None,
        "Name of a STRING column in OUTPUT that holds a code for why a row failed: the HTTP status (`503`), the "
        "connection's fault (`TIMEOUT`), or another word in capitals. It is NULL for other rows, and needs "
        "`error-column` or `default-value`.",
    )  # fmt: skip
    model_version_column: str | None = option(
        "model-version-column", "String", read.text, None,
        "Name of a STRING column in OUTPUT that holds the version of the model that answered the row.",
    )  # fmt: skip
    latency_column: str | None = option(
        "latency-column", "String", read.text, None,
        "Name of a DOUBLE column in OUTPUT that holds how many milliseconds the call took that answered the row.",
    )  # fmt: skip
    optional_outputs: tuple[str, ...] = option(
        "optional-outputs", "List", read.names, (),
        "OUTPUT columns, separated by commas, that are NULL where the model's answer for a row leaves them out. If it "
        "leaves out another column, the row fails.",
    )  # fmt: skip
    responses: str | None = option(
        "responses", "String", read.choice("one", "last", "join", "array", "rows"), None,
        "What the responses of a decoupled model to a row become: `one` (the default; another number fails the row), "
        "`last`, `join` (texts one after the other, other outputs from the last), `array` (each output an ARRAY with "
        "an element a response), `rows` (a row a response, in `ML_PREDICT` alone).",
    )  # fmt: skip
    response_index: str | None = option(
        "response-index", "String", read.text, None,
        "Name of an INT column in OUTPUT that counts the responses to a row from 0, with `responses` = `rows`. It is "
        "NULL for a row without a response.",
    )  # fmt: skip
    parameters: tuple[tuple[str, Parameter], ...] = option(
        "parameters", "Map", parameters, (),
        "Parameters of the requests: a JSON object of texts, numbers and truth values, or an option for each, as in "
        "`'parameters.NAME' = '0.7'`. `${column}` refers to a column.",
    )  # fmt: skip
    pad: tuple[tuple[str, Pad], ...] = option(
        "pad", "Map", pads, (),
        "Tensors whose variable dim is padded to fixed lengths, so that rows of different lengths share a request: a "
        """JSON object, or an option for each, as in `'pad.TENSOR' = '{"edges": [16, 32, 64], "value": 0, "mask": """
        """"attention_mask"}'`. `"mask": null` says that the model needs no mask.""",
    )  # fmt: skip
    tokens_column: str | None = option(
        "tokens-column", "String", read.text, None,
        "Name of an integer column in OUTPUT with a number of tokens. Its values are added up in the metric `tokens`.",
    )  # fmt: skip
    finish_column: str | None = option(
        "finish-column", "String", read.text, None,
        "Name of a STRING column in OUTPUT that only the last response of a whole stream fills, as `finish_reason`. A "
        "stream that ends without it was cut, and is tried again. With `responses` = `join` it is that of the last.",
    )  # fmt: skip
    deterministic: bool | None = option(
        "deterministic", "Boolean", read.boolean, None,
        "Whether the model always gives the same answer for the same row. Flink's planner uses this for `m(x)`. By "
        "default a model does, unless it is decoupled.",
    )  # fmt: skip
    priority: int | None = option(
        "priority", "Integer", read.integer(0, 255), None,
        "Priority of the requests, from 0 to 255; higher is more urgent. It is mapped to the levels that the model "
        "has.",
    )  # fmt: skip
    sequence_id: str | None = option(
        "sequence-id", "String", read.template, None,
        "Id of the sequence that a row belongs to, for stateful models. It may refer to columns: "
        "`conversation-${user_id}`.",
    )  # fmt: skip
    sequence_id_auto_increment: bool = option(
        "sequence-id-auto-increment", "Boolean", read.boolean, False,
        "Whether each row is a sequence of its own, with the id `{sequence-id}-{subtask-index}-{counter}`.",
    )  # fmt: skip
    sequence_start: bool | str = option(
        "sequence-start", "Boolean or column", read.boolean_or_column, False,
        "Whether the first request for an id starts its sequence, or the BOOLEAN column that says so: `${is_first}`.",
    )  # fmt: skip
    sequence_end: bool | str = option(
        "sequence-end", "Boolean or column", read.boolean_or_column, False,
        "Whether each request ends its sequence, or the BOOLEAN column that says so: `${is_last}`.",
    )  # fmt: skip
    sequence_lost: str | None = option(
        "sequence-lost", "String", read.choice("restart", "fail"), None,
        "What happens to a row whose sequence the server no longer has: `restart` starts the sequence again (the "
        "default where `sequence-start` is `true`), `fail` fails the row.",
    )  # fmt: skip
    sequence_max_ids: int = option(
        "sequence-max-ids", "Integer", read.integer(1, 10_000_000), 100_000,
        "Number of sequences that a subtask keeps track of. Beyond it, the sequence that was idle for the longest "
        "time is forgotten, as after a loss.",
    )  # fmt: skip
    compression: str | None = option(
        "compression", "String", read.choice("gzip", "deflate"), None,
        "Compression of request bodies: `gzip` or `deflate`.",
    )  # fmt: skip
    compression_min_bytes: int = option(
        "compression-min-bytes", "Size", read.size(0), 1024,
        "Size of the smallest request body that is compressed.",
    )  # fmt: skip
    compression_response: bool = option(
        "compression-response", "Boolean", read.boolean, False,
        "Whether the server is asked to compress its answers.",
    )  # fmt: skip
    auth_token: str | None = option(
        "auth-token", "String", read.one_line, None,
        "Token that is sent as `Authorization: Bearer ...`, or unchanged if it holds a space. `${SECRET:name}` refers "
        "to a secret.",
        secret=True,
    )  # fmt: skip
    custom_headers: tuple[tuple[str, str], ...] = option(
        "custom-headers", "Map", read.headers, (),
        "HTTP headers of every request: `name:value,name:value`, a JSON object, or an option for each header, as in "
        "`'custom-headers.X-Name' = 'value'`. Values may refer to secrets.",
        secret=True,
    )  # fmt: skip
    trace_context: bool = option(
        "trace-context", "Boolean", read.boolean, False,
        "Whether each request has the W3C header `traceparent` with a trace id of its own, by which traces of the "
        "server are found.",
    )  # fmt: skip
    max_retries: int = option(
        "max-retries", "Integer", read.integer(0, 100), 4,
        "How often a request is sent again after a retryable error. Waiting for a server that cannot be reached does "
        "not count.",
    )  # fmt: skip
    retry_initial_backoff: float = option(
        "retry-initial-backoff", "Duration", read.duration(0.001), 0.1,
        "Wait before the first retry. It doubles with each retry, with jitter.",
    )  # fmt: skip
    retry_max_backoff: float = option(
        "retry-max-backoff", "Duration", read.duration(0.001), 30.0,
        "Longest wait before a retry, unless `Retry-After` asks for more.",
    )  # fmt: skip
    circuit_breaker_enabled: bool = option(
        "circuit-breaker-enabled", "Boolean", read.boolean, False,
        "Whether an endpoint that keeps failing gets no requests for a while.",
    )  # fmt: skip
    circuit_breaker_failure_threshold: float = option(
        "circuit-breaker-failure-threshold", "Double", read.fraction, 0.5,
        "Share of failures, of at least 10 requests, that opens the circuit breaker.",
    )  # fmt: skip
    circuit_breaker_timeout: float = option(
        "circuit-breaker-timeout", "Duration", read.duration(0.001), 60.0,
        "How long an open circuit breaker lets no request through.",
    )  # fmt: skip
    circuit_breaker_half_open_requests: int = option(
        "circuit-breaker-half-open-requests", "Integer", read.integer(1, 1000), 3,
        "Number of requests that must succeed before a half-open circuit breaker closes.",
    )  # fmt: skip
    health_check_enabled: bool = option(
        "health-check-enabled", "Boolean", read.boolean, False,
        "Whether each endpoint is regularly asked if the model is ready.",
    )  # fmt: skip
    health_check_interval: float = option(
        "health-check-interval", "Duration", read.duration(0.01), 30.0,
        "Time between two health checks of an endpoint.",
    )  # fmt: skip
    plan_check: str = option(
        "plan-check", "String", read.choice("required", "best-effort", "off"), "required",
        "Whether planning a statement checks it with the signature of the server's model: `required` (an unreachable "
        "server is an error), `best-effort` (it is a warning, and the check is made when the job starts), `off`. "
        "Where the job may not ask for the signature either, `off` uses INPUT and OUTPUT for it, if `max-batch-size` "
        "is set.",
    )  # fmt: skip
    plan_check_timeout: float = option(
        "plan-check-timeout", "Duration", read.duration(0.001, 50.0), 5.0,
        "How long planning a statement waits for the server.",
    )  # fmt: skip
    warmup: bool = option(
        "warmup", "Boolean", read.boolean, False,
        "Whether a job sends one request of zeros at its start, before the first row.",
    )  # fmt: skip
    warmup_timeout: float = option(
        "warmup-timeout", "Duration", read.duration(0.0), 60.0,
        "How long a job waits at its start for the model to be ready.",
    )  # fmt: skip
    max_batch_size: int | None = option(
        "max-batch-size", "Integer", read.integer(0, 1 << 20), None,
        "Largest number of rows in one request. By default the model's own `max_batch_size`, which this option "
        "replaces where the server hides the configuration (0: the model has no batch axis).",
    )  # fmt: skip
    max_request_bytes: int = option(
        "max-request-bytes", "Size", read.size(1), 32 << 20,
        "Largest size of the tensors in one request. A larger row is sent alone.",
    )  # fmt: skip
    bucket_wait: float = option(
        "bucket-wait", "Duration", read.duration(0.0), 0.005,
        "How long a row waits for others of its shape at the least, where rows have several shapes and the server is "
        "busy.",
    )  # fmt: skip
    max_response_bytes: int = option(
        "max-response-bytes", "Size", read.size(1024), (1 << 31) - 1,
        "Largest size of an answer, decompressed.",
    )  # fmt: skip
    max_in_flight_requests: int = option(
        "max-in-flight-requests", "Integer", read.integer(1, 10_000), 64,
        "Largest number of HTTP requests that one subtask has in flight; by default 256 for a decoupled model.",
    )  # fmt: skip
    max_requests_per_second: float | None = option(
        "max-requests-per-second", "Double", read.rate, None,
        "Largest number of HTTP requests that all subtasks of one call in a statement send in a second, retries "
        "included; may be below 1. Each subtask gets the same share. Beyond it, the operator is back-pressured.",
    )  # fmt: skip
    max_in_flight_bytes: int = option(
        "max-in-flight-bytes", "Size", read.size(1 << 20), 256 << 20,
        "Size of the rows that one subtask holds outside Flink's memory. Beyond it, the operator is back-pressured.",
    )  # fmt: skip
    cache_max_bytes: int = option(
        "cache-max-bytes", "Size", read.size(0), 0,
        "Size of the answers that one subtask keeps for rows that come again; 0 keeps none. A row that equals one in "
        "the cache, or one that is under way, is not sent. The least used answers make room.",
    )  # fmt: skip
    cache_ttl: float = option(
        "cache-ttl", "Duration", read.duration(0.001), 600.0,
        "How long an answer is given again, with `cache-max-bytes`.",
    )  # fmt: skip
    connection_max_age: float = option(
        "connection-max-age", "Duration", read.duration(0.0), 300.0,
        "Age at which a connection is replaced, and a host's addresses are looked up again, so that new ones are "
        "noticed.",
    )  # fmt: skip
    tls_ca_file: str | None = option(
        "tls-ca-file", "String", read.text, None,
        "File with the certificates that sign the server's, for `https`. By default the system's, or those that "
        "`SSL_CERT_FILE` and `SSL_CERT_DIR` name.",
    )  # fmt: skip
    tls_cert_file: str | None = option(
        "tls-cert-file", "String", read.text, None,
        "File with the certificate that the client shows to the server.",
    )  # fmt: skip
    tls_key_file: str | None = option(
        "tls-key-file", "String", read.text, None,
        "File with the private key of `tls-cert-file`, if it is not in that file.",
    )  # fmt: skip
    tls_verify: bool = option(
        "tls-verify", "Boolean", read.boolean, True,
        "Whether the server's certificate and host name are checked.",
    )  # fmt: skip
    proxy_from_environment: bool = option(
        "proxy-from-environment", "Boolean", read.boolean, False,
        "Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment are used.",
    )  # fmt: skip

    #: The keys that the user wrote, and the seconds that a row may take whatever they say.
    written: frozenset[str] = dataclasses.field(default=frozenset(), repr=False, compare=False)
    limit: float = dataclasses.field(default=math.inf, repr=False, compare=False)

    @property
    def endpoint(self) -> str:
        """All endpoints as one text, for messages."""
        return ",".join(self.every_endpoint)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The lists of endpoints, the first choice first."""
        return (self.endpoints, *self.endpoint_groups)

    @property
    def every_endpoint(self) -> tuple[str, ...]:
        """The endpoints of all lists."""
        return tuple(itertools.chain(*self.groups))

    @property
    def row_timeout(self) -> float:
        """``total_timeout``, or its default where the user has not set it."""
        seconds = self.total_timeout if self.total_timeout is not None else max(150.0, 1.2 * self.timeout)
        return min(seconds, self.limit)

    @property
    def model_column(self) -> str | None:
        """The column that says which model a row is for; None where all are for one."""
        return read.column_alone(self.model_name)

    @property
    def version_column(self) -> str | None:
        """The column that says which version of its model a row is for; None where all are for one."""
        return read.column_alone(self.model_version)

    @property
    def has_routes(self) -> bool:
        """Whether rows say which model, or which version of it, they are for."""
        return self.model_column is not None or self.version_column is not None

    @property
    def spreads_rows(self) -> bool:
        """Whether few rows may share a request: some are not sent at all, or they are for several models."""
        return self.cache_max_bytes > 0 or self.has_routes

    def of_route(self, route: routes.Route) -> Options:
        """The same options for the rows of one model."""
        return dataclasses.replace(self, model_name=route.model, model_version=route.version)

    def for_streams(self) -> Options:
        """The same options, with the defaults of decoupled models for what the user has not set."""
        changes: dict[str, Any] = {}
        if "timeout" not in self.written:
            changes["timeout"] = min(_STREAM_TIMEOUT, self.limit)
        if self.total_timeout is None:
            changes["total_timeout"] = _STREAM_TIMEOUTS * changes.get("timeout", self.timeout)
        if "max-in-flight-requests" not in self.written:
            changes["max_in_flight_requests"] = STREAMS_IN_FLIGHT
        return dataclasses.replace(self, **changes)

    @property
    def trusts_declaration(self) -> bool:
        """Whether INPUT and OUTPUT are used as the signature where the server hides it."""
        return self.plan_check == "off" and self.max_batch_size is not None

    def within(self, seconds: float) -> Options:
        """The same options with `timeout` and `total-timeout` cut, so that no row takes longer than this."""
        return dataclasses.replace(self, limit=seconds, timeout=min(self.timeout, seconds))


#: Every option by its key, in the order of the documentation.
OPTIONS: dict[str, Option] = {
    field.metadata["option"].key: field.metadata["option"] for field in dataclasses.fields(Options) if field.metadata
}
#: The field of ``Options`` that holds each option.
FIELDS: dict[str, str] = {
    field.metadata["option"].key: field.name for field in dataclasses.fields(Options) if field.metadata
}
