"""Makes ``Options`` of what a user wrote; refuses unknown keys, bad values and combinations with the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pyflink_triton.errors import OptionError
from pyflink_triton.options.options import FIELDS, OPTIONS, Options
from pyflink_triton.options.padding import Pad, pad
from pyflink_triton.options.parsers import header
from pyflink_triton.options.request_parameters import Parameter, parameter
from pyflink_triton.remedies import Remedy

#: Options that Flink itself puts among a model's.
FLINK_KEYS = frozenset({"provider", "property-version", "task"})
#: ML_PREDICT's MAP has Flink's own `timeout`, so the model's has another name there.
_RUNTIME_NAMES = {"request-timeout": "timeout"}
_HEADER_PREFIX = "custom-headers."
_PARAMETER_PREFIX = "parameters."
_PAD_PREFIX = "pad."
#: Options for connections that Flink's own module may get (apache/flink#27568), why they are not needed here, and the
#: option that has their place.
_NEEDLESS = {
    "connection-pool-max-idle": ("every connection is kept until it was idle for 15 s", None),
    "connection-pool-keep-alive": ("idle connections are closed after 15 s", "connection-max-age"),
    "connection-pool-max-total": ("there are no more connections than requests in flight", "max-in-flight-requests"),
    "connection-timeout": ("the time to connect is part of the time for a call", "timeout"),
    "connection-reuse-enabled": ("connections are always used again", None),
    "connection-pool-monitoring-enabled": ("the metrics 'http_requests' and 'in_flight' are always there", None),
}
#: Options for what some models have and others do not.
_NOT_OF_ROUTES = (
    ("sequence-id", "sequences"),
    ("responses", "streams of responses"),
    ("priority", "levels of priority"),
)
_URLS = ("endpoint", "endpoint-groups")
#: Options that a catalog cannot have.
_MODEL_OPTIONS = ("model-name", "model-version", "allowed-models")


def parse_options(options: Mapping[str, str], runtime_options: Mapping[str, str] | None = None) -> Options:
    """Read a model's options and check them.

    Args:
        options: What the user wrote in WITH.
        runtime_options: What the user wrote in ML_PREDICT's MAP; it overrides ``options``.

    Raises:
        OptionError: An option is unknown, missing or has a bad value; the message says what to write.
    """
    written = {key: value for key, value in options.items() if key not in FLINK_KEYS}
    for key, value in (runtime_options or {}).items():
        written[_RUNTIME_NAMES.get(key, key)] = value
    values = _read(written)
    for key, option in OPTIONS.items():
        if option.required and key not in written:
            raise OptionError(f"option '{key}' is missing. {option.description}")
    parsed = Options(**values, written=frozenset(written))
    _check_combinations(parsed, set(written))
    return parsed


def check_defaults(options: Mapping[str, str]) -> Options:
    """Check the options of a catalog, which are the defaults of its models.

    Args:
        options: What the user wrote, without Flink's own options.

    Returns:
        The options, with placeholders for what only a model has and for an endpoint that is not set.

    Raises:
        OptionError: An option is unknown, has a bad value, or is one that only a model has.
    """
    for key in _MODEL_OPTIONS:
        if key in options:
            raise OptionError(f"option '{key}' is for one model, not for a catalog. {Remedy.WRITE_IN_CREATE_MODEL()}")
    values = _read(options)
    defaults = Options(**{"endpoints": ("http://localhost",), "model_name": "m", **values})
    _check_combinations(defaults, set(options))
    return defaults


def _read(written: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    more_headers: list[tuple[str, str]] = []
    more_parameters: list[tuple[str, Parameter]] = []
    more_pads: list[tuple[str, Pad]] = []
    for key, value in written.items():
        if key.startswith((_HEADER_PREFIX, _PARAMETER_PREFIX, _PAD_PREFIX)):
            try:
                if key.startswith(_HEADER_PREFIX):
                    more_headers.append(header(key.removeprefix(_HEADER_PREFIX), value.strip()))
                elif key.startswith(_PAD_PREFIX):
                    more_pads.append(pad(key.removeprefix(_PAD_PREFIX), value))
                else:
                    more_parameters.append(parameter(key.removeprefix(_PARAMETER_PREFIX), value))
            except ValueError as error:
                raise OptionError(f"option '{key}' {error}.") from None
            continue
        option = OPTIONS.get(key)
        if option is None:
            raise OptionError(_unknown(key))
        try:
            values[FIELDS[key]] = option.parse(value)
        except ValueError as error:
            written_as = value if value.isprintable() else value.encode("unicode_escape").decode()
            # The text before an @ may be a password, and so may a URL's query.
            hiding = "@?#" if key in _URLS else "@"
            is_shown = not option.secret and not any(character in value for character in hiding)
            shown = f" = '{written_as}'" if is_shown else ""
            raise OptionError(f"option '{key}'{shown} {error}.") from None
    if more_headers:
        values["custom_headers"] = (*values.get("custom_headers", ()), *more_headers)
    if more_parameters:
        values["parameters"] = (*values.get("parameters", ()), *more_parameters)
    if more_pads:
        values["pad"] = (*values.get("pad", ()), *more_pads)
    return values


def _check_combinations(options: Options, written: set[str]) -> None:
    names = [name.lower() for name, _ in options.custom_headers]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise OptionError(f"option 'custom-headers' sets the header {repeated} twice. {Remedy.LEAVE_ONE_OUT()}")
    if options.auth_token is not None and "authorization" in names:
        raise OptionError(
            f"option 'auth-token' and the custom header Authorization are both set. {Remedy.LEAVE_ONE_OUT()}"
        )
    if options.trace_context and "traceparent" in names:
        raise OptionError(
            f"option 'trace-context' and the custom header traceparent are both set. {Remedy.LEAVE_ONE_OUT()}"
        )
    parameters = [name for name, _ in options.parameters]
    repeated = next((name for name in parameters if parameters.count(name) > 1), None)
    if repeated:
        raise OptionError(f"option 'parameters' sets the parameter '{repeated}' twice. {Remedy.LEAVE_ONE_OUT()}")
    tensors = [name.lower() for name, _ in options.pad]
    repeated = next((name for name in tensors if tensors.count(name) > 1), None)
    if repeated:
        raise OptionError(f"option 'pad' names the tensor '{repeated}' twice. {Remedy.LEAVE_ONE_OUT()}")
    if options.response_index is not None and options.responses != "rows":
        raise OptionError(f"option 'response-index' needs 'responses' = 'rows'. {Remedy.SET_ROWS()}")
    if options.error_code_column is not None and options.error_column is None and options.default_value is None:
        raise OptionError(
            "option 'error-code-column' needs 'error-column' or 'default-value', because without them a row that fails "
            f"fails the job. {Remedy.SET_OPTION_TOO(key='error-column')}"
        )
    if options.cache_max_bytes:
        for key, value in (("deterministic", options.deterministic is False), ("sequence-id", options.sequence_id)):
            if value:
                raise OptionError(
                    f"options 'cache-max-bytes' and '{key}' are both set, and with that a row that comes again may "
                    f"have another answer. {Remedy.LEAVE_ONE_OUT()}"
                )
    if options.sequence_id is None:
        for key in ("sequence-id-auto-increment", "sequence-start", "sequence-end", "sequence-lost"):
            if getattr(options, FIELDS[key]) not in (False, None):
                raise OptionError(f"option '{key}' needs 'sequence-id'. {Remedy.SET_OPTION_TOO(key='sequence-id')}")
    if options.sequence_id_auto_increment:
        for key in ("sequence-start", "sequence-end"):
            if key in written:
                raise OptionError(
                    f"option '{key}' cannot be set with 'sequence-id-auto-increment', which starts and ends a "
                    f"sequence with every request. {Remedy.LEAVE_ONE_OUT()}"
                )
    if options.has_routes or options.allowed_models:
        _check_routes(options)
    if options.retry_initial_backoff > options.retry_max_backoff:
        raise OptionError(
            "option 'retry-initial-backoff' is above 'retry-max-backoff'. "
            + Remedy.LOWER_OR_RAISE(above="retry-initial-backoff", below="retry-max-backoff")
        )
    # A default of 'timeout' that is longer does no harm: a call ends with its row.
    if options.total_timeout is not None and options.total_timeout < options.timeout and "timeout" in written:
        raise OptionError(
            "option 'total-timeout' is below 'timeout'. "
            + Remedy.LOWER_OR_RAISE(above="timeout", below="total-timeout")
        )
    if options.tls_key_file is not None and options.tls_cert_file is None:
        raise OptionError(f"option 'tls-key-file' needs 'tls-cert-file'. {Remedy.SET_OPTION_TOO(key='tls-cert-file')}")
    repeated = next((each for each in options.every_endpoint if options.every_endpoint.count(each) > 1), None)
    if repeated:
        raise OptionError(f"option 'endpoint-groups' has {repeated}, which stands before it. {Remedy.LEAVE_ONE_OUT()}")
    if all(urlsplit(endpoint).scheme == "http" for endpoint in options.every_endpoint) and "endpoint" in written:
        for key in ("tls-ca-file", "tls-cert-file", "tls-key-file", "tls-verify"):
            if key in written:
                raise OptionError(f"option '{key}' is for https, and 'endpoint' is http. {Remedy.WRITE_HTTPS()}")


def _check_routes(options: Options) -> None:
    """Check the options of a statement whose rows name their models."""
    if options.model_column is None and options.allowed_models:
        raise OptionError(
            "option 'allowed-models' is for rows that name their models, and 'model-name' is no column. "
            + Remedy.LEAVE_OUT()
        )
    key = "model-version" if options.model_column is None else "model-name"
    if options.model_column is not None and not options.allowed_models:
        raise OptionError(
            f"option '{key}' is a column, and nothing says which models its rows may name. "
            f"{Remedy.SET_OPTION_TOO(key='allowed-models')}"
        )
    if options.max_batch_size is None:
        raise OptionError(
            f"option '{key}' is a column, so that no model can be asked how many rows it takes. "
            f"{Remedy.SET_OPTION_TOO(key='max-batch-size')}"
        )
    for other, what in _NOT_OF_ROUTES:
        if getattr(options, FIELDS[other]) is not None:
            raise OptionError(
                f"option '{key}' is a column, and '{other}' is for {what}, which rows that name their models cannot "
                f"have. {Remedy.LEAVE_ONE_OUT()}"
            )


def _unknown(key: str) -> str:
    if key in _NEEDLESS:
        reason, other = _NEEDLESS[key]
        remedy = Remedy.LEAVE_OUT() if other is None else Remedy.WRITE_OTHER_KEY(key=other)
        return f"option '{key}' is not needed, because {reason}. {remedy}."
    near = difflib.get_close_matches(key.lower().replace("_", "-"), [*OPTIONS, *_RUNTIME_NAMES], 1, 0.6)
    remedy = Remedy.DID_YOU_MEAN(key=near[0]) if near else f"The options are: {', '.join(OPTIONS)}."
    return f"there is no option '{key}'. {remedy}"
