"""The option `cache-max-bytes` through the front doors: what the server is sent, and what the rows say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from doors import LACKING, Door, Model
from model_repository import MODELS, write_repository
from triton import ARGUMENTS, Triton, call
from waiting import wait_for

from pyflink_triton.server import TritonServer

DOORS = [
    (name, "streaming")
    for name in ("ML_PREDICT", "m(x)", "vectorized UDF", "async UDF")
    if (name, "streaming") not in LACKING
]
SERVED = "identity_int64"
#: Each value comes twenty times, and there are rows with a NULL.
ROWS = [(None if n % 21 == 20 else n % 7,) for n in range(147)]


@pytest.fixture(scope="module", params=DOORS, ids=" ".join)
def door(request: pytest.FixtureRequest, triton: Triton) -> Door:
    name, mode = request.param
    made = Door(name, mode, triton.http_url)
    made.env.get_config().set("parallelism.default", "1")
    return made


def computed(url: str) -> int:
    """How many rows the server has given to the model."""
    found: list[Mapping[str, Any]] = json.loads(call(url, "GET", f"/v2/models/{SERVED}/stats"))["model_stats"]
    return sum(int(each["inference_count"]) for each in found)


def test_equal_rows_are_sent_once_and_say_so(door: Door, triton: Triton) -> None:
    outputs = {"y": "BIGINT", "version": "STRING", "ms": "DOUBLE"}
    options = {"cache-max-bytes": "1 mb", "model-version-column": "version", "latency-column": "ms"}
    before = computed(triton.http_url)
    got = door.predict(Model(SERVED, {"x": "BIGINT"}, outputs, options), ROWS)
    assert [row["y"] for row in got] == [x for (x,) in ROWS]
    assert [row["version"] for row in got] == [None if x is None else "1" for (x,) in ROWS]
    assert len([row for row in got if row["ms"] is not None]) == 7
    wait_for(lambda: computed(triton.http_url) >= before + 7, 60, "the server's count")
    assert computed(triton.http_url) == before + 7


def test_rows_that_wait_for_one_that_fails_fail_by_themselves(door: Door) -> None:
    outputs = {"y": "BIGINT", "ms": "DOUBLE", "why": "STRING"}
    options = {"cache-max-bytes": "1 mb", "latency-column": "ms", "error-column": "why"}
    got = door.predict(Model("fails", {"x": "BIGINT"}, outputs, options), [(-1,), (2,), (-1,), (2,), (-1,), (2,)])
    assert [row["y"] for row in got] == [None, 2] * 3
    assert [row["why"] is not None for row in got] == [True, False] * 3
    assert len([row for row in got if row["ms"] is not None]) == 1


def test_what_cannot_be_kept_is_told_first(door: Door) -> None:
    model = Model("script", {"script": "STRING"}, {"text": "STRING"}, {"cache-max-bytes": "1 mb"})
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        door.predict(model, [('["a"]',)])
    assert "set 'deterministic' = 'true'" in str(error.value).splitlines()[0]


def test_a_model_is_replaced_under_a_running_job(tmp_path: Path) -> None:
    (source,) = (model for model in MODELS if model.name == "version")
    repository = write_repository(tmp_path / "models", [source])
    options = {"cache-max-bytes": "1 mb", "cache-ttl": "1 s"}
    model = Model("version", {"x": "BIGINT"}, {"y": "BIGINT"}, options)
    with TritonServer(repository, arguments=ARGUMENTS) as server:
        door = Door("ML_PREDICT", "streaming", server.http_url)
        door.env.get_config().set("parallelism.default", "1")
        door.env.execute_sql(
            "CREATE TEMPORARY TABLE numbers (n BIGINT, x AS MOD(n, 3)) WITH ('connector' = 'datagen', "
            "'rows-per-second' = '50', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '10000')"
        )
        with door.open(model):
            result = door.env.execute_sql(door.query(model, "numbers"))
            with result.collect() as rows:
                assert [next(rows)[1] for _ in range(5)] == [3] * 5
                (repository / "version" / "3").rename(repository / "version" / "7")
                call(server.http_url, "POST", "/v2/repository/models/version/load")
                assert 7 in (row[1] for row in rows)
            client = result.get_job_client()
            assert client is not None
            client.cancel().result()
