"""The option `pad` and the model: which columns are padded together, with what, and which outputs are trimmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import InvalidOperation
from typing import Any

from pyflink_triton._arrow import from_values
from pyflink_triton.errors import OptionError
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.options import Options
from pyflink_triton.options.padding import Pad
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import Column
from pyflink_triton.schema.default_value import convert
from pyflink_triton.schema.raw_tensors import is_raw
from pyflink_triton.types.sql import INTEGERS, simple
from pyflink_triton.types.triton import Datatype


@dataclass(frozen=True)
class PaddedInput:
    """An input that is padded.

    Attributes:
        place: The index of its binding among those of the inputs.
        axis: Its variable dim.
        fill: The bytes of the element that it is padded with.
    """

    place: int
    axis: int
    fill: bytes


@dataclass(frozen=True)
class Mask:
    """An input of the model that this package fills.

    Attributes:
        tensor: The input.
        axis: Its variable dim.
        zero: The bytes of an element behind the row's values.
        one: The bytes of an element where the row has one.
    """

    tensor: TensorSpec
    axis: int
    zero: bytes
    one: bytes


@dataclass(frozen=True)
class PaddedGroup:
    """Inputs whose rows have the same length, and what depends on it.

    Attributes:
        inputs: The inputs.
        edges: The lengths that they are padded to, ascending.
        mask: The mask; None: there is none, or a column gives it and it is one of ``inputs``.
        outputs: The index among the outputs' bindings and the variable dim of each output that is trimmed.
        option: The key of the option, for messages.
    """

    inputs: tuple[PaddedInput, ...]
    edges: tuple[int, ...]
    mask: Mask | None
    outputs: tuple[tuple[int, int], ...]
    option: str


def find_masks(signature: ModelSignature, options: Options | None) -> tuple[TensorSpec, ...]:
    """The inputs that the option `pad` names as masks, which need no column.

    Args:
        signature: The model's signature.
        options: The model's options.

    Raises:
        OptionError: The model has no such input.
    """
    named = () if options is None else options.pad
    return tuple(_mask_input(f"pad.{name}", pad.mask, signature) for name, pad in named if pad.mask is not None)


def _mask_input(option: str, name: str, signature: ModelSignature) -> TensorSpec:
    place = _place(name, signature.inputs)
    if place is None:
        known = ", ".join(map(str, signature.inputs))
        raise OptionError(
            f"option '{option}' has the mask '{name}', which is none of the model's inputs {known}. "
            + Remedy.WRITE_MASK()
        )
    return signature.inputs[place]


def plan_padding(
    signature: ModelSignature,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[tuple[Column, TensorSpec]],
    options: Options | None,
) -> tuple[PaddedGroup, ...]:
    """Check the option `pad`, and find what it names.

    Args:
        signature: The model's signature.
        inputs: The tensors of the input columns.
        outputs: The output columns and their tensors.
        options: The model's options.

    Returns:
        The inputs that are padded, in groups with the same mask.

    Raises:
        OptionError: Something in the option does not fit the model or the columns; the message says what to write.
    """
    if options is None or not options.pad:
        return ()
    if signature.decoupled:
        raise OptionError(
            f"option 'pad' is for models that answer several rows at once, and '{signature.name}' is decoupled, so "
            f"that each row goes alone. {Remedy.LEAVE_OUT()}"
        )
    if options.responses in ("array", "rows"):
        raise OptionError(
            f"options 'pad' and 'responses' = '{options.responses}' are both set, and what is padded has one answer a "
            f"row. {Remedy.LEAVE_ONE_OUT()}"
        )
    together: dict[str, list[tuple[str, Pad]]] = {}
    for name, pad in options.pad:
        together.setdefault(name if pad.mask is None else f"mask {pad.mask.lower()}", []).append((name, pad))
    groups = tuple(_group(signature, inputs, outputs, pads) for pads in together.values())
    _check_inputs(inputs, groups)
    _check_outputs(signature, outputs, options.pad, groups)
    return groups


def _group(
    signature: ModelSignature,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[tuple[Column, TensorSpec]],
    pads: Sequence[tuple[str, Pad]],
) -> PaddedGroup:
    option, pad = f"pad.{pads[0][0]}", pads[0][1]
    padded: list[PaddedInput] = []
    for name, each in pads:
        if each.edges != pad.edges:
            raise OptionError(
                f"options '{option}' and 'pad.{name}' have the same mask and other edges, so their lengths would "
                f"differ. {Remedy.GIVE_SAME_EDGES()}"
            )
        padded.append(_input(name, each.value, inputs))
        if each.mask is not None and _place(each.mask, inputs) == padded[-1].place:
            raise OptionError(f"option 'pad.{name}' has '{each.mask}' as its own mask. {Remedy.WRITE_MASK()}")
    mask = None
    if pad.mask is not None:
        place = _place(pad.mask, inputs)
        if place is None:
            mask = _mask(option, pad.mask, signature)
        elif place not in [each.place for each in padded]:
            zero = _number(inputs[place].datatype, 0, option, pad.mask)
            padded.append(PaddedInput(place, _axis(option, inputs[place]), zero))
    trimmed = [_output(f"pad.{name}", output, outputs) for name, each in pads for output in each.outputs]
    return PaddedGroup(tuple(padded), pad.edges, mask, tuple(each for each in trimmed if each is not None), option)


def _place(name: str, tensors: Sequence[TensorSpec]) -> int | None:
    """The index of a tensor, whose name may differ in case where no other's is the same."""
    names = [tensor.name for tensor in tensors]
    if name not in names:
        name, names = name.lower(), [each.lower() for each in names]
    return names.index(name) if name in names else None


