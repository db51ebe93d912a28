"""Options: what is taken, and the sentence for what is not."""

from __future__ import annotations

import pytest

from pyflink_triton.errors import OptionError
from pyflink_triton.options import OPTIONS, Options, parse_options

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
    assert parse_options({**GOOD, "endpoint": endpoint}).endpoint == base


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
        ({"endpoint": "http://a:1,http://b:1"}, ["'endpoint'", "takes one"]),
        ({"endpoint": "http://triton:8000?x=1"}, ["'endpoint'", "more than a server"]),
        ({"model-name": " "}, ["'model-name'", "is empty"]),
        ({"model-name": "a\nb"}, ["'model-name'", "not a model's name"]),
        ({"model-version": "newest"}, ["'model-version' = 'newest'", "digits"]),
        ({"model-version": "٣"}, ["'model-version'", "digits"]),
        ({"plan-check": "no"}, ["'plan-check'", "'best-effort'"]),
        ({"max-batch-size": "many"}, ["'max-batch-size'", "whole number"]),
        ({"max-in-flight-requests": "0"}, ["'max-in-flight-requests'", "from 1 to"]),
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


def test_a_password_in_an_endpoint_is_not_printed() -> None:
    with pytest.raises(OptionError) as error:
        parse_options({**GOOD, "endpoint": "http://me:hunter2@triton:8000"})
    assert "hunter2" not in str(error.value)


def test_every_option_is_documented_and_its_default_is_what_it_parses_to() -> None:
    defaults = parse_options(GOOD)
    for option in OPTIONS.values():
        assert option.description.endswith(".")
        if not option.required and option.default is not None:
            again = parse_options({**GOOD, option.key: option.default_text.lower()})
            assert again == defaults, option.key
    assert isinstance(defaults, Options)
