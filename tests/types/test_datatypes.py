"""A datatype is one entry of one table: nothing else knows one by its name, and a wrong entry is refused at once."""

from __future__ import annotations

import ast
import asyncio
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from fakes import Echo, identity, predictor
from places import ROOT

from pyflink_triton.model.signature import TensorSpec, read_planned, read_signature, write_planned
from pyflink_triton.options.validation import parse_options
from pyflink_triton.schema.derived import derive_outputs
from pyflink_triton.types.sql import simple
from pyflink_triton.types.triton import DATATYPES, Datatype
from pyflink_triton.types.wire import FixedSize

OPTIONS = parse_options({"endpoint": "http://localhost:1", "model-name": "m"})
PACKAGE = ROOT / "pyflink_triton"
TABLE = PACKAGE / "types" / "triton.py"
#: BYTES is a type of Flink, too, which SQL's rules may compare.
NAMES = {*DATATYPES, *(f"TYPE_{datatype.config_name}" for datatype in DATATYPES.values())} - {"BYTES"}


def names_of_datatypes(path: Path) -> list[str]:
    """Where a module has a datatype's name, or compares one."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and node.value in NAMES:
            found.append(f"{path}:{node.lineno}: {node.value!r}")
        if isinstance(node, ast.Compare):
            sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
            if any(side.endswith("datatype.name") for side in sides):
                found.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    return found


def test_no_name_of_a_datatype_stands_outside_the_table() -> None:
    assert len(names_of_datatypes(TABLE)) > 10, "the search finds what is there"
    modules = set(PACKAGE.rglob("*.py")) - {TABLE}
    assert len(modules) > 80
    assert [found for path in sorted(modules) for found in names_of_datatypes(path)] == []


def test_the_search_finds_a_comparison(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('if tensor.datatype.name == other or kind in ("FP32",):\n    x = {"INT8": 1}\n')
    assert len(names_of_datatypes(module)) == 3


#: The value of each code of FP8 E4M3: a sign, 4 bits of exponent, 3 of mantissa. It has NaN and no infinity.
CODES = np.arange(256)
EXPONENT, MANTISSA = (CODES >> 3) & 15, CODES & 7
MAGNITUDES = np.where(EXPONENT == 0, MANTISSA / 8 * 2.0**-6, (1 + MANTISSA / 8) * 2.0 ** (EXPONENT - 7.0))
MAGNITUDES[(CODES & 127) == 127] = math.nan
FP8_VALUES = np.where(CODES < 128, MAGNITUDES, -MAGNITUDES).astype(np.float32)
FP8_MAX = 448.0


def to_fp8(native: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The nearest code, ties towards zero; what rounds beyond the greatest one is a NaN, as the datatype has it."""
    steps = FP8_VALUES[:127].astype(np.float64)
    magnitude = np.abs(native.astype(np.float64))
    code = np.searchsorted((steps[1:] + steps[:-1]) / 2, magnitude)
    code = np.where(magnitude > FP8_MAX + 16, 127, code)
    code = np.where(np.isnan(native), 127, code)
    return np.asarray(code | (np.signbit(native) << 7), np.uint8)