def _input(name: str, value: Any, inputs: Sequence[TensorSpec]) -> PaddedInput:
    option, place = f"pad.{name}", _place(name, inputs)
    if place is None:
        known = ", ".join(map(str, inputs))
        raise OptionError(
            f"option '{option}' names no tensor that an input column gives. {Remedy.NAME_TENSOR(tensors=known)}"
        )
    tensor = inputs[place]
    if tensor.optional:
        raise OptionError(
            f"option '{option}' is for an input that each row has, and {tensor} is optional. {Remedy.LEAVE_OUT()}"
        )
    axis = _axis(option, tensor)
    if not tensor.datatype.is_fixed_size and any(dim != 1 for dim in tensor.dims[:axis]):
        raise OptionError(
            f"option '{option}' pads texts along their first dim, and {tensor} has its variable dim elsewhere. "
            + Remedy.LEAVE_OUT()
        )
    return PaddedInput(place, axis, _element(tensor.datatype, value, option))


def _axis(option: str, tensor: TensorSpec) -> int:
    """The variable dim of a tensor; raises OptionError unless there is one and no other."""
    if tensor.dims.count(-1) != 1:
        raise OptionError(
            f"option '{option}' needs a tensor with one dim of any size, and {tensor} has {tensor.dims.count(-1)}. "
            + Remedy.LEAVE_OUT()
        )
    return tensor.dims.index(-1)


def _element(datatype: Datatype, value: Any, option: str) -> bytes:
    """The bytes of one element; for None, of zero, false or an empty text."""
    type_ = simple(datatype.sql)
    if value is None:
        value = {"BOOLEAN": False, "STRING": "", "BYTES": ""}.get(type_.name, 0)
    try:
        elements = datatype.wire.encode(from_values([convert(value, type_)], type_.arrow))
    except (ValueError, InvalidOperation, OverflowError):
        elements = None
    if elements is None or elements.out_of_range is not None:
        raise OptionError(
            f"option '{option}' has a value that {datatype.name} cannot hold. {Remedy.FIT_PAD_VALUE(type=type_)}"
        )
    return bytes(elements.data)


