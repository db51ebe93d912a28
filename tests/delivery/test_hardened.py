"""Servers that let only inferences through: what is declared stands for what cannot be asked, and never for more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from deliveries import QUICK, upstream
from doors import DOORS, Door, Model
from fault_proxy import FaultProxy, nobody
from faults import PASS, Step
from flink_session import collect, session, view
from gate import gate
from model_repository import MODELS, Tensor
from model_repository import Model as Served
from triton import Triton, serving

import pyflink_triton
from pyflink_triton.errors import AccessError, ContractError, JobError, SchemaError, TritonError
from pyflink_triton.metrics import Metrics
from pyflink_triton.runtime.messages import CheckAnswer, ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import open_model
from pyflink_triton.runtime.planning import DeclaredModel, check, describe, list_models

ALL = {"": 403}
#: What makes a statement ask nobody.
UNASKED = {"plan-check": "off", "max-batch-size": "64"}
NATURAL = {
    "BOOLEAN": ("BOOL", True),
    "INT": ("INT32", -(2**31)),
    "BIGINT": ("INT64", 9007199254740993),
    "FLOAT": ("FP32", 1.5),
    "DOUBLE": ("FP64", 1e300),
    "STRING": ("BYTES", "é"),
    "BYTES": ("BYTES", b"\xff\x00"),
}
RESTRICTED = "--http-restricted-api=metadata,model-config,model-repository,statistics,trace,logging,shared-memory:key=v"


def natural(name: str, dims: tuple[int, ...], batch: int) -> Served:
    ins, outs = (
        [Tensor(f"{side}_{sql.lower()}", datatype, dims) for sql, (datatype, _) in NATURAL.items()] for side in IO
    )
    return Served(name, ins, outs, "identity", max_batch_size=batch)


IO = ("in", "out")
NATURALS = {
    "natural": ((1,), 64),
    "natural_array": ((-1,), 64),
    "natural_nested": ((-1, -1), 64),
    "natural_nobatch": ((1,), 0),
    "natural_nested_nobatch": ((-1, -1), 0),
}


@pytest.fixture(scope="module")
def restricted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A Triton that answers 403 to all but inferences and health."""
    plain = [model for model in MODELS if model.name in ("fails", "multi", "sequence", "identity_int64")]
    models = [*plain, *(natural(name, *shape) for name, shape in NATURALS.items())]
    with serving(tmp_path_factory.mktemp("restricted"), models, RESTRICTED) as server:
        yield server


def columns(types: Mapping[str, str]) -> list[ColumnType]:
    return [{"name": name, "type": type_} for name, type_ in types.items()]


def asked(url: str, served: str, inputs: Mapping[str, str], outputs: Mapping[str, str], /, **more: str) -> OpenRequest:
    options = {key.replace("_", "-"): value for key, value in {**QUICK, **UNASKED, **more}.items()}
    written = {"endpoint": url, "model-name": served, **options}
    return {"model": "m", "options": written, "input": columns(inputs), "output": columns(outputs)}


X = {"x": "BIGINT"}, {"y": "BIGINT"}


async def predict(request: OpenRequest, *batches: Sequence[Sequence[Any]]) -> tuple[list[Any], Sequence[str]]:
    """The rows that a model answers, NULL where one failed, and what it warned of when it was opened."""
    opened = await open_model(request, Metrics())
    try:
        answers: list[Any] = []
        for rows in batches:
            arrays = [
                pa.array(side, t.arrow)
                for side, t in zip(zip(*rows, strict=True), opened.columns.argument_types, strict=True)
            ]
            batch = pa.record_batch(arrays, names=[f"c{n}" for n in range(len(arrays))])
            prediction = await opened.predict(batch)
            answers += [tuple(row.values()) for row in prediction.outputs.to_pylist()]
            answers += prediction.errors.values()
        return answers, opened.warnings
    finally:
        await opened.close()


def through(proxy: FaultProxy, request: OpenRequest, *batches: Any) -> tuple[list[Any], Sequence[str]]:
    async def main() -> tuple[list[Any], Sequence[str]]:
        async with proxy:
            named = {**request["options"], "endpoint": request["options"]["endpoint"].format(proxy=proxy.url)}
            return await predict({**request, "options": named}, *batches)

    return asyncio.run(asyncio.wait_for(main(), 60))


#: Whether the model is ready, what kind of server it is that does not say so, and what the model takes.
ASKED_AT_OPEN = ["/v2/models/fails/ready", "/v2", "/v2/models/fails"]


def questions(proxy: FaultProxy) -> list[str]:
    """The paths of the calls that are no inferences."""
    return [call.path for call in proxy.calls if not call.is_inference]