def from_fp8(elements: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.take(FP8_VALUES, elements)


WIRE = FixedSize(np.dtype("u1"), to_fp8, from_fp8, limits=(-FP8_MAX, FP8_MAX))
FP8 = Datatype(name="FP8_E4M3", wire=WIRE, sql="FLOAT", inputs=("FLOAT",), outputs=("FLOAT", "DOUBLE"))


def predict(spec: TensorSpec, type_: str, values: list[Any], output: str) -> tuple[list[Any], dict[int, str], Echo]:
    echo = Echo()
    made = predictor(identity(spec), echo, [type_], outputs=[output])
    element = simple("FLOAT").arrow
    column = pa.array(values, pa.list_(element) if type_.startswith("ARRAY") else element)
    prediction = asyncio.run(made.predict(pa.record_batch([column], names=["c0"])))
    return prediction.outputs.column(0).to_pylist(), prediction.errors, echo


def test_an_entry_is_all_that_a_new_datatype_needs() -> None:
    finite = sorted(float(value) for value in FP8_VALUES if not math.isnan(value))
    values = [*finite, None, 449.0, -1e30, math.inf, -math.inf, math.nan, 0.3]
    got, errors, echo = predict(TensorSpec("x", FP8, (1,)), "FLOAT", values, "DOUBLE")
    assert got[: len(finite)] == finite
    assert got[len(finite) : len(finite) + 2] == [None, FP8_MAX]  # 449 is nearest to 448
    refused = [len(finite) + place for place in (2, 3, 4)]
    assert sorted(errors) == refused
    assert all("out of the range of FP8_E4M3" in message and "'x'" in message for message in errors.values())
    assert math.isnan(got[-2])
    assert got[-1] == 0.3125
    entry, data = echo.requests[0][0]
    assert entry["datatype"] == "FP8_E4M3"
    assert len(data) == entry["shape"][0]


def test_a_new_datatype_goes_in_arrays() -> None:
    rows = [[1.0, -448.0], [], None, [1.0, 500.0], [0.5]]
    got, errors, _ = predict(TensorSpec("x", FP8, (-1,)), "ARRAY<FLOAT>", rows, "ARRAY<FLOAT>")
    assert got == [[1.0, -448.0], [], None, None, [0.5]]
    assert list(errors) == [3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # An entry made of another one, one line of which was left as it is.
        ({"wire": replace(WIRE, to_wire=lambda native: native.astype("<f2"))}, "Cannot cast array"),
        ({"wire": replace(WIRE, to_wire=lambda native: to_fp8(native).astype("<u2"))}, "an element has 1 bytes"),
        ({"wire": replace(WIRE, to_wire=lambda native: to_fp8(native) ^ 8)}, "the FLOAT 0.0 comes back as"),
        ({"wire": replace(WIRE, from_wire=lambda elements: elements)}, "the FLOAT 1.0 comes back as 56.0"),
        ({"wire": replace(WIRE, limits=None)}, r"the FLOAT 3\.4\d+e\+38 comes back as nan"),
        ({"wire": replace(WIRE, limits=(-1000.0, 1000.0))}, "the FLOAT -1000.0 is within the limits and is refused"),
        ({"wire": replace(WIRE, to_wire=lambda native: to_fp8(np.clip(native, -448, 448)))}, "comes back as 448.0"),
        ({"wire": None}, "NoneType"),
        ({"inputs": ("STRING",)}, "string"),
        ({"sql": "DOUBLE", "outputs": ("FLOAT",)}, "DOUBLE has to be among the outputs"),
        ({"sql": "FLOTA", "outputs": ("FLOTA",)}, "FLOTA"),
        ({"default_for": ("INT",)}, "has to be among the inputs"),
    ],
)  # fmt: skip
def test_an_entry_that_loses_values_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        replace(FP8, **changes)
    assert "the entry of the datatype FP8_E4M3 is wrong" in str(error.value)


def test_a_model_with_a_new_datatype_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATATYPES, FP8.name, FP8)
    tensor = {"name": "x", "datatype": FP8.name, "shape": [-1, 4]}
    signature = read_signature({"name": "m", "inputs": [tensor], "outputs": [tensor]}, {"max_batch_size": 8}, None)
    assert signature.inputs == (TensorSpec("x", FP8, (4,)),)
    assert [str(column) for column in derive_outputs(signature, OPTIONS)] == ["x ARRAY<FLOAT>"]
    assert read_planned(write_planned(signature)) == signature


@pytest.mark.parametrize("lacking", ["wire", "sql", "inputs", "outputs"])
def test_an_entry_that_lacks_something_is_refused(lacking: str) -> None:
    complete = {name: getattr(FP8, name) for name in ("name", "wire", "sql", "inputs", "outputs")}
    assert Datatype(**complete) == FP8
    del complete[lacking]
    with pytest.raises(TypeError, match=lacking):
        Datatype(**complete)


def test_a_conversion_without_limits_or_one_way_is_refused() -> None:
    with pytest.raises(TypeError, match="limits"):
        FixedSize(np.dtype("u1"), to_fp8, from_fp8)  # type: ignore[call-arg]  # what is tried
    with pytest.raises(TypeError, match="from_wire"):
        FixedSize(np.dtype("u1"), to_fp8, limits=None)  # type: ignore[call-arg]  # what is tried
