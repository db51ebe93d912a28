"""The models that tests use, as a table, and how to write them as a Triton model repository.

`python tests/support/model_repository.py DIRECTORY` writes it for a server that runs elsewhere.
The code of the models is in tests/support/models.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from places import SUPPORT

SOURCES = SUPPORT / "models"

DATATYPES = (
    *("BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"),
    *("FP16", "BF16", "FP32", "FP64", "BYTES"),
)
OLDEST = "oldest { max_candidate_sequences: 1024 }"
SHAPES: dict[str, tuple[int, ...]] = {"": (1,), "_array": (-1,), "_matrix": (2, 3), "_nested": (-1, -1)}


@dataclass(frozen=True)
class Tensor:
    """An input or output in a model's config.

    Attributes:
        name: Its name.
        datatype: As the protocol writes it: FP32, BYTES.
        dims: Without the batch axis.
        optional: Whether a request may leave it out.
    """

    name: str
    datatype: str
    dims: tuple[int, ...] = (1,)
    optional: bool = False

    def config(self) -> str:
        datatype = _config_type(self.datatype)
        optional = ", optional: true" if self.optional else ""
        return f'{{ name: "{self.name}", data_type: {datatype}, dims: {list(self.dims)}{optional} }}'


@dataclass(frozen=True)
class Model:
    """One model of the repository.

    Attributes:
        name: Its name.
        inputs: Its inputs.
        outputs: Its outputs.
        source: The file in tests/support/models, without `.py`; None for an ensemble.
        max_batch_size: 0 for a model without a batch axis.
        instances: How many requests it works on at once.
        versions: The versions to write.
        extra: More lines for config.pbtxt.
    """

    name: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    source: str | None
    max_batch_size: int = 64
    instances: int = 1
    versions: Sequence[int] = (1,)
    extra: str = ""

    def config(self) -> str:
        lines = [
            f"name: {json.dumps(self.name, ensure_ascii=False)}",
            f"max_batch_size: {self.max_batch_size}",
            *(f"input {tensor.config()}" for tensor in self.inputs),
            *(f"output {tensor.config()}" for tensor in self.outputs),
        ]
        if self.source:
            lines.append('backend: "python"')
            lines.append(f"instance_group {{ kind: KIND_CPU, count: {self.instances} }}")
        return "\n".join([*lines, self.extra, ""])


def _config_type(datatype: str) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


def most_rows(rows: int) -> str:
    return f'parameters {{ key: "most", value: {{ string_value: "{rows}" }} }}'


def _x_to_y(name: str, source: str, datatype: str, *, dims: tuple[int, ...] = (1,), **more: object) -> Model:
    inputs, outputs = [Tensor("x", datatype, dims)], [Tensor("y", datatype, dims)]
    return Model(name, inputs, outputs, source, **more)  # type: ignore[arg-type]  # fields of Model by name


def _identities() -> Iterable[Model]:
    """Yield models of one tensor: identity_int32 [1], identity_fp32_array [-1], identity_fp32_matrix [2, 3], ...

    And models of a tensor of each datatype, in_int32 to out_int32: types [1], types_array [-1], ...
    """
    for datatype in ("INT32", "INT64", "UINT8", "FP32", "FP64", "BYTES"):
        for suffix, dims in SHAPES.items():
            if len(dims) == 1 or datatype in ("FP32", "INT64", "BYTES"):
                yield _x_to_y(f"identity_{datatype.lower()}{suffix}", "identity", datatype, dims=dims)
    for datatype, suffix in (("FP32", ""), ("BYTES", ""), ("FP32", "_array"), ("FP32", "_nested")):
        name = f"identity_{datatype.lower()}{suffix}_nobatch"
        yield _x_to_y(name, "identity", datatype, dims=SHAPES[suffix], max_batch_size=0)
    for suffix, dims in SHAPES.items():
        for batch, max_batch_size in (("", 64), ("_nobatch", 0)):
            inputs, outputs = (
                [Tensor(f"{side}_{datatype.lower()}", datatype, dims) for datatype in DATATYPES]
                for side in ("in", "out")
            )
            name = f"types{suffix}{batch}"
            yield Model(name, inputs, outputs, "identity", max_batch_size=max_batch_size)


def _contract_breakers() -> Iterable[Model]:
    for how in ("omits_output", "wrong_datatype", "wrong_count"):
        outputs = [Tensor("y", "FP32"), *([Tensor("z", "FP32")] if how == "omits_output" else [])]
        parameter = f'parameters {{ key: "how", value: {{ string_value: "{how}" }} }}'
        yield Model(how, [Tensor("x", "FP32")], outputs, "breaks_contract", extra=parameter)


def sequence_batching(
    corrid: str | None, idle_seconds: int, strategy: str = "oldest { max_candidate_sequences: 1024 }"
) -> str:
    control = """{{ name: "{name}", control {{ kind: CONTROL_SEQUENCE_{name}, {value} }} }}"""
    controls = [
        control.format(name=name, value="int32_false_true: [ 0, 1 ]")
        for name in ("START", "END", *(["READY"] if "direct" in strategy else []))
    ]
    if corrid is not None:
        controls.append(control.format(name="CORRID", value=f"data_type: {_config_type(corrid)}"))
    return (
        f"sequence_batching {{ max_sequence_idle_microseconds: {idle_seconds * 1_000_000}\n"
        f"  control_input [ {', '.join(controls)} ]\n"
        f"  {strategy} }}"
    )


_FEW = "oldest { max_candidate_sequences: 4 }"
_DIRECT = "direct { }"


def _sequence(
    name: str, corrid: str | None, idle_seconds: int = 60, strategy: str = OLDEST, max_batch_size: int = 64
) -> Model:
    outputs = [Tensor("sum", "INT64"), Tensor("id", corrid or "BYTES")]
    batching = sequence_batching(corrid, idle_seconds, strategy)
    return Model(name, [Tensor("x", "INT64")], outputs, "sequence", max_batch_size=max_batch_size, extra=batching)


def ensemble(name: str, inside: str, x: str, y: str, datatype: str, max_batch_size: int = 64) -> Model:
    step = f"""ensemble_scheduling {{ step [ {{ model_name: "{inside}", model_version: -1,
  input_map {{ key: "{x}", value: "{x}" }}, output_map {{ key: "{y}", value: "{y}" }} }} ] }}
