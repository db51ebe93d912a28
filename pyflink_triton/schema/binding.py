"""Binds columns to tensors, and checks that their types and shapes fit, as far as planning can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pyflink_triton.errors import SchemaError
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.options import Options
from pyflink_triton.remedies import Remedy
from pyflink_triton.schema.columns import (
    Column,
    check_argument,
    check_count,
    check_shape,
    check_type,
    is_text_given_as_bytes,
)
from pyflink_triton.schema.default_value import check_raw_defaults, read_defaults
from pyflink_triton.schema.matching import match, tensor_places
from pyflink_triton.schema.option_columns import (
    check_nullable,
    check_reference_argument,
    find_optional_outputs,
    find_references,
    needed_columns,
    parameter_columns,
)
from pyflink_triton.schema.own_columns import OF_ERRORS, OwnColumn, check_own_name, find_own_columns
from pyflink_triton.schema.padding import PaddedGroup, find_masks, plan_padding
from pyflink_triton.schema.raw_tensors import check_raw, is_raw
from pyflink_triton.schema.repeats import check_repeats
from pyflink_triton.schema.responses import (
    check_streams,
    find_finish_column,
    find_tokens_column,
    of_one_response,
    responses_of,
)
from pyflink_triton.schema.sequence_checks import check_one_row, check_scheduling
from pyflink_triton.types.sql import SqlType, array_of

__all__ = ["Column", "ColumnBindings", "TensorBinding", "bind_columns", "check_declared"]


@dataclass(frozen=True)
class TensorBinding:
    """A column, its tensor, and the type of its values.

    Attributes:
        column: The declared column.
        tensor: Its tensor.
        argument_type: The type of the values in a batch, which are cast to the declared type. For an output it is the
            declared type.
        place: The index of the column among the declared columns of its side.
        flatten: Whether its values have a leading dimension of 1 that the tensor does not have.
        may_be_missing: Whether the column is NULL where a response lacks the tensor; only for an output.
    """

    column: Column
    tensor: TensorSpec
    argument_type: SqlType
    place: int = 0
    flatten: bool = False
    may_be_missing: bool = False

    @property
    def is_raw(self) -> bool:
        """Whether the values are the tensor's content, little-endian and row-major."""
        return is_raw(self.column, self.tensor)


@dataclass(frozen=True)
class ColumnBindings:
    """All columns with their tensors, and the columns that have another purpose.

    Attributes:
        inputs: A binding for each input column that has a tensor, in the order of the columns.
        outputs: A binding for each output column that has a tensor, in the order of the columns.
        argument_types: The types of the values of all input columns, in the order of the columns.
        output_types: The types of all output columns, in the order of the columns.
        references: The indexes of the input columns that options refer to, by the name in the option.
        own: The indexes of the output columns that this package fills.
        defaults: The default value of each of ``outputs``, as an array of one row; None: there is no default.
        nullable: The indexes of the input columns where a NULL leaves an optional tensor out. A NULL in any other input
            column makes the row's answer NULL.
        is_array_batch: Whether arrays are batches, so that each element of a row's ARRAYs is a row of a request.
        responses: What the responses to a row become, as the option `responses` has it; None where each row has one
            response and the option is not set. For `array` and `rows`, ``outputs`` are those of one response.
        tokens: The index in ``outputs`` of what is added up in the metric ``tokens``; None: nothing is.
        finish: The index in ``outputs`` of what the last response of a whole stream has; None: nothing says that.
        padding: The inputs that are padded to fixed lengths, and the outputs that are trimmed.
    """

    inputs: tuple[TensorBinding, ...]
    outputs: tuple[TensorBinding, ...]
    argument_types: tuple[SqlType, ...]
    output_types: tuple[SqlType, ...]
    references: Mapping[str, int] = field(default_factory=dict)
    own: Mapping[OwnColumn, int] = field(default_factory=dict)
    defaults: tuple[pa.Array, ...] | None = None
    nullable: frozenset[int] = frozenset()
    is_array_batch: bool = False
    responses: str | None = None
    tokens: int | None = None
    finish: int | None = None
    padding: tuple[PaddedGroup, ...] = ()

    @property
    def gives_lists(self) -> bool:
        """Whether a row has a list of values of each of ``outputs``, with one for each response."""
        return self.responses in ("array", "rows")


