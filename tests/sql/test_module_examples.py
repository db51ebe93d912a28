"""What Flink's Java module shows in its documentation runs here, with the option names that it has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flink_session import session, view
from gate import Gate, gate
from module_examples import MODULE_EXAMPLES, ModuleExample
from spec_models import SPEC_MODELS
from test_spec import HEADERS, plain_value
from triton import Triton, serving

import pyflink_triton


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    names = {example.served for example in MODULE_EXAMPLES}
    models = [model for model in SPEC_MODELS if model.name in names]
    with serving(tmp_path_factory.mktemp("module"), models) as triton:
        yield triton


@pytest.fixture
def at(server: Triton) -> Iterator[Gate]:
    with gate(server.http_url) as opened:
        yield opened


@pytest.mark.parametrize("example", MODULE_EXAMPLES, ids=lambda example: example.shows)
def test_an_example_of_the_java_module_runs(at: Gate, example: ModuleExample) -> None:
    if example.served == "private_model":
        at.demanded = HEADERS
    env = session(example.mode, with_jar=False)
    pyflink_triton.connect(env)
    view(env, "events", example.types, example.rows)
    options = {"provider": "triton", "endpoint": f"{at.url}/v2/models", "model-name": example.served, **example.options}
    clause = ", ".join(f"'{key}' = '{value}'" for key, value in options.items())
    env.execute_sql(f"CREATE MODEL m INPUT ({example.input}) OUTPUT ({example.output}) WITH ({clause})")
    select, rest = example.select
    query = f"SELECT {select} FROM ML_PREDICT(TABLE events, MODEL m, DESCRIPTOR({example.given})) {rest}"
    with env.execute_sql(query).collect() as rows:
        answers = [plain_value(row) for row in rows]
    assert sorted(answers) == sorted(example.answers)
    if example.header is not None:
        name, value = example.header
        assert value in [headers.get(name) for headers in at.inferences()]


def test_there_are_ten() -> None:
    assert len(MODULE_EXAMPLES) == 10
