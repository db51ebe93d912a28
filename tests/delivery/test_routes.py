"""Rows that name their models: which one gets them, what waits, what fails, and what is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from deliveries import upstream
from fault_proxy import FaultProxy
from faults import page
from gate import gate
from model_repository import Model, Tensor
from routed import INPUT, OUTPUT, routed, tenant, write
from triton import ARGUMENTS, Triton

from pyflink_triton.server import TritonServer

ALL_VERSIONS = "version_policy { all {} }"
LOADED = (
    tenant("t-a"),
    tenant("t-b"),
    tenant("t-version", "version", versions=(1, 3), extra=ALL_VERSIONS),
    tenant("t-fails", "fails"),
    tenant("t-double", gives="FP64"),
    tenant("t-small", max_batch_size=4),
    tenant(
        "t-wrong",
        "breaks_contract",
        gives="INT64",
        extra='parameters { key: "how", value: { string_value: "wrong_datatype" } }',
    ),
    tenant("t-parrot", "identity"),
    tenant("t-stream", extra="model_transaction_policy { decoupled: true }"),
    tenant("t-state", extra="sequence_batching { max_sequence_idle_microseconds: 5000000 }"),
    tenant("other", "version"),
    tenant("secret"),
)
TEXTS = tuple(
    Model(
        name,
        [Tensor("ids", "INT64", (-1,)), Tensor("mask", "INT64", (-1,))],
        [Tensor("total", "INT64"), Tensor("width", "INT64")],
        "masked",
    )
    for name in ("t-texts", "t-words")
)
UNLOADED = (tenant("t-changed"), tenant("t-gone"))
#: What rows may not name, whatever begins so.
ATTACKS = (
    *(
        "../x",
        "t-a/../secret",
        "t-a/b",
        "t-a?b",
        "t-a#b",
        "t-a%2fb",
        "%2e%2e",
        "%2E.",
        ".",
        "..",
        "",
        " ",
        "t-a b",
        "t-a ",
    ),
    *("t-a\n", "t-a\r\nHost: x", "t-a\0", "t-a\x7f", "t-a\\b", "t-a;v=1", "t-\u202ea", "t-\u2044a", "t-\uff0e\uff0e"),
    *("t-\u200ba", "t-\u00a0a", "t-" + "x" * 254, "secret", "T-a", "t", "othe", "other2", "${m}", "*", "t-*\n"),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("routes") / "models", (*LOADED, *TEXTS, *UNLOADED))


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[Triton]:
    arguments = [each for each in ARGUMENTS if not each.startswith("--load-model")]
    arguments += [f"--load-model={each.name}" for each in (*LOADED, *TEXTS)]
    with TritonServer(directory, arguments=arguments) as started:
        yield Triton(started.http_url, server=started)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


def test_each_row_goes_to_the_model_that_it_names(server: Triton) -> None:
    async def main() -> None:
        async with routed(server.http_url) as models:
            rows = [(n, ("t-a", "t-version", "other", "t-b")[n % 4]) for n in range(100)]
            got = await models.rows(*rows, (None, "t-a"), (1, None))
            assert [row["why"] for row in got] == [None] * 102
            assert [row["y"] for row in got[:100]] == [{"t-version": 3, "other": 1}.get(m, n) for n, m in rows]
            assert [row["version"] for row in got[:4]] == ["1", "3", "1", "1"]
            assert got[100:] == [dict.fromkeys(OUTPUT)] * 2
            counted = models.counted()
            assert (counted["requests"], counted["success"], counted["null_rows"]) == (100, 100, 2)
            assert 4 * 4 <= counted["http_requests"] <= 4 * 7  # 25 rows of each, at most 8 in a request

    run(main())


def test_what_no_model_may_be_called_is_never_sent(server: Triton) -> None:
    async def main() -> None:
        async with FaultProxy(upstream(server.http_url)) as proxy, routed(proxy.url) as models:
            got = await models.rows(*((n, name) for n, name in enumerate(ATTACKS)), (7, "t-a"))
            assert got[-1]["y"] == 7
            assert {(row["y"], row["code"], row["why"]) for row in got[:-1]} == {
                (
                    None,
                    "INVALID_VALUE",
                    "column 'm' names no model that 'allowed-models' has. Give the column the name of one of the "
                    "models in 'allowed-models', or add the model there",
                )
            }
            assert {each.path.removeprefix("/v2/models/").partition("/")[0] for each in proxy.calls} == {"t-a"}
            counted = models.counted()
            assert counted["rejected_rows"] == counted["failure"] == len(ATTACKS)

    run(main())


def test_a_row_whose_model_is_missing_fails_alone(server: Triton) -> None:
    async def main() -> None:
        async with FaultProxy(upstream(server.http_url)) as proxy, routed(proxy.url) as models:
            began = time.monotonic()
            got = await models.rows((1, "t-a"), (2, "t-none"), (3, "t-a"), (4, "t-ünone"), (5, "t-changed"))
            assert [row["y"] for row in got] == [1, None, 3, None, None]
            assert [row["code"] for row in got] == [None, "404", None, "404", "404"]
            assert got[1]["why"] == (
                f"the model that column 'm' names is not loaded at {proxy.url}. Load the model, or see in the server's "
                "log why it is not loaded"
            )
            asked = len(proxy.calls)
            again = [await models.rows((1, "t-none")) for _ in range(20)]
            assert all(row["code"] == "404" for (row,) in again)
            # One look counts for two seconds.
            assert len(proxy.calls) - asked <= (time.monotonic() - began) / 2
            counted = models.counted()
            assert (counted["requests"], counted["failure"], counted["rejected_rows"]) == (25, 23, 0)
            assert counted["http_requests"] == 1

    run(main())


def test_a_name_where_the_server_has_something_else_is_missing(server: Triton) -> None:
    """Triton has statistics at `/v2/models/stats`."""

    async def main() -> None:
        async with routed(server.http_url, allowed_models="*") as models:
            got = await models.rows((1, "stats"), (2, "ready"), (3, "versions"), (4, "${m}"), (5, "t-a"))
            assert [row["code"] for row in got] == ["404"] * 4 + [None]

    run(main())


def test_a_model_that_loads_holds_back_its_own_rows(tmp_path: Path) -> None:
    """The server polls its directory, because a call that loads a model would hold one of its threads."""
    repository = write(tmp_path / "models", [tenant("t-a")])
    more = write(tmp_path / "more", [tenant("t-late")], {"t-late": 3})
    polls = ("--disable-auto-complete-config", "--model-control-mode=poll", "--repository-poll-secs=1")
    with TritonServer(repository, arguments=polls) as server:

        async def main() -> None:
            async with (
                routed(server.http_url) as models,
                routed(server.http_url, total_timeout="500 ms", timeout="400 ms") as hasty,
            ):
                assert await models.answers((5, "t-a")) == [5]
                (more / "t-late").rename(repository / "t-late")
                while Triton(server.http_url).index().get("t-late") != "LOADING":
                    await asyncio.sleep(0.02)
                late = asyncio.create_task(models.rows(*((n, "t-late") for n in range(20))))
                (row,) = await hasty.rows((1, "t-late"))
                assert row["code"] == "UNAVAILABLE"
                assert row["why"].startswith("the model that column 'm' names is not ready at http://")
                assert "the option 'total-timeout' allows 500ms" in row["why"]
                for _ in range(20):
                    assert await models.answers((5, "t-a")) == [5]
                assert not late.done()
                assert [row["y"] for row in await late] == list(range(20))
                counted = models.counted()
                assert (counted["failure"], counted["errors_unavailable"]) == (0, 0)

        run(main())


def test_a_model_that_is_unloaded_fails_its_rows_soon_and_is_found_again(server: Triton) -> None:
    server.load("t-gone")

    async def main() -> None:
        async with routed(server.http_url) as models:
            assert await models.answers((1, "t-gone")) == [1]
            server.unload("t-gone")
            began = time.monotonic()
            (row,) = await models.rows((2, "t-gone"))
            assert row["code"] == "404"
            assert 2 <= time.monotonic() - began < 20
            assert await models.answers((3, "t-a")) == [3]
            server.load("t-gone")
            while (await models.answers((4, "t-gone"))) != [4]:
                assert time.monotonic() - began < 20
                await asyncio.sleep(0.1)

    run(main())


def test_a_model_that_does_not_fit_the_declaration_fails_its_rows(server: Triton) -> None:
    async def main() -> None:
        async with routed(server.http_url) as models:
            got = await models.rows((1, "t-double"), (2, "t-small"), (3, "t-wrong"), (4, "t-a"))
            assert [row["y"] for row in got] == [None, None, None, 4]
            assert [row["code"] for row in got] == ["MODEL_MISFIT", "MODEL_MISFIT", "INVALID_ANSWER", None]
            assert "Triton's model 't-double' at http://" in got[0]["why"]
            assert "its output is y FP64[1], and the declared column stands for y INT64[1]" in got[0]["why"]
            assert "it takes 4 rows in a request, and 'max-batch-size' is 8" in got[1]["why"]
            got = await models.rows((1, "t-stream"), (2, "t-state"))
            assert [row["code"] for row in got] == ["MODEL_MISFIT"] * 2
            assert "it is decoupled, and rows cannot name such models" in got[0]["why"]
            assert "it is stateful, and rows cannot name such models" in got[1]["why"]
            assert models.counted()["http_requests"] == 2  # what does not fit is sent nothing

    run(main())


def test_a_model_that_is_replaced_by_another_kind_fails_its_rows(server: Triton, directory: Path) -> None:
    server.load("t-changed")

    async def main() -> None:
        async with routed(server.http_url) as models:
            assert await models.answers((1, "t-changed"), (2, "t-a")) == [1, 2]
            config = directory / "t-changed" / "config.pbtxt"
            config.write_text(config.read_text().replace("TYPE_INT64", "TYPE_FP32"))
            server.load("t-changed")
            got = await models.rows((3, "t-changed"), (4, "t-a"))
            assert [row["y"] for row in got] == [None, 4]
            assert got[0]["code"] == "MODEL_MISFIT"

    run(main())


@pytest.mark.parametrize("type_", ["STRING", "BIGINT"])
def test_rows_may_name_a_version(server: Triton, type_: str) -> None:
    async def main() -> None:
        inputs = {**INPUT, "v": type_}
        async with routed(server.http_url, inputs, model_version="${v}") as models:
            versions = ["1", "3", "7", "01", *(["latest", "v1", "1/../3", ""] if type_ == "STRING" else ["-1"]), None]
            given = [each if type_ == "STRING" or each is None else int(each) for each in versions]
            got = await models.rows(*((0, "t-version", each) for each in given))
            expected = {"1": 1, "01": 1, "3": 3, "latest": 3}
            assert [row["y"] for row in got] == [expected.get(each or "") for each in versions]
            codes = dict(zip(versions, (row["code"] for row in got), strict=True))
            assert codes["7"] == "404"
            assert codes[None] is None
            for bad in {"v1", "1/../3", "", "-1"} & codes.keys():
                assert codes[bad] == "INVALID_VALUE"

    run(main())


def test_one_model_may_have_its_versions_named_alone(server: Triton) -> None:
    async def main() -> None:
        inputs, url = {"x": "BIGINT", "v": "STRING"}, server.http_url
        async with routed(url, inputs, model_name="t-version", allowed_models=None, model_version="${v}") as models:
            got = await models.rows((0, "1"), (0, "3"), (0, "2"))
            assert [row["y"] for row in got] == [1, 3, None]
            assert got[2]["why"].startswith("the version of the model 't-version' that column 'v' names is not loaded")

    run(main())


def test_the_cache_tells_models_and_versions_apart(server: Triton) -> None:
    async def main() -> None:
        inputs = {**INPUT, "v": "STRING"}
        async with routed(server.http_url, inputs, model_version="${v}", cache_max_bytes="1 mb") as models:
            rows = [(5, name, v) for name, v in (("t-a", "1"), ("t-version", "1"), ("t-version", "3"), ("other", "1"))]
            for _ in range(3):
                assert await models.answers(*rows, *rows) == [5, 1, 3, 1] * 2
            counted = models.counted()
            assert (counted["cache_misses"], counted["cache_hits"], counted["http_requests"]) == (4, 20, 4)
            assert (counted["requests"], counted["output_rows"]) == (4, 24)

    run(main())


def test_a_new_version_of_one_model_drops_its_answers_alone(server: Triton, directory: Path) -> None:
    async def main() -> None:
        async with routed(server.http_url, cache_max_bytes="1 mb") as models:
            assert await models.answers((1, "t-version"), (1, "other"), (2, "other")) == [3, 1, 1]
            (directory / "other" / "1").rename(directory / "other" / "2")
            server.load("other")
            assert await models.answers((1, "other"), (3, "other"), (1, "t-version")) == [1, 2, 3]
            assert await models.answers((1, "other"), (2, "other"), (1, "t-version")) == [2, 2, 3]
            counted = models.counted()
            assert (counted["cache_misses"], counted["cache_hits"]) == (6, 3)

    run(main())


def test_a_failing_row_splits_only_its_own_models_batch(server: Triton) -> None:
    async def main() -> None:
        async with routed(server.http_url, max_retries="0") as models:
            rows = [(-1 if n == 6 else n, ("t-fails", "t-a")[n % 2]) for n in range(16)]
            got = await models.rows(*rows)
            assert [row["y"] for row in got] == [None if n == 6 else n for n in range(16)]
            assert got[6]["code"] == "500"
            assert "Triton's model 't-fails' at" in got[6]["why"]

    run(main())


def test_parameters_of_rows_and_routes_go_together(server: Triton) -> None:
    async def main() -> None:
        inputs = {**INPUT, "p": "STRING"}
        async with routed(server.http_url, inputs, parameters='{"p": "${p}", "m": "${m}"}') as models:
            rows = [(n, ("t-a", "t-b")[n % 2], ("u", "w", None)[n % 3]) for n in range(24)]
            assert await models.answers(*rows) == list(range(24))
            assert models.counted()["http_requests"] == 6

    run(main())


def test_padding_and_routes_go_together(server: Triton) -> None:
    async def main() -> None:
        inputs = {"ids": "ARRAY<BIGINT>", "m": "STRING"}
        outputs = {"total": "BIGINT", "width": "BIGINT", "version": "STRING", "why": "STRING", "code": "STRING"}
        pad = '{"ids": {"edges": [4, 8], "value": 9, "mask": "mask"}}'
        async with routed(server.http_url, inputs, outputs, pad=pad) as models:
            got = await models.rows(*(([1] * (n % 6 + 1), ("t-texts", "t-words")[n % 2]) for n in range(36)))
            assert [row["why"] for row in got] == [None] * 36
            assert [(row["total"], row["width"]) for row in got] == [
                (length, 4 if length <= 4 else 8) for length in (n % 6 + 1 for n in range(36))
            ]
            assert models.counted()["http_requests"] == 6  # 12 rows of 4 and 6 of 8, for each model
            (row,) = await models.rows(([1], "t-a"))
            assert (row["code"], "it has no input 'ids'" in row["why"]) == ("MODEL_MISFIT", True)

    run(main())


def test_where_only_inferences_are_let_through_the_declaration_stands_for_every_model(server: Triton) -> None:
    async def main(url: str) -> None:
        async with routed(url, total_timeout="20s", timeout="10s") as models:
            got = await models.rows((1, "t-a"), (2, "t-none"), (3, "t-b"))
            assert [row["y"] for row in got] == [1, None, 3]
            assert got[1]["code"] == "404"

    with gate(server.http_url, hidden=404) as hiding:
        run(main(hiding.url))


def test_a_model_of_some_endpoints_gets_its_rows_there(server: Triton, tmp_path: Path) -> None:
    with TritonServer(write(tmp_path / "models", [tenant("t-a")]), arguments=ARGUMENTS) as second:

        async def main() -> None:
            async with routed(f"{server.http_url},{second.http_url}") as models:
                for n in range(8):
                    assert await models.answers((n, "t-a"), (n, "t-b")) == [n, n]
                (row,) = await models.rows((1, "t-none"))
                assert row["code"] == "404"
                assert "is not loaded at any of its endpoints" in row["why"]
                assert models.counted()["failure"] == 1

        run(main())


def test_the_circuit_breaker_of_one_model_is_not_that_of_another(server: Triton) -> None:
    async def main() -> None:
        broken = FaultProxy(upstream(server.http_url), always=page(503), spared=b'"t-a"')
        options: dict[str, Any] = {"max_retries": "0", "circuit_breaker_enabled": "true", "default_value": "-1"}
        options["parameters"] = '{"p": "${m}"}'
        async with broken as proxy, routed(proxy.url, **options) as models:
            codes = [(await models.rows((n, "t-b")))[0]["code"] for n in range(14)]
            assert codes == ["503"] * 10 + ["CIRCUIT_OPEN"] * 4
            assert await models.answers((1, "t-a"), (2, "t-b")) == [1, -1]
            counted = models.counted()
            assert (counted["circuit_breaker_openings"], counted["errors_overload"]) == (1, 10)
            assert (counted["failure"], counted["default_values"], counted["success"]) == (15, 15, 1)

    run(main())


def test_rows_wait_while_their_server_is_away(tmp_path: Path) -> None:
    with TritonServer(write(tmp_path / "models", [tenant("t-a"), tenant("t-b")]), arguments=ARGUMENTS) as server:

        async def main() -> None:
            async with routed(server.http_url) as models:
                assert await models.answers((1, "t-a")) == [1]
                await asyncio.to_thread(server.stop)
                waiting = asyncio.create_task(models.answers((2, "t-a"), (3, "t-b")))
                await asyncio.sleep(0.5)
                assert not waiting.done()
                await asyncio.to_thread(server.start)
                assert await waiting == [2, 3]

        run(main())