@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_the_declaration_stands_for_what_is_hidden(triton: Triton, status: int) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden={"": status})
    answers, (warning,) = through(proxy, asked("{proxy}", "fails", *X), [(1,), (2,)], [(3,)])
    assert answers == [(1,), (2,), (3,)]
    assert questions(proxy) == ASKED_AT_OPEN
    assert f"HTTP {status} for /v2/models/fails: 'there is nothing here'" in warning
    assert "(x INT64[1]) -> (y INT64[1]), max_batch_size 64" in warning


@pytest.mark.parametrize("name", NATURALS)
def test_every_natural_type_goes_to_a_restricted_server_and_back(restricted: Triton, name: str) -> None:
    dims, batch = NATURALS[name]
    depth = len(dims) if dims[0] == -1 else 0
    types = {sql: "ARRAY<" * depth + sql + ">" * depth for sql in NATURAL}
    row = tuple(value for _, value in NATURAL.values())
    for _ in range(depth):
        row = tuple([value, value] for value in row)
    inputs, outputs = ({f"{side}_{sql.lower()}": type_ for sql, type_ in types.items()} for side in IO)
    request = asked(restricted.http_url, name, inputs, outputs, max_batch_size=str(batch))
    answers, _ = asyncio.run(predict(request, [row, row], [(*row[:-1], None)]))
    assert answers == [row, row, (None,) * len(row)]


def test_smaller_integers_go_as_the_documented_one(triton: Triton) -> None:
    for type_ in ("TINYINT", "SMALLINT"):
        proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
        answers, _ = through(proxy, asked("{proxy}", "identity_int32", {"x": type_}, {"y": "INT"}), [(-5,)])
        assert answers == [(-5,)]


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_every_door_works_where_only_inferences_are_let_through(
    triton: Triton, restricted: Triton, door: tuple[str, str]
) -> None:
    """One endpoint behind a gateway that answers 404, one that is restricted itself."""
    with gate(restricted.http_url, hidden=404) as gateway:
        options = {**UNASKED, "max-batch-size": "4", "default-value": "-7", "warmup": "true"}
        options |= {"endpoint": f"{gateway.url},{restricted.http_url}", "health-check-enabled": "true"}
        options |= {"health-check-interval": "20 ms", "priority": "200"}
        rows = [(x,) for x in (*range(60), -1, None)]
        got = Door(*door, triton.http_url).predict(Model("fails", *X, options), rows)
    assert [row["y"] for row in got] == [*range(60), -7, None]
    assert gateway.inferences()
    assert set(gateway.refused) <= {"/v2/models/fails/ready", "/v2", "/v2/models/fails"}


def test_a_statement_that_asks_is_told_what_to_declare_and_that_works(restricted: Triton) -> None:
    env = session()
    pyflink_triton.connect(env, restricted.http_url)
    view(env, "t", {"x": "BIGINT"}, [(1,), (2,)])
    create = "CREATE MODEL m {} WITH ('provider' = 'triton', 'model-name' = 'fails'{})"
    with pytest.raises(Exception, match="HTTP 403 for /v2/models/fails") as error:
        env.execute_sql(create.format("", ""))
    words = str(error.value).splitlines()[0]
    assert "declare INPUT and OUTPUT" in words
    told = "".join(f", {each}" for each in re.findall(r"'[a-z-]+' = '[a-z]+'", words))
    assert told == ", 'plan-check' = 'off'"
    assert words.rstrip(".").endswith("and 'max-batch-size'")
    env.execute_sql(create.format("INPUT (x BIGINT) OUTPUT (y BIGINT)", f"{told}, 'max-batch-size' = '8'"))
    assert sorted(collect(env, "SELECT m(x) FROM t")) == [(1,), (2,)]


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("hidden", ["/ready$", "/config$", "/(ready|config)$"])
def test_what_is_not_hidden_is_asked(triton: Triton, hidden: str, status: int) -> None:
    """Also where the declaration would do: an optional tensor, a datatype that no column says."""
    for name, inputs, rows, expected in (
        ("identity_uint8", {"x": "SMALLINT"}, [(255,), (256,)], [(255,), (None,)]),
        ("optional", {"x": "BIGINT", "bias": "BIGINT"}, [(1, 100)], [(101,)]),
    ):
        for plan_check in ("off", "required"):
            outputs = {"y": "SMALLINT" if name == "identity_uint8" else "BIGINT"}
            request = asked("{proxy}", name, inputs, outputs, plan_check=plan_check, default_value="null")
            proxy = FaultProxy(upstream(triton.http_url), hidden={hidden: status})
            answers, warnings = through(proxy, request, rows)
            assert (answers, warnings) == (expected, ())