platform: "ensemble" """
    return Model(name, [Tensor(x, datatype)], [Tensor(y, datatype)], None, max_batch_size=max_batch_size, extra=step)


def _sequences() -> Iterable[Model]:
    """Yield stateful models: ids of each type and none, idle limits, strategies, few slots; and ensembles over them."""
    yield _sequence("sequence", "INT64")
    yield _sequence("sequence_short", "INT64", 1)
    yield _sequence("sequence_string", "BYTES")
    for corrid in ("INT32", "UINT32", "UINT64"):
        yield _sequence(f"sequence_{corrid.lower()}", corrid)
    yield _sequence("sequence_no_corrid", None)
    yield _sequence("sequence_direct", "UINT64", strategy=_DIRECT, max_batch_size=32)
    yield _sequence("sequence_few", "INT64", strategy=_FEW)
    yield ensemble("sequence_ensemble", "sequence", "x", "sum", "INT64")
    yield ensemble("sequence_ensemble_of_ensemble", "sequence_ensemble", "x", "sum", "INT64")


def _parallel() -> Model:
    """A model of three steps beside each other: 2.51 cannot leave the last one out. ``z`` is there for b >= 0 only."""
    steps = [
        f'{{ model_name: "{model}", model_version: -1, input_map {{ key: "x", value: "{given}" }}, '
        f'output_map {{ key: "{made}", value: "{output}" }} }}'
        for model, given, made, output in (
            ("identity_fp32", "a", "y", "y"),
            ("sums", "b", "z", "z"),
            ("identity_fp32", "c", "y", "w"),
        )
    ]
    extra = f'ensemble_scheduling {{ step [ {", ".join(steps)} ] }}\nplatform: "ensemble"'
    return Model("parallel", _floats("a", "b", "c"), _floats("y", "z", "w"), None, extra=extra)


def _masked() -> Iterable[Model]:
    """Yield models of texts as ids, which say how wide their request was; ``masked_free`` sums without a mask."""
    ids, doubled = Tensor("ids", "INT64", (-1,)), Tensor("doubled", "INT64", (-1,))
    kinds, mask = Tensor("kinds", "INT32", (-1,)), Tensor("mask", "INT32", (-1,))
    outputs = [Tensor("total", "INT64"), Tensor("width", "INT64"), doubled]
    yield Model("masked", [ids, mask], outputs, "masked")
    yield Model("masked_pair", [ids, kinds, mask], outputs, "masked")
    yield Model("masked_free", [ids], outputs, "masked")


def _floats(*names: str) -> list[Tensor]:
    return [Tensor(name, "FP32") for name in names]


_ADD = ([Tensor("a", "FP32"), Tensor("b", "FP32")], [Tensor("sum", "FP32")], "add")

_STREAMS = "model_transaction_policy { decoupled: true }"


def script(name: str, *outputs: Tensor, more: Sequence[Tensor] = (), max_batch_size: int = 0) -> Model:
    """A decoupled model that does what its first input says; see models/script.py."""
    inputs = [Tensor("script", "BYTES"), *more]
    return Model(name, inputs, outputs, "script", max_batch_size=max_batch_size, extra=_STREAMS)


def _scripts() -> Iterable[Model]:
    text = Tensor("text", "BYTES", (-1,))
    yield script("script", text)
    yield script("script_batch", text, max_batch_size=8)
    more = [Tensor("number", "INT64"), Tensor("score", "FP32"), Tensor("flag", "BOOL"), Tensor("vector", "FP32", (-1,))]
    yield script("script_many", text, *more, Tensor("reason", "BYTES"))
    yield script("script_half", Tensor("half", "FP16"))
    yield script("script_grid", Tensor("grid", "FP32", (-1, -1)))
    numbers = ("INT8", "INT64", "UINT8", "UINT64", "FP32", "FP64", "BOOL")
    inputs = [*(Tensor(f"one_{name}", name) for name in numbers), Tensor("pair", "INT64", (2,))]
    inputs += [Tensor("vector", "FP32", (-1,)), Tensor("texts", "BYTES", (-1,))]
    yield script("script_inputs", text, more=[*inputs, Tensor("id", "BYTES")])
    yield script("script_parameters", text, more=[Tensor("parameters", "INT32")])


MODELS: tuple[Model, ...] = (
    *_identities(),
    Model(
        "multi",
        [Tensor("amount", "FP32"), Tensor("account", "INT64"), Tensor("note", "BYTES")],
        [Tensor("score", "FP32"), Tensor("label", "BYTES")],
        "multi",
    ),
    _x_to_y("pairing", "pairing", "INT64", instances=4),
    _x_to_y("pairing_nobatch", "pairing", "INT64", instances=4, max_batch_size=0),
    Model("add", *_ADD),
    Model("add_1024", *_ADD, max_batch_size=1024),
    Model("sums", _floats("x"), _floats("y", "z"), "sums"),
    _parallel(),
    *_masked(),
    _x_to_y("one_row", "few_rows", "INT64", extra=most_rows(1)),
    Model("either", [Tensor(name, "FP32", optional=True) for name in "ab"], _floats("y"), "either"),
    _x_to_y("slow", "slow", "INT32", instances=4),
    _x_to_y("fails", "fails", "INT64"),
    _x_to_y("crashes", "crashes", "INT64"),
    *_contract_breakers(),
    _x_to_y("decoupled", "decoupled", "INT32", extra=_STREAMS),
    *_scripts(),
    *_sequences(),
    Model(
        "optional",
        [Tensor("x", "INT64"), Tensor("bias", "INT64", optional=True)],
        [Tensor("y", "INT64")],
        "optional",
    ),
    _x_to_y(
        "priority",
        "slow",
        "INT32",
        extra="dynamic_batching { priority_levels: 10, default_priority_level: 5 }",
    ),
    _x_to_y(
        "priority_3",
        "slow",
        "INT32",
        max_batch_size=1,
        extra="dynamic_batching { priority_levels: 3, default_priority_level: 2 }",
    ),
    ensemble("priority_ensemble", "priority_3", "x", "y", "INT32", max_batch_size=1),
    _x_to_y("version", "version", "INT64", versions=(1, 3), extra="version_policy { all {} }"),
)


def write_repository(directory: Path, models: Iterable[Model] = MODELS) -> Path:
    """Write a model repository.

    Args:
        directory: Where to; made where it is not there.
        models: What to write.

    Returns:
        The directory.
    """
    for model in models:
        root = directory / model.name
        for version in model.versions:
            (root / str(version)).mkdir(parents=True, exist_ok=True)
            if model.source:
                shutil.copyfile(SOURCES / f"{model.source}.py", root / str(version) / "model.py")
        (root / "config.pbtxt").write_text(model.config())
    return directory


if __name__ == "__main__":
    print(write_repository(Path(sys.argv[1])))
