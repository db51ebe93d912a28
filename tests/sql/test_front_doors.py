"""Every front door behaves the same: types, NULLs, shapes, several outputs, failed rows, pairing, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from doors import DOORS, LACKING, Door, Model
from soak import IS_SOAK
from triton import Triton
from type_cases import KINDS, SHAPES

#: All types in one shape, and each kind of shape; in full in the soak.
TYPES = [("", "natural"), ("_nested", "natural")]
if IS_SOAK:
    TYPES = [(shape, kind) for shape in SHAPES for kind in KINDS]
ROWS = 100_000 if IS_SOAK else 10_000


@pytest.fixture(scope="module", params=DOORS, ids=" ".join)
def door(request: pytest.FixtureRequest, triton: Triton) -> Door:
    name, mode = request.param
    return Door(name, mode, triton.http_url)


def model(served: str, x: str, y: str, **options: str) -> Model:
    return Model(served, {"x": x}, {"y": y}, {key.replace("_", "-"): value for key, value in options.items()})


@pytest.mark.flink22
@pytest.mark.parametrize(("shape", "kind"), TYPES)
def test_every_type_goes_to_the_server_and_back(door: Door, shape: str, kind: str) -> None:
    """One row for each value of each type, and a row with a NULL in each column, whose outputs are NULL."""
    cases, (around, wrap) = KINDS[kind], SHAPES[shape]
    columns = [wrap(case.values) for case in cases]
    rows = [[column[n % len(column)] for column in columns] for n in range(max(map(len, columns)))]
    with_null = [[*rows[0][:n], None, *rows[0][n + 1 :]] for n in range(len(cases))]
    inputs = {f"in_{case.datatype}": around.format(case.given) for case in cases}
    outputs = {f"out_{case.datatype}": around.format(case.answered) for case in cases}
    got = door.predict(Model(f"types{shape}", inputs, outputs, {}), [*rows, *with_null])
    for n, case in enumerate(cases):
        answers = [row[f"out_{case.datatype}"] for row in got]
        assert answers == [*(row[n] for row in rows), *([None] * len(with_null))], case.datatype


@pytest.mark.short
def test_one_output_is_the_value_itself_and_several_have_their_names(door: Door) -> None:
    assert door.predict(model("identity_int64", "BIGINT", "BIGINT"), [(7,), (None,)]) == [{"y": 7}, {"y": None}]
    inputs = {"amount": "FLOAT", "account": "BIGINT", "note": "STRING"}
    several = Model("multi", inputs, {"label": "STRING", "score": "FLOAT"}, {})
    got = door.predict(several, [(1.5, 8, "a"), (1.0, None, "b")])
    assert got == [{"label": "A", "score": 4.0}, {"label": None, "score": None}]


def test_rows_of_other_shapes_are_neither_padded_nor_mixed(door: Door) -> None:
    rows = [([float(n)] * (n % 7),) for n in range(200)]
    got = door.predict(model("identity_fp32_array", "ARRAY<FLOAT>", "ARRAY<FLOAT>"), rows)
    assert [row["y"] for row in got] == [values for (values,) in rows]


def test_a_failed_row_takes_the_default(door: Door) -> None:
    rows = [(1,), (-1,), (2,), (None,)]
    for default, expected in (("-7", -7), ("null", None)):
        got = door.predict(model("fails", "BIGINT", "BIGINT", max_batch_size="1", default_value=default), rows)
        assert [row["y"] for row in got] == [1, expected, 2, None]


@pytest.mark.flink22
def test_a_failed_row_tells_why_in_the_error_column(door: Door) -> None:
    options = {"error-column": "why", "max-batch-size": "1"}
    failing = Model("fails", {"x": "BIGINT"}, {"y": "BIGINT", "why": "STRING"}, options)
    good, bad = door.predict(failing, [(1,), (-1,)])
    assert good == {"y": 1, "why": None}
    assert bad["y"] is None
    assert "must not be negative" in bad["why"]


def test_columns_say_which_version_answered_how_long_it_took_and_the_code_of_a_failure(door: Door) -> None:
    outputs = {"y": "BIGINT", "version": "STRING", "ms": "DOUBLE", "code": "STRING"}
    named = {"model-version-column": "version", "latency-column": "ms", "error-code-column": "code"}
    failing = Model("fails", {"x": "BIGINT"}, outputs, {**named, "default-value": "-7", "max-batch-size": "1"})
    good, bad, null = door.predict(failing, [(1,), (-1,), (None,)])
    assert good.pop("ms") > 0.0
    assert good == {"y": 1, "version": "1", "code": None}
    assert bad == {"y": -7, "version": None, "ms": None, "code": "500"}
    assert null == dict.fromkeys(outputs)


@pytest.mark.parametrize(
    ("served", "type_", "value", "words"),
    [
        ("fails", "BIGINT", -1, ["'fails'", "HTTP 500", "must not be negative"]),
        ("identity_uint8", "INT", 256, ["'x'", "out of the range of UINT8"]),
        ("identity_fp32_nested", "ARRAY<ARRAY<FLOAT>>", [[1.0], [1.0, 2.0]], ["'x'", "ragged"]),
        ("wrong_datatype", "FLOAT", 1.0, ["output 'y' is INT32", "promised FP32"]),
    ],
)
def test_what_fails_the_job_is_told_first(door: Door, served: str, type_: str, value: Any, words: list[str]) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        door.predict(model(served, type_, type_), [(value,)])
    first = str(error.value).splitlines()[0]
    for word in words:
        assert word in first


@pytest.mark.flink22
def test_what_does_not_fit_is_told_first(door: Door) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        door.predict(model("identity_fp32", "STRING", "FLOAT"), [("1",)])
    assert "expected FLOAT but got BYTES" in str(error.value).splitlines()[0]


def test_each_row_has_its_own_answer(door: Door, tmp_path: Path) -> None:
    """The server answers after random times, so answers come in another order than questions."""
    pairs = door.predict_numbers(model("pairing", "BIGINT", "BIGINT"), ROWS, tmp_path)
    assert [pair for pair in pairs if pair[1] != 3 * pair[0] + 1] == []
    assert sorted(n for n, _ in pairs) == list(range(ROWS))


def test_some_of_an_ensembles_outputs_one_of_them_optional(door: Door) -> None:
    """Triton fails a request that leaves this one's last step out, and leaves ``z`` out where ``b`` is negative."""
    inputs, outputs = {"a": "FLOAT", "b": "FLOAT", "c": "FLOAT"}, {"y": "FLOAT", "z": "FLOAT"}
    several = Model("parallel", inputs, outputs, {"optional-outputs": "z"})
    rows = [(1.0, 1.0, 0.0), (2.0, -1.0, 0.0), (None, 1.0, 0.0), (4.0, 2.0, 0.0)]
    got = door.predict(several, rows)
    assert [(row["y"], row["z"]) for row in got] == [(1.0, 3.0), (2.0, None), (None, None), (4.0, 6.0)]


def test_a_row_whose_output_is_missing_fails_by_its_policy(door: Door) -> None:
    outputs = {"y": "FLOAT", "z": "FLOAT", "why": "STRING"}
    several = Model("sums", {"x": "FLOAT"}, outputs, {"error-column": "why", "default-value": '{"y": 0, "z": null}'})
    got = door.predict(several, [(1.0,), (-2.0,), (3.0,)])
    assert [(row["y"], row["z"]) for row in got] == [(2.0, 3.0), (0.0, None), (6.0, 9.0)]
    assert [row["why"] is None for row in got] == [True, False, True]
    assert "lacks the output 'z'" in got[1]["why"]


@pytest.mark.only_flink22
@pytest.mark.parametrize(("name", "mode"), LACKING)
def test_a_door_that_flink_22_lacks_is_one_sentence_with_another_way(triton: Triton, name: str, mode: str) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        Door(name, mode, triton.http_url).predict(model("identity_int64", "BIGINT", "BIGINT"), [(7,)])
    first = str(error.value).splitlines()[0]
    assert first.rstrip(".").endswith("or use Flink 2.3" if mode == "batch" else "Use scalar_function(), or Flink 2.3")
