"""Rows that come again: what is sent, what is answered from the cache, and what is counted."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deliveries import QUICK, proxied
from faults import Step, page
from model_repository import MODELS, write_repository
from triton import ARGUMENTS, Triton, call

from pyflink_triton.errors import PlanError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import TensorSpec
from pyflink_triton.runtime.answer_cache import AnswerCache
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.open_model import OpenedModel, open_model
from pyflink_triton.runtime.planning import DeclaredModel, check
from pyflink_triton.schema.binding import Column, TensorBinding
from pyflink_triton.server import TritonServer
from pyflink_triton.tensors.encode import TensorColumn, encode
from pyflink_triton.tensors.row_keys import row_keys
from pyflink_triton.types.sql import parse_type
from pyflink_triton.types.triton import DATATYPES

FACTS = {"model-version-column": "version", "latency-column": "ms", "error-column": "why"}
INT64 = ("identity_int64", {"x": "BIGINT"}, {"y": "BIGINT"})
FAILS = ("fails", {"x": "BIGINT"}, {"y": "BIGINT"})


def declared(url: str, served: str, x: Mapping[str, str], y: Mapping[str, str], **options: str) -> OpenRequest:
    def columns(types: Mapping[str, str]) -> list[ColumnType]:
        return [{"name": name, "type": type_} for name, type_ in types.items()]

    written = {key.replace("_", "-"): value for key, value in {"cache_max_bytes": "1 mb", **QUICK, **options}.items()}
    own = {"version": "STRING", "ms": "DOUBLE", "why": "STRING"}
    return {
        "model": "m",
        "options": {"endpoint": url, "model-name": served, **FACTS, **written},
        "input": columns(x),
        "output": columns({**y, **own}),
    }


@dataclass
class Repeating:
    """A model with a cache, and what was counted since the last time."""

    opened: OpenedModel
    names: Sequence[str]
    _metrics: Metrics

    async def rows(self, *rows: Any) -> list[dict[str, Any]]:
        """Predict one batch."""
        arrays = [
            pa.array(values, type_.arrow)
            for values, type_ in zip(
                zip(*(row if isinstance(row, tuple) else (row,) for row in rows), strict=True),
                self.opened.columns.argument_types,
                strict=True,
            )
        ]
        prediction = await self.opened.predict(pa.record_batch(arrays, names=[f"c{n}" for n in range(len(arrays))]))
        assert prediction.errors == {}
        return [dict(zip(self.names, row.values(), strict=True)) for row in prediction.outputs.to_pylist()]

    async def answers(self, *rows: Any) -> list[Any]:
        """Predict one batch; the first output of each row."""
        return [row[self.names[0]] for row in await self.rows(*rows)]

    def taken(self) -> dict[str, int]:
        """Counters that are not 0, without those of calls, and the size of the cache."""
        taken = self._metrics.take()
        assert taken is not None
        names = ("cache_hits", "cache_misses", "requests", "success", "failure", "output_rows", "null_rows")
        counted = {name: taken["counters"].get(name, 0) for name in names}
        assert counted["requests"] == counted["success"] + counted["failure"]
        return {name: count for name, count in counted.items() if count}

    def bytes(self) -> int:
        taken = self._metrics.take()
        assert taken is not None
        return taken["gauges"]["cache_bytes"]


@asynccontextmanager
async def repeating(
    url: str, served: str, x: Mapping[str, str], y: Mapping[str, str], **options: str
) -> AsyncIterator[Repeating]:
    metrics = Metrics()
    opened = await open_model(declared(url, served, x, y, **options), metrics)
    try:
        yield Repeating(opened, (*y, "version", "ms", "why"), metrics)
    finally:
        await opened.close()


def computed(url: str, served: str) -> int:
    """How many rows the server has given to a model."""
    found = json.loads(call(url, "GET", f"/v2/models/{served}/stats"))["model_stats"]
    return sum(int(each["inference_count"]) for each in found)


async def sent(url: str, served: str, before: int) -> int:
    """How many rows the server was sent since; it counts a request a moment after it has answered it."""
    last = -1
    while last != (now := computed(url, served)) or now == before:
        last = now
        await asyncio.sleep(0.05)
    return now - before


def run(work: Any) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_rows_that_were_answered_are_not_sent_again(triton: Triton) -> None:
    async def main() -> None:
        async with repeating(triton.http_url, *INT64) as model:
            before = computed(triton.http_url, "identity_int64")
            first = await model.rows(1, 2, None, 3)
            assert model.taken() == {
                "cache_misses": 3, "requests": 3, "success": 3, "output_rows": 3, "null_rows": 1,
            }  # fmt: skip
            again = await model.rows(3, 4, None, 1, 2)
            assert await sent(triton.http_url, "identity_int64", before) == 4
            assert model.taken() == {
                "cache_hits": 3, "cache_misses": 1, "requests": 1, "success": 1, "output_rows": 4, "null_rows": 1,
            }  # fmt: skip
            assert [row["y"] for row in again] == [3, 4, None, 1, 2]
            assert [row["version"] for row in again] == ["1", "1", None, "1", "1"]
            assert [row["ms"] is not None for row in first] == [True, True, False, True]
            assert [row["ms"] is not None for row in again] == [False, True, False, False, False]

    run(main())


def test_equal_rows_in_a_batch_and_under_way_are_one_row_of_a_request(triton: Triton) -> None:
    async def main() -> None:
        async with repeating(triton.http_url, *INT64) as model:
            before = computed(triton.http_url, "identity_int64")
            batches = [[7, 7, 8, 7], [8, 9, 8], [7] * 50]
            answers = await asyncio.gather(*(model.answers(*batch) for batch in batches))
            assert answers == batches
            assert await sent(triton.http_url, "identity_int64", before) == 3
            assert model.taken() == {
                "cache_hits": 54, "cache_misses": 3, "requests": 3, "success": 3, "output_rows": 57,
            }  # fmt: skip

    run(main())


@pytest.mark.parametrize(
    ("served", "x", "y", "rows"),
    [
        ("identity_bytes", "STRING", "STRING", ["", "a", "é\0", "x" * 2000, "x" * 2001]),
        ("identity_bytes", "BYTES", "BYTES", [b"", b"\xff", b"a" * 5000]),
        ("identity_bytes_nobatch", "STRING", "STRING", ["", "one"]),
        ("identity_bytes_array", "ARRAY<STRING>", "ARRAY<STRING>", [[], [""], ["", ""], ["a", "bc"], ["ab", "c"]]),
        ("identity_fp32", "FLOAT", "FLOAT", [0.0, -0.0, 1.5]),
        ("identity_fp32_array", "ARRAY<FLOAT>", "ARRAY<FLOAT>", [[], [0.0], [0.0, 0.0], [1.0] * 999]),
        (
            "identity_fp32_nested",
            "ARRAY<ARRAY<FLOAT>>",
            "ARRAY<ARRAY<FLOAT>>",
            [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0], [3.0, 4.0]]],
        ),
        ("identity_fp32_matrix", "BYTES", "BYTES", [bytes(24), bytes(range(24))]),
        ("identity_fp32_array", "BYTES", "BYTES", [b"", bytes(4), bytes(8), bytes(4000)]),
    ],
)
def test_every_kind_of_value_comes_back_as_it_was(triton: Triton, served: str, x: str, y: str, rows: list[Any]) -> None:
    async def main() -> None:
        async with repeating(triton.http_url, served, {"x": x}, {"y": y}) as model:
            for batch in (rows, [*rows, *reversed(rows)]):
                assert repr(await model.answers(*batch)) == repr(batch)
            assert model.taken() == {
                "cache_hits": 2 * len(rows), "cache_misses": len(rows), "requests": len(rows), "success": len(rows),
                "output_rows": 3 * len(rows),
            }  # fmt: skip

    run(main())


def test_several_inputs_and_outputs_are_one_row(triton: Triton) -> None:
    inputs = {"amount": "FLOAT", "account": "BIGINT", "note": "STRING"}

    async def main() -> None:
        async with repeating(triton.http_url, "multi", inputs, {"label": "STRING", "score": "FLOAT"}) as model:
            rows = [(1.5, 8, "a"), (1.5, 8, "b"), (1.5, 9, "a"), (2.5, 8, "a")]
            first = await model.rows(*rows)
            assert model.taken()["cache_misses"] == 4
            again = await model.rows(*rows)
            assert model.taken() == {"cache_hits": 4, "output_rows": 4}
            assert [{**row, "ms": None} for row in first] == again

    run(main())


def test_an_optional_input_that_is_left_out_is_no_value(triton: Triton) -> None:
    async def main() -> None:
        xs = {"x": "BIGINT", "bias": "BIGINT"}
        async with repeating(triton.http_url, "optional", xs, {"y": "BIGINT"}) as model:
            rows = [(1, None), (1, 0), (1, 5), (2, None)]
            first = await model.answers(*rows)
            assert model.taken()["cache_misses"] == 4
            assert await model.answers(*rows) == first
            assert model.taken() == {"cache_hits": 4, "output_rows": 4}

    run(main())


def test_the_parameters_of_a_row_are_part_of_it(triton: Triton) -> None:
    async def main() -> None:
        xs = {"x": "BIGINT", "kind": "STRING"}
        async with repeating(
            triton.http_url, "identity_int64", xs, {"y": "BIGINT"}, parameters='{"kind": "${kind}"}'
        ) as model:
            before = computed(triton.http_url, "identity_int64")
            rows = [(1, "a"), (1, "b"), (1, None), (1, "a"), (2, "a")]
            assert await model.answers(*rows) == [1, 1, 1, 1, 2]
            assert await sent(triton.http_url, "identity_int64", before) == 4
            assert await model.answers(*rows) == [1, 1, 1, 1, 2]
            assert await sent(triton.http_url, "identity_int64", before) == 4

    run(main())


def test_the_least_used_make_room_and_the_size_is_kept(triton: Triton) -> None:
    async def main() -> None:
        async with repeating(triton.http_url, *INT64, cache_max_bytes="8 kb") as model:
            await model.answers(*range(10))
            one = model.bytes() / 10
            assert 100 < one < 500
            fitting = int(8192 / one)
            for start in range(10, 10 * fitting, 10):
                assert await model.answers(0) == [0]  # in use, so it stays
                await model.answers(*range(start, start + 10))
                assert model.bytes() <= 8192
            await model.answers(0, 1, 10 * fitting - 1)
            assert model.taken() == {
                "cache_hits": 2, "cache_misses": 1, "requests": 1, "success": 1, "output_rows": 3,
            }  # fmt: skip

    run(main())


def test_an_answer_that_is_larger_than_the_cache_is_not_kept(triton: Triton) -> None:
    async def main() -> None:
        async with repeating(
            triton.http_url, "identity_bytes", {"x": "STRING"}, {"y": "STRING"}, cache_max_bytes="1 kb"
        ) as model:
            text = "x" * 2000
            assert await model.answers("small") == ["small"]
            assert await model.answers(text, text) == [text, text]
            assert model.taken()["cache_hits"] == 1  # it waited for the other
            assert await model.answers(text, "small") == [text, "small"]
            assert model.taken()["cache_hits"] == 1

    run(main())


def test_an_answer_is_given_for_as_long_as_the_option_says(triton: Triton) -> None:
    async def main() -> None:
        for ttl, hits in (("1 h", 1), ("50 ms", 0)):
            async with repeating(triton.http_url, *INT64, cache_ttl=ttl) as model:
                await model.answers(1)
                await asyncio.sleep(0.06)
                assert await model.answers(1) == [1]
                assert model.taken().get("cache_hits", 0) == hits

    run(main())


def test_a_model_that_is_replaced_is_noticed_by_the_first_miss(tmp_path: Path) -> None:
    (source,) = (model for model in MODELS if model.name == "version")
    repository = write_repository(tmp_path / "models", [source])

    async def main(url: str, replace: Callable[[], object]) -> None:
        async with repeating(url, "version", {"x": "BIGINT"}, {"y": "BIGINT"}) as model:
            assert await model.answers(1, 2) == [3, 3]
            replace()
            assert await model.answers(1) == [3]  # within the ttl
            (new,) = await model.rows(5)
            assert (new["y"], new["version"]) == (7, "7")
            model.taken()
            rows = await model.rows(1, 2, 5)
            assert [(row["y"], row["version"]) for row in rows] == [(7, "7")] * 3
            assert model.taken()["cache_hits"] == 1

    with TritonServer(repository, arguments=ARGUMENTS) as server:

        def replace() -> None:
            (repository / "version" / "3").rename(repository / "version" / "7")
            call(server.http_url, "POST", "/v2/repository/models/version/load")

        run(main(server.http_url, replace))


def test_where_a_row_fails_those_that_wait_for_it_send_themselves(triton: Triton) -> None:
    async def main() -> None:
        async with (
            proxied(triton, page(413)) as proxy,
            repeating(proxy.url, *FAILS, max_batch_size="1") as model,
        ):
            (failed,), *good = await asyncio.gather(model.rows(5), model.rows(5, 5), model.rows(5))
            assert "413" in failed["why"]
            assert [row["y"] for rows in good for row in rows] == [5, 5, 5]
            assert len(proxy.inferences) == 4
            assert model.taken() == {
                "cache_misses": 4, "requests": 4, "success": 3, "failure": 1, "output_rows": 4,
            }  # fmt: skip
            assert await model.answers(5) == [5]
            assert len(proxy.inferences) == 4

    run(main())


def test_those_that_wait_have_time_of_their_own(triton: Triton) -> None:
    async def main() -> None:
        limits: dict[str, Any] = {"timeout": "3 s", "total_timeout": "3 s", "max_retries": "0"}
        async with (
            proxied(triton, Step("hang")) as proxy,
            repeating(proxy.url, *FAILS, max_batch_size="1", **limits) as model,
        ):
            (failed, good) = await model.rows(5, 5)
            assert failed["why"] is not None
            assert good["y"] == 5

    run(main())


def test_a_poisoned_row_fails_alone_each_time(triton: Triton) -> None:
    async def main() -> None:
        async with repeating(triton.http_url, *FAILS) as model:
            for _ in range(2):
                rows = await model.rows(-1, 2, -1, 3, -1, 2)
                assert [row["y"] for row in rows] == [None, 2, None, 3, None, 2]
                assert [row["why"] is None for row in rows] == [False, True, False, True, False, True]
            assert model.taken() == {
                "cache_hits": 4, "cache_misses": 8, "requests": 8, "success": 2, "failure": 6, "output_rows": 12,
            }  # fmt: skip

    run(main())


def test_a_default_value_is_not_kept(triton: Triton) -> None:
    async def main() -> None:
        async with repeating(triton.http_url, *FAILS, default_value="-7") as model:
            for _ in range(2):
                assert await model.answers(-1) == [-7]
                assert model.taken() == {"cache_misses": 1, "requests": 1, "failure": 1, "output_rows": 1}

    run(main())


def test_a_row_that_lacks_an_output_is_not_kept(triton: Triton) -> None:
    ys = {"y": "FLOAT", "z": "FLOAT"}

    async def main() -> None:
        async with repeating(triton.http_url, "sums", {"x": "FLOAT"}, ys, optional_outputs="z") as model:
            for _ in range(2):
                good, lacking, same = await model.rows(2.0, -2.0, -2.0)
                assert good["z"] is not None
                assert lacking["z"] is None
                assert lacking["y"] == same["y"]
            assert model.taken() == {
                "cache_hits": 1, "cache_misses": 5, "requests": 5, "success": 5, "output_rows": 6,
            }  # fmt: skip

    run(main())


def test_a_fault_of_one_batch_is_not_that_of_another_that_waits_for_it(triton: Triton) -> None:
    async def main() -> None:
        async with proxied(triton, page(401)) as proxy, repeating(proxy.url, *FAILS, max_batch_size="1") as model:
            fault, answers = await asyncio.gather(model.rows(5), model.answers(5, 5), return_exceptions=True)
            assert "401" in str(fault)
            assert answers == [5, 5]

    run(main())


def test_the_elements_of_arrays_that_are_batches_are_rows(triton: Triton) -> None:
    async def main() -> None:
        xs, ys = {"x": "ARRAY<BIGINT>"}, {"y": "ARRAY<BIGINT>"}
        async with repeating(triton.http_url, "fails", xs, ys) as model:
            assert await model.answers([1, 2, 1], [], None) == [[1, 2, 1], [], None]
            assert model.taken() == {
                "cache_hits": 1, "cache_misses": 2, "requests": 2, "success": 2, "output_rows": 2, "null_rows": 1,
            }  # fmt: skip
            hit, half, failed = await model.rows([2, 1, 1], [1, 3], [2, -1])
            assert (hit["y"], half["y"], failed["y"]) == ([2, 1, 1], [1, 3], None)
            assert (hit["version"], hit["ms"]) == ("1", None)
            assert half["ms"] > 0.0
            assert failed["why"] is not None
            assert model.taken() == {
                "cache_hits": 5, "cache_misses": 2, "requests": 2, "success": 1, "failure": 1, "output_rows": 3,
            }  # fmt: skip

    run(main())


@pytest.mark.parametrize("responses", ["one", "last", "join", "array", "rows"])
def test_streams_are_kept_where_they_are_said_to_be_the_same_each_time(triton: Triton, responses: str) -> None:
    script = json.dumps([*(["a"] if responses != "one" else []), "b"])
    bad = json.dumps(["a", {"error": "no"}])
    ys = {"text": "ARRAY<STRING>" if responses == "array" else "STRING"}
    more = {"responses": responses, "deterministic": "true"}

    async def main() -> None:
        async with (
            proxied(triton) as proxy,
            repeating(proxy.url, "script", {"script": "STRING"}, ys, **more) as model,
        ):
            first = await model.rows(script, bad, script)
            assert model.taken()["cache_misses"] == 2
            again = await model.rows(script, bad)
            assert len(proxy.inferences) == 3
            assert model.taken() == {
                "cache_hits": 1, "cache_misses": 1, "requests": 1, "failure": 1, "output_rows": 2,
            }  # fmt: skip
            assert again[0]["text"] == first[0]["text"] == first[2]["text"]
            assert again[0]["version"] == first[0]["version"]

    run(main())


def test_a_model_that_answers_one_response_is_kept_whatever_its_responses_become(triton: Triton) -> None:
    async def main() -> None:
        for responses, answer in (("array", [3]), ("rows", 3)):
            ys = {"y": "ARRAY<BIGINT>" if responses == "array" else "BIGINT"}
            async with repeating(triton.http_url, "identity_int64", {"x": "BIGINT"}, ys, responses=responses) as model:
                first, again = await model.answers(3), await model.answers(3)
                assert first == again
                assert again[0] in (answer, [3])
                assert model.taken()["cache_hits"] == 1

    run(main())


def test_what_cannot_be_kept_is_refused_when_planned(triton: Triton) -> None:
    def refused(served: str, x: Mapping[str, str], y: Mapping[str, str], **options: str) -> str:
        with pytest.raises(PlanError) as error:
            asyncio.run(check(DeclaredModel.parse(declared(triton.http_url, served, x, y, **options))))
        return str(error.value)

    stateful = ("sequence", {"x": "BIGINT"}, {"sum": "BIGINT"})
    assert "'cache-max-bytes' is not for the server's model 'sequence', which is stateful" in refused(*stateful)
    assert "Leave it out" in refused(*stateful)
    assert "'cache-max-bytes' and 'sequence-id' are both set" in refused(*stateful, sequence_id="${x}")
    stream = ("script", {"script": "STRING"}, {"text": "STRING"})
    assert "set 'deterministic' = 'true'" in refused(*stream)
    assert "'cache-max-bytes' and 'deterministic' are both set" in refused(*INT64, deterministic="false")


def test_without_the_option_equal_rows_are_sent_each(triton: Triton) -> None:
    async def main() -> None:
        async with repeating(triton.http_url, *INT64, cache_max_bytes="0") as model:
            before = computed(triton.http_url, "identity_int64")
            assert await model.answers(4, 4) == [4, 4]
            assert await model.answers(4) == [4]
            assert await sent(triton.http_url, "identity_int64", before) == 3
            assert model.taken() == {"requests": 3, "success": 3, "output_rows": 3}

    run(main())


def keys(values: Sequence[Any], type_: str, datatype: str, dims: tuple[int, ...], alike: bytes = b"") -> list[bytes]:
    declared_type = parse_type(type_, "x")
    tensor = TensorSpec("x", DATATYPES[datatype], dims)
    binding = TensorBinding(Column("x", declared_type), tensor, declared_type)
    encoded: TensorColumn = encode(binding, pa.array(values, declared_type.arrow), lambda *_: None)
    return row_keys([encoded], np.arange(len(values)), alike)


def test_the_size_is_what_the_answers_take() -> None:
    for size in (8, 3000):
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        cache = AnswerCache(1 << 30, 60.0)
        for number in range(10_000):
            cache.put(b"=%020d" % number, (float(number), ("1", ((1,),)), bytes(size)))
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert 0.75 * cache.bytes < grown < 1.1 * cache.bytes


def test_a_key_is_of_all_bytes_and_small_where_the_row_is_large() -> None:
    for size in (10, 1000, 1100, 100_000):
        texts = [letter * size for letter in "aba"]
        for made in (
            keys(texts, "STRING", "BYTES", (1,)),
            keys([t.encode() for t in texts], "BYTES", "UINT8", (size,)),
        ):
            assert made[0] == made[2] != made[1]
            assert max(map(len, made)) < 1100
    assert set(keys([1, 2], "BIGINT", "INT64", (1,), b"a")).isdisjoint(keys([1, 2], "BIGINT", "INT64", (1,), b"b"))


def test_no_row_can_look_like_the_digest_of_another() -> None:
    (digest,) = keys(["x" * 5000], "STRING", "BYTES", (1,))
    (forged,) = keys([digest[1:]], "BYTES", "UINT8", (len(digest) - 1,))
    assert forged[1:] == digest[1:]
    assert forged != digest
