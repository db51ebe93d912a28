"""The option `max-requests-per-second` in jobs of two subtasks: counted by the server, on the server's own clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from doors import Door, Model
from slow_requests import MODEL, counted, slow_requests

#: Of both subtasks together; and the requests, one for each row.
RATE, ROWS = 20, 60
#: So much later may a request be stamped by a busy machine than it was sent.
LATE_SECONDS = 1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with slow_requests(tmp_path_factory.mktemp("paced"), 0.0, 1) as url:
        yield url


@pytest.mark.parametrize("name", ["ML_PREDICT", "m(x)", "vectorized UDF"])
def test_subtasks_share_the_rate_and_each_row_is_answered(server: str, name: str) -> None:
    door = Door(name, "streaming", server)
    door.env.get_config().set("parallelism.default", "2")
    door.env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (n BIGINT, x AS n) WITH ('connector' = 'datagen', "
        f"'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{ROWS}')"
    )
    model = Model(MODEL, {"x": "BIGINT"}, {"answered": "BIGINT"}, {"max-requests-per-second": str(RATE)})
    before, _ = counted(server)
    with door.open(model), door.env.execute_sql(door.query(model, "numbers")).collect() as rows:
        stamps = dict(tuple(row) for row in rows)
    assert sorted(stamps) == list(range(1, ROWS + 1))
    assert counted(server)[0] - before == ROWS
    seconds = (max(stamps.values()) - min(stamps.values())) / 1000
    # Each subtask may send one at once. Had each the whole rate, all would be sent in half the time.
    most = RATE * (seconds + 0.05 + LATE_SECONDS) + 2
    assert most >= ROWS
