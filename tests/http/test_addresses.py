"""Models whose names have more than letters in them: Triton finds each under its own bytes, and so do we."""

from __future__ import annotations

import asyncio
import json
import string
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from deliveries import proxied
from faults import PASS, Step
from flink_session import collect, session, view
from model_repository import MODELS, Model, Tensor, ensemble
from pyflink.table.expressions import col
from triton import Triton, call, serving

import pyflink_triton
from pyflink_triton.addresses import unaddressable
from pyflink_triton.errors import OptionError
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.validation import parse_options
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import open_model

#: All that RFC 3986 lets stand in a path as it is, beside letters and digits ...
PCHAR = "-._~!$&'()*+,;=:@"
#: ... the percent sign, which means nothing to Triton, what the RFC wants encoded, and more than ASCII.
OTHERS = '%"<>[]\\^`{|}é模😀\u00a0\u2028'
ADDRESSED = (
    *(f"m{each}n" for each in PCHAR + OTHERS),
    *("%40", "m%40n", "m%2Fn", "100%", "..a", "a..", "...", "cafe\u0301", "CAFÉ", "café", "versions", "infer", "ready"),
    *("yolo@640", "a+b", "v1:beta", "a'b"),
)
UNADDRESSED = ("a b", " a", "a ", "a?b", "a#b", "a\tb", "a\x7fb", "a\x85b")
#: Those that no directory can have, and so no server lists.
IMPOSSIBLE = ("a/b", ".", "..", "%2e", ".%2E", "a\nb", "a\ud800b")
#: What users call models, and those that are asked for through every door.
USUAL = ("yolo@640", "a+b", "v1:beta", "café", "a'b")
FEW = ("yolo@640", "café")


def add(name: str, inside: str) -> Model:
    return ensemble(name, inside, "x", "y", "INT64")


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server whose models are called so: ensembles, because the python backend's shell takes few names."""
    plain = [model for model in MODELS if model.name in ("pairing", "priority_3")]
    step = Model("inner@1:+", [Tensor("x", "INT64")], [Tensor("y", "INT64")], "pairing", extra=PRIORITIES)
    names = [*ADDRESSED, *UNADDRESSED]
    models = [*plain, step, *(add(name, "pairing") for name in names), add("around", step.name)]
    with serving(tmp_path_factory.mktemp("named"), models) as server:
        yield server


PRIORITIES = "dynamic_batching { priority_levels: 7, default_priority_level: 2 }"


def asked(url: str, name: str, **options: str) -> OpenRequest:
    written = {"endpoint": url, "model-name": name, **{key.replace("_", "-"): each for key, each in options.items()}}
    columns: list[ColumnType] = [{"name": each, "type": "BIGINT"} for each in "xy"]
    return {"model": "m", "options": written, "input": columns[:1], "output": columns[1:]}


async def answer(request: OpenRequest, times: int = 1) -> list[Any]:
    opened = await open_model(request, Metrics())
    batch = pa.record_batch([pa.array([5], pa.int64())], names=["c0"])
    try:
        return [(await opened.predict(batch)).outputs.column(0)[0].as_py() for _ in range(times)]
    finally:
        await opened.close()


def test_every_name_that_a_path_can_hold_is_sent_as_it_is(named: Triton) -> None:
    proxy = proxied(named)

    async def main() -> list[list[Any]]:
        async with proxy:
            versions = [await answer(asked(proxy.url, name, model_version="1", warmup="true")) for name in USUAL]
            return [*versions, *[await answer(asked(proxy.url, name)) for name in ADDRESSED]]

    assert asyncio.run(main()) == [[16]] * (len(USUAL) + len(ADDRESSED))
    paths = {call.head.split(b" ")[1] for call in proxy.calls}
    for name in ADDRESSED:
        what = {b"/ready", b"", b"/config", b"/infer"}
        assert {path for path in paths if path.startswith(b"/v2/models/%s/" % name.encode())} >= {
            b"/v2/models/%s%s" % (name.encode(), each) for each in what if each
        }
    assert b"/v2/models/v1:beta/versions/1/infer" in paths


