"""What the columns of a batch say about the models of its rows."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from pyflink_triton._arrow import Ints
from pyflink_triton.options.routes import Route, is_allowed, is_plain
from pyflink_triton.options.validation import parse_options
from pyflink_triton.tensors.row_routes import RouteColumns


def read(
    columns: dict[str, pa.Array], model: str = "${m}", version: str = "latest", allowed: str = "t*"
) -> tuple[dict[int, Route], dict[int, str]]:
    """The route of each row that has one, and why the others cannot be sent."""
    written = {"endpoint": "http://a", "model-name": model, "model-version": version, "max-batch-size": "8"}
    if model.startswith("$"):
        written["allowed-models"] = allowed
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    routes = RouteColumns(parse_options(written), {name: place for place, name in enumerate(columns)}).read(batch)
    refused: dict[int, str] = {}

    def reject(rows: Ints, why: str) -> None:
        refused.update(dict.fromkeys(rows.tolist(), why))

    held = [column.is_valid().to_pylist() for column in columns.values()]
    rows = np.flatnonzero(np.logical_and.reduce(held))
    found = {row: route for route, group in routes.groups(routes.sendable(rows, reject)) for row in group.tolist()}
    return found, refused


def test_texts_name_models() -> None:
    found, refused = read({"m": pa.array(["ta", "tb", None, "ta", "b", ""])})
    assert found == {0: Route("ta", None), 1: Route("tb", None), 3: Route("ta", None)}
    assert set(refused) == {4, 5}
    assert read({"m": pa.array([None, None], pa.utf8())}) == ({}, {})
    assert read({"m": pa.array([], pa.utf8())}) == ({}, {})


@pytest.mark.parametrize("type_", [pa.int8(), pa.int16(), pa.int32(), pa.int64()])
def test_integers_name_models_and_versions(type_: pa.DataType) -> None:
    assert read({"m": pa.array([7, 8], type_)}, allowed="7")[0] == {0: Route("7", None)}
    found, refused = read({"v": pa.array([3, None, -1, 3], type_)}, model="m", version="${v}")
    assert found == {0: Route("m", "3"), 3: Route("m", "3")}
    assert refused == {2: "column 'v' names no version of a model. Give the column digits, as '3', or 'latest'"}


def test_two_columns_name_a_model_and_its_version() -> None:
    columns = {"m": pa.array(["ta", "tb", "ta", "ta", "x"]), "v": pa.array(["1", "1", "latest", "1", "1"])}
    found, refused = read(columns, version="${v}")
    assert found == {0: Route("ta", "1"), 1: Route("tb", "1"), 2: Route("ta", None), 3: Route("ta", "1")}
    assert set(refused) == {4}


def test_a_part_of_a_batch_and_bytes_that_are_no_text() -> None:
    whole = pa.array(["tz", "ta", "tb", "ta"]).slice(1)
    assert read({"m": whole})[0] == {0: Route("ta", None), 1: Route("tb", None), 2: Route("ta", None)}
    broken = pa.Array.from_buffers(pa.utf8(), 2, pa.array([b"t\xff", b"ta"]).buffers())
    found, refused = read({"m": broken})
    assert (set(found), set(refused)) == ({1}, {0})


def test_a_text_that_is_too_long_for_a_name_is_neither_read_nor_kept() -> None:
    written = {"endpoint": "http://a", "model-name": "${m}", "model-version": "${v}", "max-batch-size": "8"}
    columns = RouteColumns(parse_options({**written, "allowed-models": "*"}), {"m": 0, "v": 1})
    columns.read(pa.record_batch([pa.array(["ta"]), pa.array(["1"])], names=["m", "v"]))  # imports what it needs
    tracemalloc.start()
    try:
        for n in range(8):
            long = f"{n:03}" * (1 << 18)
            rows = pa.record_batch([pa.array(["ta", long]), pa.array([long, "1"])], names=["m", "v"])
            assert all(isinstance(kind, str) for kind in columns.read(rows).kinds)
        del long, rows
        assert tracemalloc.get_traced_memory()[0] < 4 << 20
    finally:
        tracemalloc.stop()
    began = time.process_time()
    assert not is_plain("a" * (1 << 24))
    assert time.process_time() - began < 0.1


def test_as_many_names_as_rows_are_known_one_by_one() -> None:
    names = [f"t{n}" for n in range(10_000)]
    assert read({"m": pa.array(names)})[0] == {n: Route(name, None) for n, name in enumerate(names)}


@pytest.mark.parametrize("name", ["a", "a.b", "A-1_2", "große", "模型", "a" * 255, "a+b", "a@b", "...", "$m"])
def test_names_that_every_server_takes_for_themselves(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize("name", ["", ".", "..", "%2e", "a/b", "a\\b", "a?b", "a#b", "a%b", "a;b", "a b", "é" * 128])
@pytest.mark.parametrize("behind", ["", "\n"])
def test_names_that_one_may_take_for_another(name: str, behind: str) -> None:
    assert not is_plain(name + behind)


@pytest.mark.parametrize("character", ["\0", "\x1f", "\x7f", "\x85", "\xa0", "\u00ad", "\u200b", "\u2028", "\u202e"])
def test_characters_that_nobody_sees(character: str) -> None:
    assert not is_plain(f"a{character}b")


@pytest.mark.parametrize("character", ["\u2044", "\u2215", "\uff0f", "\uff0e", "\u2024", "\uff05", "e\u0301", "\ufb01"])
def test_characters_that_look_like_others_or_become_them(character: str) -> None:
    assert not is_plain(f"a{character}b")


def test_which_names_are_allowed() -> None:
    assert is_allowed("fraud_v2", ("fraud_v2", "tenant-*"))
    assert is_allowed("tenant-", ("fraud_v2", "tenant-*"))
    assert is_allowed("anything", ("*",))
    assert not is_allowed("fraud_v22", ("fraud_v2", "tenant-*"))
    assert not is_allowed("Tenant-a", ("tenant-*",))
    assert not is_allowed("tenant-*", ("fraud",))
    assert not is_allowed("../x", ("*",))
