"""Options: what is taken, and the sentence for what is not."""

from __future__ import annotations

import pytest

from pyflink_triton.errors import OptionError
from pyflink_triton.options.options import OPTIONS, Options
from pyflink_triton.options.validation import check_defaults, parse_options

GOOD = {"endpoint": "http://triton:8000/v2/models", "model-name": "m"}


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("http://triton:8000", "http://triton:8000"),
        ("http://triton:8000/", "http://triton:8000"),
        ("http://triton:8000/v2/models", "http://triton:8000"),
        ("http://triton:8000/v2/models/", "http://triton:8000"),
        ("https://gate/prefix/v2/models", "https://gate/prefix"),
        ("https://gate/prefix", "https://gate/prefix"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_endpoint_is_taken_with_and_without_its_path(endpoint: str, base: str) -> None:
    assert parse_options({**GOOD, "endpoint": endpoint}).endpoints == (base,)


def test_units_are_those_of_flink() -> None:
    options = parse_options({**GOOD, "timeout": "2 min", "max-request-bytes": "64 kb", "provider": "triton"})
    assert (options.timeout, options.max_request_bytes) == (120.0, 65536)
    assert parse_options({**GOOD, "timeout": "500"}).timeout == 0.5


def test_the_map_of_ml_predict_wins_and_has_a_name_of_its_own_for_the_timeout() -> None:
    assert parse_options({**GOOD, "timeout": "1s"}, {"request-timeout": "9s", "model-version": "3"}) == parse_options(
        {**GOOD, "timeout": "9s", "model-version": "3"}
    )


def test_latest_is_no_version() -> None:
    assert parse_options({**GOOD, "model-version": "latest"}).model_version is None
    assert parse_options({**GOOD, "model-version": "12"}).model_version == "12"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"endpoint": None}, ["'endpoint' is missing"]),
        ({"model-name": None}, ["'model-name' is missing"]),
        ({"model-nam": "m"}, ["no option 'model-nam'", "Did you mean 'model-name'?"]),
        ({"time-out": "3s"}, ["no option 'time-out'", "'timeout'"]),
        ({"request_timeout": "3s"}, ["no option 'request_timeout'", "'request-timeout'"]),
        ({"xyzzy": "3s"}, ["no option 'xyzzy'", "The options are: endpoint"]),
        ({"timeout": "soon"}, ["'timeout' = 'soon'", "'30s'"]),
        ({"timeout": "-3s"}, ["'timeout' = '-3s'", "'30s'"]),
        ({"timeout": "3 parsecs"}, ["'timeout'", "'30s'"]),
        ({"timeout": "0s"}, ["'timeout'", "1ms"]),
        ({"timeout": "2 d"}, ["'timeout'", "1 d"]),
        ({"plan-check-timeout": "1 min"}, ["'plan-check-timeout'", "50s"]),
        ({"endpoint": "triton:8000"}, ["'endpoint'", "http://host:8000"]),
        ({"endpoint": "ftp://triton"}, ["'endpoint'", "http or https"]),
        ({"endpoint": "http://triton:port"}, ["'endpoint'", "http://host:8000"]),
        ({"endpoint": "http://a:1,b:1"}, ["'endpoint'", "http or https"]),
        ({"endpoint": "http://a b:1"}, ["'endpoint'", "not a URL"]),
        ({"endpoint": " , "}, ["'endpoint'", "is empty"]),
        ({"endpoint": "http://${ENV:node}:8000"}, ["'endpoint'", "upper-case letters", "'http://${ENV:NODE}:8000'"]),
        ({"endpoint": "http://${ENV:}:8000"}, ["'endpoint'", "upper-case letters"]),
        ({"endpoint": "http://${NODE}:8000"}, ["'endpoint'", "not a URL"]),
        ({"endpoint-groups": "http://a:1;"}, ["'endpoint-groups'", "is empty"]),
        ({"endpoint-groups": "a:1"}, ["'endpoint-groups'", "http or https"]),
        ({"endpoint-groups": "http://a,http://triton:8000/v2"}, ["'endpoint-groups'", "http://triton:8000", "Leave"]),
        ({"priority": "256"}, ["'priority' = '256'", "0 to 255"]),
        ({"compression": "brotli"}, ["'compression' = 'brotli'", "'gzip'"]),
        ({"custom-headers": "X-Key value"}, ["'custom-headers'", "without a ':'"]),
        ({"custom-headers": '{"X-Key": 3}'}, ["'custom-headers'", "not a string"]),
        ({"custom-headers": "{"}, ["'custom-headers'", "JSON"]),
        ({"custom-headers": "X Key:v"}, ["'custom-headers'", "no HTTP header"]),
        ({"custom-headers.X Key": "v"}, ["'custom-headers.X Key'", "no HTTP header"]),
        ({"custom-headers.X-Key": "a\r\nb: c"}, ["'custom-headers.X-Key'", "line break"]),
        ({"custom-headers.Content-Length": "3"}, ["'custom-headers.Content-Length'", "not for users"]),
        ({"custom-headers": "X-Key:v", "custom-headers.x-key": "v"}, ["'custom-headers'", "twice"]),
        ({"auth-token": "a\nb"}, ["'auth-token'", "line break"]),
        ({"auth-token": "t", "custom-headers": "authorization:t"}, ["'auth-token'", "Authorization", "Leave one out"]),
        (
            {"trace-context": "true", "custom-headers": "Traceparent:t"},
            ["'trace-context'", "traceparent", "Leave one out"],
        ),
        ({"sequence-start": "true"}, ["'sequence-start'", "'sequence-id'"]),
        ({"sequence-id": "a-${b"}, ["'sequence-id'", "not closed"]),
        ({"sequence-id": "a", "sequence-start": "maybe"}, ["'sequence-start'", "'${is_first}'"]),
        (
            {"sequence-id": "a", "sequence-id-auto-increment": "true", "sequence-end": "false"},
            ["'sequence-end'", "'sequence-id-auto-increment'"],
        ),
        ({"sequence-lost": "ignore", "sequence-id": "a"}, ["'sequence-lost' = 'ignore'", "'restart'"]),
        ({"retry-initial-backoff": "1 min"}, ["'retry-initial-backoff'", "'retry-max-backoff'"]),
        ({"timeout": "1 min", "total-timeout": "3s"}, ["'total-timeout'", "'timeout'"]),
        ({"circuit-breaker-failure-threshold": "1.5"}, ["'circuit-breaker-failure-threshold' = '1.5'", "'0.5'"]),
        ({"tls-ca-file": "ca.pem"}, ["'tls-ca-file'", "https"]),
        ({"endpoint": "https://t", "tls-key-file": "k.pem"}, ["'tls-key-file'", "'tls-cert-file'"]),
        ({"warmup": "yes"}, ["'warmup' = 'yes'", "'true'"]),
        ({"endpoint": "http://triton:8000?x=1"}, ["'endpoint'", "more than a server"]),
        ({"model-name": " "}, ["'model-name'", "is empty"]),
        ({"model-name": "a\nb"}, ["'model-name' = 'a\\nb'", "holds a control character", "Correct the name"]),
        ({"model-version": "newest"}, ["'model-version' = 'newest'", "digits"]),
        ({"model-version": "٣"}, ["'model-version'", "digits"]),
        ({"plan-check": "no"}, ["'plan-check'", "'best-effort'"]),
        ({"max-batch-size": "many"}, ["'max-batch-size'", "whole number"]),
        ({"max-in-flight-requests": "0"}, ["'max-in-flight-requests'", "from 1 to"]),
        *[
            ({"max-requests-per-second": rate}, ["'max-requests-per-second'", "'0.5'"])
            for rate in ("0", "-1", "inf", "nan", "1e3", "1_0", "٣", "1000001", "0.0001", "fast")
        ],
        ({"max-in-flight-bytes": "1 kb"}, ["'max-in-flight-bytes'", "1 mb"]),
        ({"max-request-bytes": "big"}, ["'max-request-bytes'", "'32 mb'"]),
    ],
)
def test_a_bad_option_is_one_sentence_with_the_remedy(change: dict[str, str | None], words: list[str]) -> None:
    written = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(OptionError) as error:
        parse_options(written)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("key", ["endpoint", "endpoint-groups"])