@pytest.mark.parametrize("name", [*UNADDRESSED, *IMPOSSIBLE])
def test_a_name_that_no_path_can_hold_is_one_sentence_and_never_sent(name: str) -> None:
    with pytest.raises(OptionError) as error:
        parse_options({"endpoint": "http://h", "model-name": name})
    sentence = str(error.value)
    assert sentence.startswith("option 'model-name' = '")
    assert "no request over HTTP can name such a model" in sentence
    assert sentence.isprintable()


def test_the_letters_that_no_name_may_hold_are_few() -> None:
    refused = [each for each in string.printable if unaddressable(f"m{each}n") is not None]
    assert refused == ["#", "/", "?", " ", "\t", "\n", "\r", "\x0b", "\x0c"]


def test_a_step_of_an_ensemble_is_asked_for_by_its_own_bytes(named: Triton) -> None:
    request = asked(named.http_url, "around", priority="255")

    async def main() -> tuple[str, ...]:
        opened = await open_model(request, Metrics())
        await opened.close()
        return opened.warnings

    assert asyncio.run(main()) == ()


def test_probes_and_health_checks_find_such_a_model(named: Triton) -> None:
    """Calls go on after an outage only where a probe finds the model ready."""
    proxy = proxied(named, PASS, Step("away", seconds=0.3))
    quick = {"retry_initial_backoff": "5 ms", "health_check_enabled": "true", "health_check_interval": "50 ms"}

    async def main() -> list[Any]:
        async with proxy:
            return await answer(asked(proxy.url, "yolo@640", **quick), 3)

    assert asyncio.run(asyncio.wait_for(main(), 60)) == [16] * 3


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_the_catalogs_models_of_such_names_work_through_sql(named: Triton, mode: str) -> None:
    env = session(mode)
    pyflink_triton.connect(env, named.http_url)
    view(env, "t", {"x": "BIGINT"}, [(5,)])
    calls = ", ".join(f"{quoted(name)}(x)" for name in USUAL)
    assert collect(env, f"SELECT {calls} FROM t") == [(16,) * len(USUAL)]
    each = [f"SELECT y FROM ML_PREDICT(TABLE t, MODEL {quoted(name)}, DESCRIPTOR(x))" for name in FEW]
    assert collect(env, " UNION ALL ".join(each)) == [(16,)] * len(FEW)


def test_the_catalog_lists_every_name_and_says_which_cannot_be_asked_for(named: Triton) -> None:
    env = session()
    pyflink_triton.connect(env, named.http_url)
    index = json.loads(call(named.http_url, "POST", "/v2/repository/index"))
    listed = {row[0] for row in collect(env, "SHOW MODELS")}
    assert listed == {entry["name"] for entry in index}
    assert listed == {row[0] for row in collect(env, "SHOW FUNCTIONS")} & listed
    for name in ("yolo@640", "m模n", "m\u2028n"):
        assert collect(env, f"DESCRIBE MODEL {quoted(name)}")[0][:2] == ("x", "BIGINT")
    for statement in ("DESCRIBE MODEL `a b`", "SELECT `a b`(1)", "CREATE MODEL m WITH ({}'model-name' = 'a b')"):
        with pytest.raises(Exception, match="holds a space") as error:
            collect(env, statement.format("'provider' = 'triton', "))
        assert "no request over HTTP can name such a model" in str(error.value).splitlines()[0]


def test_pyflinks_functions_take_such_names(named: Triton) -> None:
    env = session(with_jar=False)
    view(env, "t", {"x": "BIGINT"}, [(5,)])
    factory = pyflink_triton.TritonModelProviderFactory()
    functions = []
    for name in FEW:
        provider = factory.create_model_provider({"endpoint": named.http_url, "model-name": name})
        functions += [provider.scalar_function(), provider.async_scalar_function()]
    for some in (functions[::2], functions[1::2]):
        table = env.from_path("t").select(*(each(col("x")) for each in some))
        with table.execute().collect() as rows:
            assert [tuple(row) for row in rows] == [(16,) * len(FEW)]
