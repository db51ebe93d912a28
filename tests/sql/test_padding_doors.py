"""Padding through ML_PREDICT and m(x): the answers without it, in requests that the server counts."""

from __future__ import annotations

import json
from random import Random

import pytest
from doors import Door, Model
from triton import Triton, call

PAD = {"edges": [4, 8, 16], "mask": "mask", "outputs": ["doubled"]}


@pytest.mark.parametrize("name", ["ML_PREDICT", "m(x)"])
def test_a_statement_has_the_answers_that_each_row_has_alone(triton: Triton, name: str) -> None:
    random = Random(name)
    texts = [[random.randrange(1, 900) for _ in range(random.randrange(20))] for _ in range(200)]
    rows = [(None,), *((ids,) for ids in texts)]
    outputs = {"total": "BIGINT", "doubled": "ARRAY<BIGINT>", "width": "BIGINT"}
    model = Model("masked", {"ids": "ARRAY<BIGINT>"}, outputs, {"pad.ids": json.dumps(PAD)})
    before = executions(triton)
    got = Door(name, "streaming", triton.http_url).predict(model, rows)
    assert got[0] == {"total": None, "doubled": None, "width": None}
    for ids, answer in zip(texts, got[1:], strict=True):
        width = next((edge for edge in (4, 8, 16) if edge >= len(ids)), len(ids))
        assert answer == {"total": sum(ids), "doubled": [2 * each for each in ids], "width": width}
    assert executions(triton) - before < len(texts) / 2


def executions(triton: Triton) -> int:
    (stats,) = json.loads(call(triton.http_url, "GET", "/v2/models/masked/stats"))["model_stats"]
    return int(stats["execution_count"])
