"""A statement for Flink's own module for Triton means the same here: names, types and defaults of its options."""

from __future__ import annotations

from typing import Any

import pytest
from flink_options import FlinkOption, options, read_list

from pyflink_triton.errors import OptionError
from pyflink_triton.options.options import OPTIONS
from pyflink_triton.options.validation import parse_options
from pyflink_triton.remedies import Remedy

GOOD = {"endpoint": "http://triton:8000", "model-name": "m"}
#: Defaults that are others on purpose: a server that restarts should not fail a job (docs/deviations.md).
OTHER_DEFAULTS = {"max-retries": "4"}
#: Types that take more than theirs.
WIDER_TYPES = {"sequence-start": "Boolean or column", "sequence-end": "Boolean or column"}
THEIRS = [(part, *each) for part in ("released", "main") for each in options(part).items()]


@pytest.mark.parametrize(("part", "key", "theirs"), THEIRS, ids=lambda each: each if isinstance(each, str) else "")
def test_an_option_has_their_name_type_and_default(part: str, key: str, theirs: FlinkOption) -> None:
    ours = OPTIONS[key]
    assert ours.type == WIDER_TYPES.get(key, theirs.type)
    default = OTHER_DEFAULTS.get(key, theirs.default)
    assert (None if ours.required or ours.default == () else ours.default) == (default and ours.parse(default))


def test_the_main_branch_has_all_that_was_released() -> None:
    assert options("released").keys() < options("main").keys()
    assert all(options("main")[key] == option for key, option in options("released").items())


@pytest.mark.parametrize("key", options("proposed"))
def test_an_option_that_is_proposed_there_is_refused_with_what_has_its_place(key: str) -> None:
    default = options("proposed")[key].default
    assert default is not None
    with pytest.raises(OptionError) as error:
        parse_options({**GOOD, key: default})
    said = str(error.value)
    assert said.startswith(f"option '{key}' is not needed, because ")
    named = [other for other in OPTIONS if said.endswith(f"{Remedy.WRITE_OTHER_KEY(key=other)}.")]
    assert len(named) == 1 or said.endswith(f"{Remedy.LEAVE_OUT()}.")
    for other in named:
        parse_options({**GOOD, other: default})


#: What the arguments that `TritonProvider` is given in `flink_options.json` mean here, by the names of fields.
MEANT: dict[str, Any] = {
    "endpoints": ("http://localhost:8000",),
    "model_name": "classifier",
    "model_version": "3",
    "timeout": 10.0,
    "flatten_batch_dim": True,
    "priority": 200,
    "sequence_id": "18446744073709551615",
    "sequence_start": True,
    "sequence_end": False,
    "compression": "gzip",
    "auth_token": "${SECRET:triton-token}",
    "custom_headers": (("X-Request", "comma, colon: quote'"), ("X-Empty", "")),
    "max_retries": 2,
    "retry_initial_backoff": 0.2,
    "retry_max_backoff": 5.0,
    "default_value": "-1",
    "health_check_enabled": True,
    "health_check_interval": 10.0,
    "circuit_breaker_enabled": True,
    "circuit_breaker_failure_threshold": 0.25,
    "circuit_breaker_timeout": 20.0,
    "circuit_breaker_half_open_requests": 5,
}


def test_all_that_flinks_triton_provider_hands_over_is_taken() -> None:
    written = read_list()["TritonProvider"]["written"]
    parsed = parse_options(written)
    assert {name: getattr(parsed, name) for name in MEANT} == MEANT
    assert len(MEANT) == len(written)
    assert written.keys() == options("main").keys() - {"sequence-id-auto-increment"}
