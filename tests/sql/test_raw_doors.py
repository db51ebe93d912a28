"""The content of tensors as BYTES through every front door, to a real Triton and back."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from doors import DOORS, Door, Model
from flink_session import collect, create_model, session, view
from model_repository import DATATYPES as TRITONS
from model_repository import MODELS as STANDARD
from model_repository import Model as Served
from model_repository import Tensor
from soak import IS_SOAK, some
from triton import Triton, serving

import pyflink_triton
from pyflink_triton.errors import SchemaError
from pyflink_triton.types.triton import DATATYPES

pytestmark = pytest.mark.either_mode

NUMBERS = [name for name in TRITONS if name != "BYTES"]
IMAGE = (3, 8, 8)
MODELS = [
    *(model for model in STANDARD if model.name in ("optional", "sequence")),
    *(
        Served(
            f"{name}{batch}",
            [Tensor(f"in_{each.lower()}", each, dims) for each in NUMBERS],
            [Tensor(f"out_{each.lower()}", each, dims) for each in NUMBERS],
            "identity",
            max_batch_size=0 if batch else 64,
        )
        for name, dims in (("scalars", (1,)), ("matrices", (2, 3)), ("vectors", (-1,)))
        for batch in ("", "_nobatch")
    ),
    Served("image", [Tensor("x", "FP32", IMAGE)], [Tensor("y", "FP32", IMAGE)], "identity", max_batch_size=8),
    Served("pixels", [Tensor("x", "UINT8", (-1, 3))], [Tensor("y", "UINT8", (-1, 3))], "identity"),
    Served("open", [Tensor("x", "FP32", (-1, -1))], [Tensor("y", "FP32", (-1, -1))], "identity"),
    Served("number", [Tensor("x", "FP32")], [Tensor("y", "FP32")], "identity"),
]


#: With a batch axis and without one, of fixed dims and a free one; in full in the soak.
SERVED = ["matrices", "vectors_nobatch"]
if IS_SOAK:
    SERVED = [model.name for model in MODELS if model.name.startswith(("scalars", "matrices", "vectors"))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    with serving(tmp_path_factory.mktemp("raw"), MODELS) as started:
        yield started


@pytest.fixture(scope="module", params=some(DOORS, 2), ids=" ".join)
def door(request: pytest.FixtureRequest, server: Triton) -> Door:
    name, mode = request.param
    return Door(name, mode, server.http_url)


def model(served: str, x: str = "BYTES", y: str = "BYTES", **options: str) -> Model:
    return Model(served, {"x": x}, {"y": y}, {key.replace("_", "-"): value for key, value in options.items()})


def first_line(door: Door, declared: Model, value: Any) -> str:
    with pytest.raises(Exception) as error:  # noqa: PT011 # Flink's own classes are py4j's
        door.predict(declared, [(value,)])
    return str(error.value).splitlines()[0]


@pytest.mark.parametrize("served", SERVED)
def test_every_bit_goes_to_the_server_and_back(door: Door, served: str) -> None:
    """Any bytes, so also signalling NaN; a NULL in one column makes the row NULL."""
    random, elements = Random(served), {"scalars": 1, "matrices": 6}.get(served.removesuffix("_nobatch"))
    rows: list[list[Any]] = []
    for n in range(12):
        count = n % 4 if elements is None else elements
        rows.append([bytearray(random.randbytes(count * DATATYPES[name].itemsize)) for name in NUMBERS])
    rows.append([None, *rows[0][1:]])
    inputs, outputs = ({f"{side}_{name.lower()}": "BYTES" for name in NUMBERS} for side in ("in", "out"))
    got = door.predict(Model(served, inputs, outputs, {}), rows)
    assert [list(row.values()) for row in got[:-1]] == rows[:-1]
    assert set(got[-1].values()) == {None}


def test_images_become_nested_arrays_and_come_from_them(door: Door) -> None:
    """Little-endian and row-major, and of a length that is declared or not."""
    images = [np.random.default_rng(n).random(IMAGE, np.float32).astype("<f4") for n in range(20)]
    contents, nested = (
        [as_(image) for image in images] for as_ in (lambda i: bytearray(i.tobytes()), np.ndarray.tolist)
    )
    array = "ARRAY<ARRAY<ARRAY<FLOAT>>>"
    for x, y, given, expected in (
        ("BINARY(768)", array, contents, nested),
        ("VARBINARY(800)", "BINARY(768)", contents, contents),
        (array, "VARBINARY(768)", nested, contents),
    ):
        got = door.predict(model("image", x, y), [(image,) for image in given])
        assert [row["y"] for row in got] == expected


def test_a_free_dim_follows_from_the_length(door: Door) -> None:
    rows: list[Any] = [(bytearray(3 * [n]) * (n % 5),) for n in range(100)]
    got = door.predict(model("pixels"), [*rows, (None,)])
    assert [row["y"] for row in got] == [*(value for (value,) in rows), None]
    arrays = door.predict(model("pixels", y="ARRAY<ARRAY<SMALLINT>>"), rows[:5])
    assert [row["y"] for row in arrays] == [[[n, n, n]] * n for n in range(5)]


def test_a_row_of_another_length_fails_alone(door: Door) -> None:
    good, short, long = bytearray(768), bytearray(767), bytearray(1536)
    why = Model(
        "image", {"x": "BYTES"}, {"y": "BYTES", "why": "STRING"}, {"error-column": "why", "default-value": "null"}
    )
    got = door.predict(why, [(good,), (short,), (good,), (long,), (None,)])
    assert [row["y"] for row in got] == [good, None, good, None, None]
    assert [row["why"] is None for row in got] == [True, False, True, False, True]
    for row, size in ((got[1], 767), (got[3], 1536)):
        assert f"column 'x' has {size} bytes, and the tensor x FP32[3, 8, 8] takes 768 bytes" in row["why"]
    assert "'x' has 767 bytes" in first_line(door, model("image"), short)
    assert "'x' has 4 bytes, and the tensor x UINT8[-1, 3] takes a multiple of 3" in first_line(
        door, model("pixels"), bytearray(4)
    )


def test_what_does_not_fit_is_told_when_planned(door: Door) -> None:
    for declared, words in (
        (model("open"), "declare it ARRAY<ARRAY<FLOAT>>"),
        (model("open", "ARRAY<ARRAY<FLOAT>>"), "output column 'y' is BYTES"),
        (model("image", "BINARY(767)"), "has 768 bytes: declare it BYTES"),
        (model("image", y="VARBINARY(767)"), "has 768 bytes: declare it BYTES"),
        (model("pixels", y="VARBINARY(3000)"), "has a multiple of 3 bytes: declare it BYTES"),
        (model("image", default_value="0"), "write it as 'null'"),
        (model("number", "ARRAY<BYTES>"), "declare it BYTES and give one value for each row"),
        (model("number", y="ARRAY<BYTES>"), "declare it BYTES and give one value for each row"),
    ):
        door.env.execute_sql(
            f"CREATE TEMPORARY VIEW nothing AS SELECT 1 AS n, CAST(NULL AS {declared.inputs['x']}) AS x"
        )
        with pytest.raises(Exception) as error, door.open(declared):  # noqa: PT011 # Flink's own classes are py4j's
            door.env.explain_sql(door.query(declared, "nothing"))
        assert words in str(error.value).splitlines()[0]
        door.env.drop_temporary_view("nothing")


def test_an_optional_tensor_is_left_out(server: Triton) -> None:
    door = Door("ML_PREDICT", "streaming", server.http_url)
    seven, one = (bytearray(value.to_bytes(8, "little")) for value in (7, 1))
    declared = Model("optional", {"x": "BYTES", "bias": "BYTES"}, {"y": "BIGINT"}, {})
    got = door.predict(declared, [(seven, one), (seven, None), (None, one)])
    assert [row["y"] for row in got] == [8, 107, None]


def test_a_sequence_takes_the_content_of_tensors(server: Triton) -> None:
    env = session("streaming", with_jar=False)
    pyflink_triton.connect(env, server.http_url)
    rows = [(bytearray(n.to_bytes(8, "little")), name) for n in (1, 2, 3) for name in "ab"]
    view(env, "t", {"x": "BYTES", "name": "STRING"}, rows)
    options = {"sequence_id": "${name}", "sequence_start": "true"}
    create_model(env, "sums", server.http_url, "sequence", "x BYTES, name STRING", "`sum` BYTES", **options)
    got = collect(env, "SELECT `sum` FROM ML_PREDICT(TABLE t, MODEL sums, DESCRIPTOR(x, name))")
    assert sorted(int.from_bytes(total, "little") for (total,) in got) == [1, 1, 3, 3, 6, 6]


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_an_arguments_type_alone_means_nothing(server: Triton, mode: str) -> None:
    """An image file's length may divide by four, too."""
    env = session(mode)
    pyflink_triton.connect(env, server.http_url)
    view(env, "t", {"b": "BYTES", "bs": "ARRAY<BYTES>"}, [(bytearray(4), [bytearray(4)])])
    with_ = "WITH ('provider' = 'triton', 'model-name' = 'number', 'plan-check' = '{}')"
    env.execute_sql(f"CREATE MODEL text INPUT (x STRING) OUTPUT (y FLOAT) {with_.format('off')}")
    env.execute_sql(f"CREATE MODEL content INPUT (x BYTES) OUTPUT (y FLOAT) {with_.format('required')}")
    assert collect(env, "SELECT content(b) FROM t") == [(0.0,)]
    for call, words in (
        ("number(b)", "declared FLOAT, but the argument is BYTES"),
        ("content(bs)", "declare it BYTES and give one value for each row"),
        ("text(b)", "expected FLOAT but got BYTES"),
    ):
        with pytest.raises(Exception, match=words):
            collect(env, f"SELECT {call} FROM t")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_functions_of_a_provider_take_no_bytes_for_numbers_by_their_arguments_types(
    server: Triton, asynchronous: bool
) -> None:
    env = session("streaming", with_jar=False)
    view(env, "t", {"b": "BYTES"}, [(bytearray(4),)])
    options = {"endpoint": server.http_url, "model-name": "number", "plan-check": "off"}
    factory = pyflink_triton.TritonModelProviderFactory()
    for types in (None, ["BYTES"]):
        provider = factory.create_model_provider(options, {"x": "STRING"}, {"y": "FLOAT"})
        provider.register(env, "text", asynchronous=asynchronous, argument_types=types)
        with pytest.raises(Exception, match="expected FLOAT but got BYTES"):
            collect(env, "SELECT text(b) FROM t")
        env.drop_temporary_system_function("text")