@pytest.mark.parametrize("rest", ["me:hunter2@triton:8000", "triton/?token=hunter2", "triton#hunter2", "[a?hunter2"])
def test_a_password_in_an_endpoint_is_not_printed(key: str, rest: str) -> None:
    with pytest.raises(OptionError) as error:
        parse_options({**GOOD, key: f"http://{rest}"})
    assert "hunter2" not in str(error.value)


def test_several_endpoints_are_taken() -> None:
    written = "http://a:8000/v2/models, https://b , http://a:8000"
    assert parse_options({**GOOD, "endpoint": written}).endpoints == ("http://a:8000", "https://b")


def test_lists_of_endpoints_stand_in_their_order() -> None:
    options = parse_options({**GOOD, "endpoint-groups": "http://a:1/v2, https://b ; http://c"})
    assert options.groups == (("http://triton:8000",), ("http://a:1", "https://b"), ("http://c",))
    assert options.endpoint == "http://triton:8000,http://a:1,https://b,http://c"
    parse_options({**GOOD, "endpoint-groups": "https://b", "tls-verify": "false"})


def test_variables_of_the_environment_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYFLINK_TRITON_ENDPOINT_NODE_1", "10.0.0.7")
    monkeypatch.setenv("PYFLINK_TRITON_ENDPOINT_ALL", "https://a, http://b:1/v2")
    for written, found in (
        ("http://${ENV:NODE_1}:8000/v2/models,http://b", ("http://10.0.0.7:8000", "http://b")),
        ("${ENV:ALL}", ("https://a", "http://b:1")),
        ("http://${ENV:NODE_1}:8000,http://${ENV:NODE_1}:8001", ("http://10.0.0.7:8000", "http://10.0.0.7:8001")),
        (" http://${ENV:AWAY}:8000 ", ("http://${ENV:AWAY}:8000",)),  # found missing where it is needed
    ):
        assert parse_options({**GOOD, "endpoint": written}).endpoints == found
    groups = parse_options({**GOOD, "endpoint-groups": "http://${ENV:NODE_1};${ENV:AWAY}"}).endpoint_groups
    assert groups == (("http://10.0.0.7",), ("${ENV:AWAY}",))