def _number(datatype: Datatype, value: int, option: str, mask: str) -> bytes:
    """The bytes of 0 or 1 in a mask."""
    type_ = simple(datatype.sql)
    if type_.name not in ("BOOLEAN", "DECIMAL", "FLOAT", "DOUBLE", *INTEGERS):
        raise OptionError(
            f"option '{option}' has the mask '{mask}', whose datatype {datatype.name} holds no numbers. "
            + Remedy.WRITE_MASK()
        )
    return _element(datatype, bool(value) if type_.name == "BOOLEAN" else value, option)


def _mask(option: str, name: str, signature: ModelSignature) -> Mask:
    tensor = _mask_input(option, name, signature)
    if tensor.dims.count(-1) != 1:
        raise OptionError(
            f"option '{option}' has the mask {tensor}, and a mask has one dim of any size. {Remedy.WRITE_MASK()}"
        )
    zero, one = (_number(tensor.datatype, value, option, name) for value in (0, 1))
    return Mask(tensor, tensor.dims.index(-1), zero, one)


def _output(option: str, name: str, outputs: Sequence[tuple[Column, TensorSpec]]) -> tuple[int, int] | None:
    """The place and the variable dim of an output that is trimmed; None where no column takes it."""
    place = _place(name, [tensor for _, tensor in outputs])
    if place is None:
        return None
    column, tensor = outputs[place]
    if tensor.dims.count(-1) != 1:
        raise OptionError(
            f"option '{option}' trims outputs along their one dim of any size, and {tensor} has "
            f"{tensor.dims.count(-1)}. {Remedy.NAME_UNTRIMMED()}"
        )
    axis = tensor.dims.index(-1)
    is_flat = is_raw(column, tensor) or column.type.depth == 1
    if not (is_flat or column.type.depth) or (is_flat and any(dim != 1 for dim in tensor.dims[:axis])):
        raise OptionError(
            f"option '{option}' trims the output {tensor}, and its column '{column.name}' is {column.type}: "
            + Remedy.DECLARE(type=tensor.sql_type)
        )
    return place, axis


def _check_inputs(inputs: Sequence[TensorSpec], groups: Sequence[PaddedGroup]) -> None:
    """Refuse a mask that another option pads as a tensor, to other lengths."""
    by: dict[int, str] = {}
    for group in groups:
        for each in group.inputs:
            other = by.setdefault(each.place, group.option)
            if other != group.option:
                one, two = sorted((other, group.option))
                raise OptionError(
                    f"options '{one}' and '{two}' would both pad '{inputs[each.place].name}'. {Remedy.LEAVE_ONE_OUT()}"
                )


def _check_outputs(
    signature: ModelSignature,
    outputs: Sequence[tuple[Column, TensorSpec]],
    pads: Sequence[tuple[str, Pad]],
    groups: Sequence[PaddedGroup],
) -> None:
    """Refuse outputs that there are not, about whose length nothing is said, or that are trimmed to two lengths."""
    places = [place for group in groups for place, _ in group.outputs]
    tensors = [tensor for _, tensor in outputs]
    for option, name in ((option, name) for option, pad in pads for name in (*pad.outputs, *pad.untrimmed)):
        if _place(name, signature.outputs) is None and not signature.is_assumed:
            known = ", ".join(map(str, signature.outputs))
            raise OptionError(
                f"option 'pad.{option}' names the output '{name}', which the model does not have. "
                + Remedy.NAME_TENSOR(tensors=known)
            )
    untrimmed = [_place(name, tensors) for _, pad in pads for name in pad.untrimmed]
    for place, tensor in enumerate(tensors):
        if -1 in tensor.dims and place not in places and place not in untrimmed:
            raise OptionError(
                f"option '{groups[0].option}' does not say whether the output {tensor} has the length of what "
                f"is padded. {Remedy.NAME_TRIMMED()}"
            )
        if places.count(place) + (place in untrimmed) > 1:
            raise OptionError(f"option 'pad' names the output '{tensor.name}' more than once. {Remedy.LEAVE_ONE_OUT()}")