def test_predict_describe_and_not_null(server: Triton) -> None:
    env = session("streaming", with_jar=False)
    pyflink_triton.connect(env, server.http_url)
    content = bytearray(np.arange(192, dtype="<f4").tobytes())
    view(env, "t", {"b": "BYTES", "fixed": "BINARY(768)"}, [(content, content)])
    create_model(env, "content", server.http_url, "image", "x BYTES", "y BYTES")
    assert [row[:2] for row in collect(env, "DESCRIBE MODEL content")] == [("x", "BYTES"), ("y", "BYTES")]
    for column in ("b", "fixed"):
        env.create_temporary_view("predicted", pyflink_triton.predict(env.from_path("t"), "content", [column]))
        assert collect(env, "SELECT y FROM predicted") == [(content,)]
        env.drop_temporary_view("predicted")
    create_model(env, "floats", server.http_url, "image", "x ARRAY<ARRAY<ARRAY<FLOAT>>>", "y BYTES")
    with pytest.raises(SchemaError, match="the argument is BYTES"):
        pyflink_triton.predict(env.from_path("t"), "floats", ["b"])
    create_model(env, "strict", server.http_url, "image", "x BYTES NOT NULL", "y BYTES")
    assert collect(env, "SELECT strict(b) FROM t") == [(content,)]
    with pytest.raises(Exception, match="'y' is declared BYTES NOT NULL"):
        create_model(env, "never", server.http_url, "image", "x BYTES", "y BYTES NOT NULL")