@pytest.mark.parametrize("value", ["http://me:hunter2@triton:8000", "hunter2", ""])
def test_what_a_variable_holds_is_not_printed(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYFLINK_TRITON_ENDPOINT_NODE", value)
    with pytest.raises(OptionError, match=r"option 'endpoint' = '\$\{ENV:NODE\}' with the variables") as error:
        parse_options({**GOOD, "endpoint": "${ENV:NODE}"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "written",
    [
        {"custom-headers": "X-API-Key:a,b,X-Client-ID: c"},
        {"custom-headers": '{"X-API-Key": "a,b", "X-Client-ID": "c"}'},
        {"custom-headers.X-API-Key": "a,b", "custom-headers.X-Client-ID": "c"},
    ],
)
def test_headers_have_three_forms(written: dict[str, str]) -> None:
    assert parse_options({**GOOD, **written}).custom_headers == (("X-API-Key", "a,b"), ("X-Client-ID", "c"))


def test_a_secret_is_not_printed() -> None:
    options = parse_options({**GOOD, "auth-token": "canary", "custom-headers.X-Key": "canary"})
    assert "canary" not in repr(options)
    for bad in ({"auth-token": "canary\n"}, {"custom-headers": "X-Key canary"}, {"custom-headers.Host": "canary"}):
        with pytest.raises(OptionError) as error:
            parse_options({**GOOD, **bad})
        assert "canary" not in str(error.value)


def test_the_time_of_a_row_follows_the_timeout_unless_it_is_set() -> None:
    assert parse_options(GOOD).row_timeout == 150.0
    assert parse_options({**GOOD, "timeout": "1000s"}).row_timeout == 1200.0
    assert parse_options({**GOOD, "timeout": "1000s", "total-timeout": "2000s"}).row_timeout == 2000.0


def test_a_catalog_takes_any_option_but_those_of_one_model() -> None:
    check_defaults({"endpoint": "http://triton:8000", "timeout": "3s", "auth-token": "t"})
    check_defaults({})
    with pytest.raises(OptionError, match="'model-name' is for one model"):
        check_defaults({"model-name": "m"})
    with pytest.raises(OptionError, match="Did you mean 'timeout'"):
        check_defaults({"timout": "3s"})


def test_every_option_is_documented_and_its_default_is_what_it_parses_to() -> None:
    good = {**GOOD, "endpoint": "https://triton:8000"}
    defaults = parse_options(good)
    for option in OPTIONS.values():
        assert option.description.endswith(".")
        if option.default_text != "-":
            again = parse_options({**good, option.key: option.default_text.lower()})
            assert again == defaults, option.key
    assert isinstance(defaults, Options)