@dataclass(frozen=True)
class OptionColumns:
    """What the options say about the declared columns; see ``ColumnBindings``.

    Attributes:
        optional_outputs: The indexes of the output columns that are NULL where a response lacks their tensor.
    """

    references: Mapping[str, int]
    own: Mapping[OwnColumn, int]
    defaults: tuple[pa.Array, ...] | None
    optional_outputs: frozenset[int]


def check_declared(
    inputs: Sequence[Column],
    outputs: Sequence[Column],
    arguments: Sequence[SqlType] | None = None,
    options: Options | None = None,
) -> OptionColumns:
    """Check the declared columns as far as possible without the model's signature.

    Args:
        inputs: The declared INPUT columns.
        outputs: The declared OUTPUT columns.
        arguments: The types of the arguments, in the order of ``inputs``; None where they are not known.
        options: The model's options.

    Raises:
        PlanError: Something does not fit; the message names the column or option, and the remedy.
    """
    references: dict[str, int] = {}
    own: dict[OwnColumn, int] = {}
    defaults, optional_outputs = None, frozenset[int]()
    if options is not None:
        references = find_references(options, inputs)
        own = find_own_columns(options, outputs)
        others = set(own.values())
        optional_outputs = find_optional_outputs(options, outputs, others)
        defaults = read_defaults(options, [column for n, column in enumerate(outputs) if n not in others])
    check_nullable(outputs, [place for column, place in own.items() if column in OF_ERRORS])
    if arguments is not None:
        check_count(inputs, arguments)
        for place, (column, argument) in enumerate(zip(inputs, arguments, strict=True)):
            if place in references.values():
                check_reference_argument(column, argument)
            elif not is_text_given_as_bytes(argument, column.type):
                check_argument(column, argument)
    return OptionColumns(references, own, defaults, optional_outputs)


def bind_columns(
    signature: ModelSignature,
    inputs: Sequence[Column],
    outputs: Sequence[Column],
    arguments: Sequence[SqlType] | None = None,
    options: Options | None = None,
) -> ColumnBindings:
    """Bind each column to its tensor, and check types and shapes.

    Args:
        signature: The model's signature.
        inputs: The declared INPUT columns; each tensor that is not optional needs one.
        outputs: The declared OUTPUT columns; some of the model's outputs are enough.
        arguments: The types of the arguments, in the order of ``inputs``; by default the declared types.
        options: The model's options, which may name columns.

    Raises:
        PlanError: Something does not fit; the message names the column, both types and the remedy.
    """
    check_repeats(signature, options)
    check_scheduling(signature, options)
    from_options = check_declared(inputs, outputs, arguments, options)
    own = from_options.own
    argument_types = tuple(arguments or (column.type for column in inputs))
    referred = set(from_options.references.values())
    in_places = tensor_places(inputs, signature.inputs, referred)
    out_places = [place for place in range(len(outputs)) if place not in own.values()]
    for of_own, place in own.items():
        check_own_name(of_own.key, outputs[place], signature.outputs)
    in_tensors = match("input", [inputs[place] for place in in_places], signature.inputs)
    filled = (*in_tensors, *find_masks(signature, options))
    missing = [t for t in signature.inputs if t not in filled and not t.optional]
    if missing:
        raise SchemaError(
            f"no input column stands for the tensor '{missing[0].name}'. "
            f"{Remedy.ADD_COLUMN(name=missing[0].name, type=missing[0].sql_type)}; the model's inputs are "
            f"{', '.join(map(str, signature.inputs))}."
        )
    if arguments is not None:
        for place in set(in_places) & referred:
            check_argument(inputs[place], argument_types[place])
    out_tensors = match("output", [outputs[place] for place in out_places], signature.outputs)
    in_pairs = [(place, inputs[place], tensor) for place, tensor in zip(in_places, in_tensors, strict=True)]
    responses = [of_one_response(outputs[place], options) for place in out_places]
    out_pairs = list(zip(out_places, responses, out_tensors, strict=True))
    if signature.decoupled:
        check_streams(signature, [pair[1:] for pair in in_pairs], [pair[1:] for pair in out_pairs], options)
    for side, pairs in (("input", in_pairs), ("output", out_pairs)):
        for _, column, tensor in pairs:
            if column.type.depth and column.type.leaf.name == "BYTES":
                check_type(side, column, tensor)  # first, because the remedies of what follows would say ARRAY<BYTES>
    is_array_batch = (
        signature.has_batch_axis
        and not signature.decoupled
        and any(column.type.depth == 1 and tensor.is_scalar for _, column, tensor in in_pairs)
    )
    if is_array_batch:
        check_one_row(signature)
        _check_array_batch([pair[1:] for pair in in_pairs], [pair[1:] for pair in out_pairs])
    flatten = options is not None and options.flatten_batch_dim
    is_flattened = [_fits("input", column, tensor, flatten, is_array_batch) for _, column, tensor in in_pairs]
    for _, column, tensor in out_pairs:
        _fits("output", column, tensor, False, is_array_batch)
    if options is not None and from_options.defaults is not None:
        raw = {column.name for _, column, tensor in out_pairs if is_raw(column, tensor)}
        check_raw_defaults(options, [outputs[place] for place in out_places], from_options.defaults, raw)
    only_parameters: set[int] = set()
    if options is not None:
        of_parameters, needed = (
            {from_options.references[name] for name in names(options)} for names in (parameter_columns, needed_columns)
        )
        only_parameters = of_parameters - needed - {n for n, _, tensor in in_pairs if not tensor.optional}
    return ColumnBindings(
        inputs=tuple(
            TensorBinding(column, tensor, argument_types[place], place, is_flat)
            for (place, column, tensor), is_flat in zip(in_pairs, is_flattened, strict=True)
        ),
        outputs=tuple(
            TensorBinding(
                column,
                tensor,
                column.type,
                place,
                may_be_missing=signature.decoupled or place in from_options.optional_outputs,
            )
            for place, column, tensor in out_pairs
        ),
        argument_types=argument_types,
        output_types=tuple(column.type for column in outputs),
        references=from_options.references,
        own=own,
        defaults=from_options.defaults,
        nullable=frozenset(place for place, _, tensor in in_pairs if tensor.optional) - referred | only_parameters,
        is_array_batch=is_array_batch,
        responses=responses_of(signature, options),
        tokens=None if options is None else find_tokens_column(options, responses),
        finish=None if options is None else find_finish_column(options, responses),
        padding=plan_padding(signature, in_tensors, [pair[1:] for pair in out_pairs], options),
    )