def test_planning_takes_the_metadata_where_only_the_configuration_is_hidden(triton: Triton) -> None:
    async def main() -> CheckAnswer:
        async with FaultProxy(upstream(triton.http_url), hidden={"/(ready|config)$": 403}) as proxy:
            request = asked(proxy.url, "identity_uint8", {"x": "SMALLINT"}, {"y": "SMALLINT"}, plan_check="required")
            described = await describe({"model": "m", "options": request["options"]})
            assert described == {"input": request["input"], "output": request["output"]}
            return await check(DeclaredModel.parse(request))

    assert asyncio.run(main())["signature"]["inputs"][0]["datatype"] == "UINT8"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_of_several_that_hides_does_not_hide_what_another_tells(triton: Triton, status: int) -> None:
    request = asked(f"{{proxy}},{triton.http_url}", "identity_uint8", {"x": "SMALLINT"}, {"y": "SMALLINT"})
    proxy = FaultProxy(upstream(triton.http_url), hidden={"": status})
    rows = [[(n,)] for n in range(8)]
    assert through(proxy, request, *rows) == ([(n,) for n in range(8)], ())
    assert proxy.inferences


def test_a_server_of_several_that_is_away_is_not_waited_for(triton: Triton) -> None:
    with nobody() as url:
        request = asked(f"{url},{{proxy}}", "fails", *X)
        proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
        answers, (warning,) = through(proxy, request, [(1,)], [(2,)])
    assert answers == [(1,), (2,)]
    assert "HTTP 403" in warning


def test_planning_leaves_the_second_endpoint_time_where_the_first_hangs(triton: Triton) -> None:
    async def main() -> None:
        async with FaultProxy(("127.0.0.1", 9)) as proxy:
            proxy._serve = lambda *_: asyncio.sleep(60)  # type: ignore[method-assign]
            endpoint = f"{proxy.url},{triton.http_url}"
            request = asked(endpoint, "fails", *X, plan_check="required", plan_check_timeout="2s")
            assert "signature" in await check(DeclaredModel.parse(request))
            options = {"endpoint": endpoint, "plan-check-timeout": "2s"}
            assert "fails" in (await list_models({"options": options}))["models"]

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_job_starts_where_the_first_endpoint_hangs_for_longer_than_the_start_may_take(triton: Triton) -> None:
    proxy = FaultProxy(("127.0.0.1", 9))
    proxy._serve = lambda *_: asyncio.sleep(60)  # type: ignore[method-assign]
    options = {"timeout": "60s", "warmup-timeout": "2s", "plan-check-timeout": "1s"}
    request = asked(f"{{proxy}},{triton.http_url}", "fails", *X, **options)
    assert through(proxy, request) == ([], ())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_another_endpoint_lists_the_models_that_one_hides(triton: Triton, status: int) -> None:
    async def main() -> list[str]:
        async with FaultProxy(upstream(triton.http_url), hidden={"index": status}) as proxy:
            answer = await list_models({"options": {"endpoint": f"{proxy.url},{triton.http_url}"}})
            return list(answer["models"])

    assert "fails" in asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("status", [403, 404])
def test_rows_go_on_after_an_outage_though_no_probe_sees_the_model(triton: Triton, status: int) -> None:
    steps = [PASS, Step("away", seconds=0.3), PASS, Step("drain", seconds=0.3)]
    proxy = FaultProxy(upstream(triton.http_url), steps, hidden={"": status})
    healthy = {"health_check_enabled": "true", "health_check_interval": "30 ms"}
    request = asked("{proxy}", "fails", *X, **healthy, total_timeout="20s", timeout="5s")
    answers, _ = through(proxy, request, *[[(n,)] for n in range(6)])
    assert answers == [(n,) for n in range(6)]


def test_a_model_whose_readiness_is_told_is_waited_for(triton: Triton) -> None:
    """What is hidden may be assumed, and what is told counts."""
    triton.unload("version")
    proxy = FaultProxy(upstream(triton.http_url), hidden={"version$": 403})
    request = asked("{proxy}", "version", *X)

    async def main() -> list[Any]:
        async with proxy:
            written = {**request["options"], "endpoint": proxy.url}
            waits = asyncio.create_task(predict({**request, "options": written}, [(1,)]))
            while not proxy.calls:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(triton.load, "version")
            return (await waits)[0]

    assert asyncio.run(asyncio.wait_for(main(), 60)) == [(3,)]
    assert len(questions(proxy)) > len(ASKED_AT_OPEN)


