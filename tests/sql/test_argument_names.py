"""m(x) by the names of its arguments, where tensors have names that Flink allows for no argument."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flink_session import collect, session, view
from model_repository import Model, Tensor
from triton import Triton, serving

pytestmark = pytest.mark.either_mode

#: Each is an argument of its own; the names that Flink allows stay as they are.
ARGUMENTS = {
    "f:0": "f$003a0",
    "f/0": "f$002f0",
    "f.0": "f$002e0",
    "f_0": "f_0",
    "年龄": "$5e74$9f84",
    "收入": "$6536$5165",
    "a": "a",
    "A": "A",
    "0": "$0030",
    "$rows": "$rows",
}
NAMES = Model("names", [Tensor(name, "INT64") for name in ARGUMENTS], [Tensor("y", "INT64")], "places")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    with serving(tmp_path_factory.mktemp("names"), [NAMES]) as started:
        yield started


def answer(digits: list[int]) -> int:
    return sum(digit * 10**place for place, digit in enumerate(digits))


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_each_tensor_has_an_argument_of_its_own_in_any_order(server: Triton, mode: str) -> None:
    env: Any = session(mode)
    env.execute_sql(f"CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = '{server.http_url}')")
    env.execute_sql("USE CATALOG triton")
    view(env, "t", {"n": "BIGINT"}, [(7,)])
    count = len(ARGUMENTS)
    values = ["n", *map(str, range(1, count))]
    by_name = [f"{name} => {value}" for name, value in zip(ARGUMENTS.values(), values, strict=True)]
    turned = by_name[3:] + by_name[:3]
    calls = [", ".join(values), ", ".join(by_name), ", ".join(reversed(by_name)), ", ".join(turned)]
    quoted = ", ".join(f"`{name}` => {n}" for n, name in enumerate(ARGUMENTS.values()))
    columns = ", ".join(f"names({arguments})" for arguments in [*calls, quoted])
    right = answer([7, *range(1, count)])
    assert collect(env, f"SELECT {columns} FROM t") == [(right, right, right, right, answer(list(range(count))))]
    for wrong in ("f_0 => 9, f_0 => 9, " + ", ".join(by_name[2:]), ", ".join(["__ => n", *by_name[1:]])):
        with pytest.raises(Exception, match="SQL validation failed"):
            env.explain_sql(f"SELECT names({wrong}) FROM t")
