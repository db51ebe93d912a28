"""CREATE CATALOG and SELECT m(x), with no DDL, for every model of the repository that such a call can serve."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flink_session import collect, session, view
from model_repository import MODELS, Model
from pyflink.table import TableEnvironment
from triton import Triton

pytestmark = pytest.mark.either_mode

#: Those that answer otherwise than they promise; what they cost is in test_contract.py and test_faults.py.
UNTRUE = {"omits_output", "wrong_datatype", "wrong_count", "crashes"}
#: Decoupled ones that Triton does not serve over HTTP, or whose tensors JSON cannot hold.
REFUSED = {"script_half", "script_grid", "script_parameters"}
#: A value of each type, as SQL.
VALUES = {"BOOLEAN": "TRUE", "STRING": "'a'", "DECIMAL(20, 0)": "CAST(1 AS DECIMAL(20, 0))", "BYTES": "x'61'"}

#: What models/script.py is to do.
SCRIPT = """'["a"]'"""


def is_served(model: Model) -> bool:
    """Whether it is neither stateful nor an ensemble over a stateful one."""
    return not ("sequence" in model.extra or model.name in UNTRUE | REFUSED)


SERVED = [model for model in MODELS if is_served(model)]


def value_of(type_: str, dims: tuple[int, ...]) -> str:
    """A value of a described type; of a dim that varies there are two."""
    inner = re.fullmatch(r"ARRAY<(.*)>", type_)
    if inner is None:
        return VALUES.get(type_, f"CAST(1 AS {type_})")
    size, *rest = dims
    return f"ARRAY[{', '.join([value_of(inner[1], tuple(rest))] * (2 if size == -1 else size))}]"


def call_of(model: Model, described: list[tuple[Any, ...]]) -> str:
    dims = {tensor.name: tensor.dims for tensor in model.inputs}
    inputs = [(row[0], row[1]) for row in described if row[3]]
    values = [SCRIPT if name == "script" else value_of(type_, dims[name]) for name, type_ in inputs]
    return f"`{model.name}`({', '.join(values)})"


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_every_model_is_a_function_with_nothing_declared(triton: Triton, mode: str) -> None:
    env = session(mode)
    env.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{triton.http_url}')")
    env.execute_sql("USE CATALOG triton")
    # Two rows, so that the constants stand beside a column and no statement is folded away.
    view(env, "t", {"n": "INT"}, [(1,), (2,)])
    calls = {model.name: call_of(model, collect(env, f"DESCRIBE MODEL `{model.name}`")) for model in SERVED}
    for names in (list(calls)[first : first + 8] for first in range(0, len(calls), 8)):
        columns = ", ".join(f"{calls[name]} IS NOT NULL" for name in names)
        assert sorted(collect(env, f"SELECT n, {columns} FROM t")) == [(n, *[True] * len(names)) for n in (1, 2)]


def test_a_created_model_shadows_the_servers(triton: Triton) -> None:
    env: TableEnvironment = session()
    env.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{triton.http_url}')")
    env.execute_sql("USE CATALOG triton")
    view(env, "t", {"x": "BIGINT"}, [(5,)])
    assert collect(env, "SELECT pairing(x) FROM t") == [(16,)]
    env.execute_sql("CREATE MODEL pairing WITH ('provider' = 'triton', 'model-name' = 'identity_int64')")
    assert collect(env, "SELECT pairing(x) FROM t") == [(5,)]
    env.execute_sql("DROP MODEL pairing")
    assert collect(env, "SELECT pairing(x) FROM t") == [(16,)]


def test_most_models_are_called() -> None:
    assert len(SERVED) >= 35