def test_a_row_that_the_model_refuses_costs_that_row_and_no_question(triton: Triton) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    answers, _ = through(proxy, asked("{proxy}", "fails", *X, default_value="-7"), [(n,) for n in (1, -1, 2)])
    assert answers == [(1,), (-7,), (2,)]
    assert questions(proxy) == ASKED_AT_OPEN


def test_a_stateful_models_rows_are_whole_sequences_or_continue_them(restricted: Triton) -> None:
    with gate(restricted.http_url, hidden=403) as gateway:
        inputs, outputs = {"x": "BIGINT", "id": "STRING"}, {"sum": "BIGINT"}
        more = {"sequence_id": "${id}", "sequence_start": "true", "warmup": "true"}
        request = asked(gateway.url, "sequence", inputs, outputs, **more)
        answers, warnings = asyncio.run(predict(request, [(1, "a"), (2, "b"), (3, "a")], [(4, "b")]))
    assert answers == [(1,), (2,), (4,), (6,)]
    assert len(warnings) == 1


def test_a_priority_that_nobody_can_place_is_said_to_have_no_effect(triton: Triton) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    answers, (_, warning) = through(proxy, asked("{proxy}", "priority", *X_INT, priority="9"), [(1,)])
    assert answers == [(1,)]
    assert "hides" in warning
    assert "'priority' has no effect" in warning


X_INT = {"x": "INT"}, {"y": "INT"}


@pytest.mark.parametrize(
    ("served", "inputs", "outputs", "more", "row", "words"),
    [
        ("identity_int64", {"z": "BIGINT"}, {"y": "BIGINT"}, {}, (1,), "unexpected inference input 'z'"),
        ("identity_int64", {"x": "BIGINT"}, {"z": "BIGINT"}, {}, (1,), "unexpected inference output 'z'"),
        ("identity_int64", {"x": "INT"}, {"y": "BIGINT"}, {}, (1,), "data-type is 'INT32'"),
        ("identity_uint8", {"x": "SMALLINT"}, {"y": "INT"}, {}, (1,), "expects 'UINT8'"),
        ("identity_bytes", {"x": "BIGINT"}, {"y": "STRING"}, {}, (1,), "expects 'BYTES'"),
        ("identity_int64", {"x": "BYTES"}, {"y": "BYTES"}, {}, (b"12345678",), "expects 'INT64'"),
        ("identity_int64", {"x": "BIGINT"}, {"y": "INT"}, {}, (1,), "output 'y' is INT64"),
        ("identity_int64", {"x": "BIGINT"}, {"y": "STRING"}, {}, (1,), "output 'y' is INT64"),
        ("identity_int64", {"x": "BIGINT"}, {"y": "ARRAY<ARRAY<BIGINT>>"}, {}, (1,), "output 'y' has the shape"),
        ("identity_fp32_array", {"x": "ARRAY<FLOAT>"}, {"y": "FLOAT"}, {}, ([1.0, 2.0],), "output 'y' has the shape"),
        ("identity_int64", {"x": "BIGINT"}, {"y": "BIGINT"}, {"max_batch_size": "0"}, (1,), "unexpected shape"),
        ("identity_fp32_nobatch", {"x": "FLOAT"}, {"y": "FLOAT"}, {}, (1.0,), "unexpected shape"),
        ("identity_fp32_matrix", {"x": "FLOAT"}, {"y": "FLOAT"}, {}, (1.0,), "unexpected shape"),
        ("identity_fp32_matrix", {"x": "ARRAY<FLOAT>"}, {"y": "ARRAY<FLOAT>"}, {}, ([1.0] * 6,), "unexpected shape"),
        ("identity_fp32_nested", {"x": "ARRAY<FLOAT>"}, {"y": "ARRAY<FLOAT>"}, {}, ([1.0],), "unexpected shape"),
        ("add", {"a": "FLOAT"}, {"sum": "FLOAT"}, {}, (1.0,), "missing required input(s) ['b']"),
        ("add", {"a": "FLOAT", "b": "FLOAT", "c": "FLOAT"}, {"sum": "FLOAT"}, {}, (1.0,) * 3, "got 3 inputs"),
        ("sequence", {"x": "BIGINT"}, {"sum": "BIGINT"}, {}, (1,), "correlation ID"),
    ],
)
def test_a_declaration_that_does_not_fit_fails_the_job_and_takes_no_default(
    triton: Triton,
    served: str,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    more: Mapping[str, str],
    row: tuple[Any, ...],
    words: str,
) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    request = asked("{proxy}", served, inputs, outputs, default_value="null", **more)
    with pytest.raises((SchemaError, ContractError)) as error:
        through(proxy, request, [row, row])
    sentence = str(error.value)
    assert words in sentence
    assert "so the declaration stands for it: (" in sentence
    assert sentence.endswith("set 'max-batch-size' to the model's max_batch_size")
    assert len(proxy.inferences) <= 2