def _check_array_batch(
    inputs: Sequence[tuple[Column, TensorSpec]],
    outputs: Sequence[tuple[Column, TensorSpec]],
) -> None:
    """Check that every tensor has one element for each row, and that every output is an ARRAY; raises SchemaError."""
    first, spec = next(pair for pair in inputs if pair[1].is_scalar and pair[0].type.depth)
    for column, tensor, natural in (
        *((column, tensor, tensor.sql_type) for column, tensor in inputs),
        *((column, tensor, array_of(tensor.sql_type)) for column, tensor in outputs),
    ):
        if is_raw(column, tensor):
            raise SchemaError(
                f"input column '{first.name}' is {first.type}, an array as a batch, and column '{column.name}' is "
                f"{column.type}, the content of one tensor {tensor}. "
                + Remedy.DECLARE_ELEMENT(column=column.name, type=natural)
            )
        if not tensor.is_scalar:
            raise SchemaError(
                f"input column '{first.name}' is {first.type}, an array as a batch, so each tensor has to have the "
                f"dims [1], but column '{column.name}' stands for {tensor}. "
                + Remedy.DECLARE_ELEMENT(column=first.name, type=first.type.leaf)
            )
    for column, _ in outputs:
        if column.type.depth != 1:
            raise SchemaError(
                f"input column '{first.name}' is {first.type}, and its tensor is {spec}. The shapes differ: "
                + Remedy.DECLARE_ELEMENT_OR_ARRAY(
                    type=first.type.leaf, output=column.name, array=array_of(column.type.leaf)
                )
            )


def _fits(side: str, column: Column, tensor: TensorSpec, flatten: bool, is_array_batch: bool) -> bool:
    """Check a column, and return whether a leading dimension of 1 is dropped."""
    if is_raw(column, tensor):
        check_raw(side, column, tensor)
        return False
    check_type(side, column, tensor)
    if is_array_batch and column.type.depth == 1:
        return False
    return check_shape(side, column, tensor, flatten=flatten)
