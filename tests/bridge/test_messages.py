"""The bridge's messages: Python's types are those that the shim's tests read, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from bridge_messages import MESSAGES, check_reply

from pyflink_triton.bridge import messages as headers
from pyflink_triton.metrics import MetricDeltas
from pyflink_triton.runtime import messages as planning

#: Each message and object of the committed file, but what the shim alone keeps.
TYPES: dict[str, dict[str, Any]] = {
    "from the shim": {
        "hello": headers.ShimHello,
        "plan": headers.Plan,
        "open": headers.Open,
        "predict": headers.Predict,
        "close": headers.Close,
    },
    "planning requests": {
        "defaults": planning.CatalogRequest,
        "models": planning.CatalogRequest,
        "describe": planning.DescribeRequest,
        "check": planning.CheckRequest,
        "call": planning.CheckRequest,
        "payload": headers.PayloadRequest,
    },
    "from the worker": {
        "hello": headers.Hello,
        "answer": headers.Answer,
        "opened": headers.Opened,
        "result": headers.Result,
        "error": headers.Error,
        "heartbeat": headers.Heartbeat,
        "log": headers.Log,
    },
    "planning answers": {
        "defaults": headers.DefaultsAnswer,
        "models": planning.ModelsAnswer,
        "describe": planning.DescribeAnswer,
        "check": planning.CheckAnswer,
        "call": planning.CallAnswer,
        "payload": headers.PayloadAnswer,
    },
    "objects from the shim": {"column": planning.ColumnType, "task": planning.Task},
    "objects from the worker": {"column": planning.ColumnType, "memory": headers.Memory, "metrics": MetricDeltas},
}


def written(type_: Any) -> list[str]:
    return sorted([*type_.__required_keys__, *(f"{key}?" for key in type_.__optional_keys__)])


@pytest.mark.parametrize("section", TYPES)
def test_each_message_has_the_fields_that_the_shim_knows(section: str) -> None:
    assert {name: written(type_) for name, type_ in TYPES[section].items()} == {
        name: sorted(fields) for name, fields in MESSAGES[section].items()
    }


def test_every_section_is_compared() -> None:
    assert set(MESSAGES) - set(TYPES) == {"kept by the shim"}


@pytest.mark.parametrize(
    "header",
    [
        {"kind": "result", "id": 1, "rows": 1, "row": 1},
        {"kind": "result", "id": 1},
        {"kind": "answer", "id": 1, "answer": {"models": [], "name": "m"}},
        {"kind": "heartbeat", "metrics": {"counters": {}}},
    ],
    ids=json.dumps,
)
def test_a_reply_with_other_fields_is_refused(header: Mapping[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check_reply(header, "models")