def test_a_decoupled_model_needs_the_option_responses(triton: Triton) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    with pytest.raises(JobError, match=r"HTTP 501 for /v2/models/decoupled/infer: .*decoupled.* Set the option"):
        through(proxy, asked("{proxy}", "decoupled", *X_INT, default_value="null"), [(1,)])
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    answers, _ = through(proxy, asked("{proxy}", "decoupled", *X_INT, responses="last"), [(3,), (1,)])
    assert answers == [(3,), (1,)]
    # Triton streams the one answer of any other model.
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    arrays = {"x": "BIGINT"}, {"y": "ARRAY<BIGINT>"}
    answers, _ = through(proxy, asked("{proxy}", "identity_int64", *arrays, responses="array"), [(3,)])
    assert answers == [([3],)]


def test_an_array_that_is_of_another_size_is_its_rows_fault(triton: Triton) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    nested = {"x": "ARRAY<ARRAY<FLOAT>>"}, {"y": "ARRAY<ARRAY<FLOAT>>"}
    good, bad = [[1.0] * 3] * 2, [[1.0] * 2] * 2
    request = asked("{proxy}", "identity_fp32_matrix", *nested, default_value="null")
    assert through(proxy, request, [(good,), (bad,)])[0] == [(good,), (None,)]


def test_a_leading_dimension_of_one_is_dropped_as_the_option_says(triton: Triton) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    request = asked(
        "{proxy}", "identity_fp32_array", {"x": "ARRAY<ARRAY<FLOAT>>"}, {"y": "ARRAY<FLOAT>"}, flatten_batch_dim="true"
    )
    assert through(proxy, request, [([[1.0, 2.0]],)])[0] == [([1.0, 2.0],)]


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ({"x": "DECIMAL(20, 0)"}, {"y": "BIGINT"}, "column 'x' is DECIMAL(20, 0)"),
        ({"x": "INT"}, {"y": "SMALLINT"}, "Declare it INT"),
    ],
)
def test_a_type_that_no_datatype_is_natural_for_is_refused_at_open(
    triton: Triton, inputs: Mapping[str, str], outputs: Mapping[str, str], words: str
) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    with pytest.raises(SchemaError, match=re.escape(words)):
        through(proxy, asked("{proxy}", "identity_int32", inputs, outputs))
    assert proxy.inferences == []


@pytest.mark.parametrize("without", ["plan-check", "max-batch-size"])
def test_nothing_is_assumed_that_the_user_did_not_ask_for(triton: Triton, without: str) -> None:
    proxy = FaultProxy(upstream(triton.http_url), hidden=ALL)
    request = asked("{proxy}", "fails", *X)
    request["options"] = {key: value for key, value in request["options"].items() if key != without}
    with pytest.raises(
        AccessError, match=r"HTTP 403 for /v2/models/fails: .*'plan-check' = 'off' and 'max-batch-size'"
    ):
        through(proxy, request, [(1,)])


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("place", ["/ready", "", "/config", "/infer"])
def test_a_refusal_names_the_path_that_was_asked_for(triton: Triton, place: str, status: int) -> None:
    """A path with a prefix, a version and a name that is more than letters."""
    prefixed = {"model_version": "1", "plan_check": "required", "warmup_timeout": "0 s"}
    request = asked("{proxy}/team/a", "fails", *X, **prefixed)
    request["options"] = {key: value for key, value in request["options"].items() if key != "max-batch-size"}
    is_inference = place == "/infer"
    hidden = {"/ready$": status, "1$": status} if place == "/ready" else {f"1{place}$": status}
    proxy = Rewriting(upstream(triton.http_url), always=Step("status", status) if is_inference else PASS)
    proxy.hidden = {} if is_inference else hidden
    with pytest.raises(TritonError) as error:
        through(proxy, request, [(1,)])
    if place == "/config":
        assert "hides its configuration" in str(error.value)
        return
    asked_for = "" if place == "/ready" else place
    assert f"HTTP {status} for /team/a/v2/models/fails/versions/1{asked_for}: " in str(error.value)


class Rewriting(FaultProxy):
    """A gateway that serves the Triton under a path."""

    async def _answer(self, call: Any) -> tuple[bytes, bytes]:
        return await super()._answer(type(call)(call.head.replace(b" /team/a/", b" /", 1), call.body, call.connection))
