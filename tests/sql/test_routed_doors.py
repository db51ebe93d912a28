"""The options `'model-name' = '${column}'` and `'model-version' = '${column}'` through every front door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from doors import DOORS, Door, Model
from routed import OPTIONS, OUTPUT, tenant, write
from triton import ARGUMENTS

from pyflink_triton.server import TritonServer

MODELS = (
    tenant("t-a"),
    tenant("t-v", "version", versions=(1, 3), extra="version_policy { all {} }"),
    tenant("t-fails", "fails"),
    tenant("t-double", gives="FP64"),
    tenant("secret"),
)
INPUTS = {"x": "BIGINT", "m": "STRING", "v": "STRING"}
ROUTES = {key: value for key, value in OPTIONS.items() if key != "error-code-column"}
MISFIT, MISSING, REFUSED = (
    "does not fit INPUT and OUTPUT",
    "is not loaded at",
    "names no model that 'allowed-models' has",
)
#: Rows, and what they become: the output and the version, or part of the message.
ROWS: tuple[tuple[tuple[int | None, str | None, str | None], tuple[int, str] | str | None], ...] = (
    *(((n, "t-a", "latest"), (n, "1")) for n in range(20)),
    ((5, "t-v", "1"), (1, "1")),
    ((5, "t-v", "3"), (3, "3")),
    ((5, "t-v", "latest"), (3, "3")),
    ((7, "t-fails", "1"), (7, "1")),
    ((-7, "t-fails", "1"), "must not be negative"),
    ((5, "t-double", "1"), MISFIT),
    ((5, "t-none", "latest"), MISSING),
    ((5, "t-v", "2"), MISSING),
    ((5, "t-v", "../1"), "names no version of a model"),
    *(((5, name, "1"), REFUSED) for name in ("secret", "", "../secret", "t-a/../secret", "t-a%2f", "t-a?", "t-\u202e")),
    ((None, "t-a", "1"), None),
    ((5, None, "1"), None),
    ((5, "t-a", None), None),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repository = write(tmp_path_factory.mktemp("routed") / "models", MODELS)
    with TritonServer(repository, arguments=ARGUMENTS) as server:
        yield server.http_url


@pytest.fixture(scope="module", params=DOORS, ids=" ".join)
def door(request: pytest.FixtureRequest, url: str) -> Door:
    name, mode = request.param
    return Door(name, mode, url)


def test_each_row_goes_to_the_model_and_the_version_that_it_names(door: Door) -> None:
    outputs = {name: OUTPUT[name] for name in ("y", "version", "why")}
    options = {**ROUTES, "model-version": "${v}", "max-retries": "0"}
    got = door.predict(Model("${m}", INPUTS, outputs, options), [row for row, _ in ROWS])
    for row, (given, expected) in zip(got, ROWS, strict=True):
        if isinstance(expected, tuple):
            assert (row["y"], row["version"], row["why"]) == (*expected, None), given
        elif expected is None:
            assert row == dict.fromkeys(outputs), given
        else:
            assert row["y"] is None, given
            assert expected in row["why"], given


def test_without_a_policy_a_row_fails_the_job_and_names_the_column(url: str) -> None:
    door = Door("m(x)", "streaming", url)
    options = {"allowed-models": "t-*", "max-batch-size": "8"}
    model = Model("${m}", {"x": "BIGINT", "m": "STRING"}, {"y": "BIGINT"}, options)
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        door.predict(model, [(1, "t-none")])
    said = str(error.value).splitlines()[0]
    assert "the model that column 'm' names is not loaded at" in said
    assert "t-none" not in said


def test_what_no_model_could_be_asked_is_told_first(url: str) -> None:
    door = Door("ML_PREDICT", "streaming", url)
    for change, words in (
        ({"allowed-models": None}, "Set 'allowed-models' as well"),
        ({"max-batch-size": None}, "Set 'max-batch-size' as well"),
        ({"sequence-id": "${m}"}, "'sequence-id' is for sequences"),
        ({"responses": "one"}, "'responses' is for streams of responses"),
    ):
        options = {key: value for key, value in {**ROUTES, **change}.items() if value is not None}
        outputs = {name: OUTPUT[name] for name in ("y", "version", "why")}
        with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
            door.predict(Model("${m}", {"x": "BIGINT", "m": "STRING"}, outputs, options), [(1, "t-a")])
        assert words in str(error.value).splitlines()[0]
