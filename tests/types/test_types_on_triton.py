"""Every datatype in every shape through a real model, with the schema that the server gives."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import parse_columns
from triton import Triton

from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.metrics import Metrics
from pyflink_triton.options.validation import parse_options
from pyflink_triton.runtime.predictor import Prediction, Predictor
from pyflink_triton.schema.binding import bind_columns
from pyflink_triton.schema.derived import derive_inputs, derive_outputs

#: Two values of each datatype that its Flink type can hold: the least and the greatest.
EDGES: dict[str, tuple[Any, Any]] = {
    "bool": (False, True),
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32)},
    "uint64": (Decimal(0), Decimal(2**64 - 1)),
    "fp16": (-65504.0, 65504.0),
    "bf16": (-1.5, 2.0**127),
    "fp32": (-1.5, float(np.finfo(np.float32).max)),
    "fp64": (5e-324, 1.7976931348623157e308),
    "bytes": ("", "ünïcødé\0🙂"),
}
SHAPES = {"": (), "_array": (3,), "_matrix": (2, 3), "_nested": (2, 2)}


def predict(triton: Triton, model: str, values: dict[str, list[Any]], *, inputs: list[str], outputs: list[str],
            **options: str) -> tuple[dict[str, list[Any]], dict[int, str]]:  # fmt: skip
    """Predict rows; columns are declared as said, else as the server says."""
    written = {key.replace("_", "-"): value for key, value in options.items()}
    parsed = parse_options({"endpoint": triton.http_url, "model-name": model, **written})

    async def run() -> tuple[Prediction, list[str]]:
        async with ModelClient(parsed) as client:
            signature = await client.signature()
            ins = parse_columns(inputs) or derive_inputs(signature, parsed)
            outs = parse_columns(outputs) or derive_outputs(signature, parsed)
            columns = bind_columns(signature, ins, outs, options=parsed)
            arrays = [pa.array(values[column.name], column.type.arrow) for column in ins]
            batch = pa.record_batch(arrays, names=[f"c{n}" for n in range(len(arrays))])
            made = Predictor(Delivery(parsed, client.transport, Metrics()), signature, columns, parsed, Metrics())
            return await made.predict(batch), [column.name for column in outs]

    prediction, names = asyncio.run(run())
    prediction.outputs.validate(full=True)
    got = {name: column.to_pylist() for name, column in zip(names, prediction.outputs.columns, strict=True)}
    return got, prediction.errors


def shaped(low: Any, high: Any, shape: tuple[int, ...]) -> Any:
    if not shape:
        return high
    return [shaped(high, low, shape[1:]) if n % 2 else shaped(low, high, shape[1:]) for n in range(shape[0])]


@pytest.mark.parametrize("batch", ["", "_nobatch"])
@pytest.mark.parametrize("suffix", SHAPES)
def test_the_servers_own_schema_takes_every_datatype(triton: Triton, suffix: str, batch: str) -> None:
    rows = {
        name: [shaped(low, high, SHAPES[suffix]), shaped(high, low, SHAPES[suffix])]
        for name, (low, high) in EDGES.items()
    }
    values = {f"in_{name}": [*both, None] for name, both in rows.items()}
    got, errors = predict(triton, f"types{suffix}{batch}", values, inputs=[], outputs=[])
    assert errors == {}
    assert got == {f"out_{name}": [*both, None] for name, both in rows.items()}


@pytest.mark.parametrize(
    ("model", "inputs", "outputs", "options", "values", "expected"),
    [
        ("identity_bytes", ["x BYTES"], ["y VARBINARY(2147483647)"], {}, [b"\xff\0", None], [b"\xff\0", None]),
        ("identity_fp32_array", ["x ARRAY<ARRAY<FLOAT>>"], ["y ARRAY<FLOAT>"], {"flatten_batch_dim": "true"},
         [[[1.0, 2.0]], [[]], None], [[1.0, 2.0], [], None]),
        ("identity_fp32_matrix", ["x ARRAY<FLOAT>"], ["y ARRAY<ARRAY<FLOAT>>"], {}, [[1.0] * 6], [[[1.0] * 3] * 2]),
        ("identity_fp32_nested", ["x ARRAY<ARRAY<FLOAT>>"], ["y ARRAY<FLOAT>"], {}, [[[1.0], [2.0]]], [[1.0, 2.0]]),
        ("identity_uint8", ["x TINYINT"], ["y BIGINT"], {}, [0, 127], [0, 127]),
        ("identity_fp32", ["x FLOAT"], ["y DOUBLE"], {}, [0.5], [0.5]),
    ],
)  # fmt: skip
def test_declared_types_and_shapes_reach_a_real_model(
    triton: Triton, model: str, inputs: list[str], outputs: list[str], options: dict[str, str], values: list[Any],
    expected: list[Any],
) -> None:  # fmt: skip
    got, errors = predict(triton, model, {"x": values}, inputs=inputs, outputs=outputs, **options)
    assert (got["y"], errors) == (expected, {})


def test_an_optional_tensor_is_left_out_for_a_null_or_where_it_is_not_declared(triton: Triton) -> None:
    values: dict[str, list[Any]] = {"x": [1, 2, None], "bias": [None, 5, 6]}
    assert predict(triton, "optional", values, inputs=[], outputs=[]) == ({"y": [101, 7, None]}, {})
    assert predict(triton, "optional", values, inputs=["x BIGINT"], outputs=[]) == ({"y": [101, 102, None]}, {})


def test_only_the_outputs_that_are_declared_are_asked_for(triton: Triton) -> None:
    values: dict[str, list[Any]] = {"amount": [1.0], "account": [8], "note": ["n"]}
    inputs = ["note STRING", "account BIGINT", "amount FLOAT"]
    assert predict(triton, "multi", values, inputs=inputs, outputs=["label STRING"]) == ({"label": ["N"]}, {})
    # A model that never answers its second output is right for whom does not ask for it.
    got, errors = predict(triton, "omits_output", {"x": [1.0]}, inputs=["x FLOAT"], outputs=["y FLOAT"])
    assert (got["y"], errors) == ([1.0], {})
