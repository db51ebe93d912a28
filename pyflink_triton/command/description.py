"""What a model takes and gives, and the statements to paste for it, planned before they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.syntax import Syntax
from rich.text import Text

from pyflink_triton.command.console import CommandError, output, print_json, print_table, warn
from pyflink_triton.command.create_model import Statements, guessed_rows, write_statements
from pyflink_triton.command.model_list import kind_of
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import SchemaError, TritonError, sentence
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.options.validation import parse_options
from pyflink_triton.protocol.failures import ErrorResponse
from pyflink_triton.runtime.planning import DeclaredModel, check, write_columns

_DERIVED = "-- In a catalog of the type triton, as session() makes it: the columns come from the server."
_DECLARED = "-- In any catalog: the columns are declared."


@dataclass(frozen=True)
class Description:
    """What is known of a model.

    Attributes:
        signature: Its signature.
        statements: What to paste.
        server: The kind of its server.
        versions: Those that the server has.
        warnings: What planning the statements warns of.
        problem: Why they cannot be planned; None where they can.
    """

    signature: ModelSignature
    statements: Statements
    server: str
    versions: tuple[str, ...]
    warnings: tuple[str, ...]
    problem: str | None


async def describe_model(name: str, written: Mapping[str, str]) -> Description:
    """Ask a server about a model, and plan the statements for it.

    Args:
        name: What it is called in Flink.
        written: The options that the user gives, ``endpoint`` and ``model-name`` among them.

    Raises:
        TritonError: The server does not say, or an option is wrong.
    """
    async with ModelClient(parse_options(written)) as client:
        try:
            signature = await client.signature()
        except SchemaError:
            metadata = await _metadata(client, written)
            if "max-batch-size" in written or not (metadata.get("inputs") and metadata.get("outputs")):
                raise
            return await describe_model(name, {**written, "max-batch-size": guessed_rows(metadata)})
        server = client.transport.server(parse_options(written).endpoints[0])
        metadata = await _metadata(client, written)
    statements = write_statements(name, signature, written)
    warnings, problem = await _planned(name, statements)
    versions = tuple(map(str, metadata.get("versions") or ()))
    return Description(signature, statements, server, versions, warnings, problem)


async def _metadata(client: ModelClient, written: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        return await client.transport.metadata(parse_options(written).endpoints[0])
    except ErrorResponse:
        return {}


async def _planned(name: str, statements: Statements) -> tuple[tuple[str, ...], str | None]:
    """Plan the declared form: what it warns of, and why it is refused."""
    columns = write_columns(statements.inputs), write_columns(statements.outputs)
    declared = {"model": name, "options": dict(statements.options), "input": columns[0], "output": columns[1]}
    try:
        answer = await check(DeclaredModel.parse(declared))  # type: ignore[arg-type]  # a dict of the message's fields
    except TritonError as error:
        return (), str(error)
    return tuple(answer["warnings"]), None


def print_description(described: Description, *, json: bool) -> None:
    """Print what is known of a model.

    Raises:
        CommandError: The statements cannot be planned.
    """
    if json:
        print_json(_data(described))
    else:
        _print(described)
    for warning in described.warnings:
        warn(warning)
    if described.problem is not None:
        raise CommandError(f"this model cannot be called from Flink as it is: {sentence(described.problem)}")


def _print(described: Description) -> None:
    signature, statements = described.signature, described.statements
    versions = f", version {', '.join(described.versions)}" if described.versions else ""
    head = Text.assemble((signature.name, "bold cyan"), f" on {described.server}{versions}: {kind_of(signature)}")
    output().print(head, soft_wrap=True)
    tensors, headings = _tensors(described), ("", "tensor", "datatype", "dims", "Flink type", "may be left out")
    shown = len(headings) if any(tensor[-1] for tensor in tensors) else len(headings) - 1
    print_table(headings[:shown], [tensor[:shown] for tensor in tensors])
    for heading, statement, call in (
        (_DERIVED, statements.derived, statements.call),
        (_DECLARED, statements.declared, statements.predict),
    ):
        _print_sql(f"\n{heading}\n{statement}\n{call}")


def _print_sql(text: str) -> None:
    console = output()
    if console.is_terminal:
        console.print(Syntax(text, "sql", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        console.print(text, soft_wrap=True)


def _tensors(described: Description) -> Sequence[tuple[str, ...]]:
    signature, statements = described.signature, described.statements
    declared = {column.name: str(column.type) for column in (*statements.inputs, *statements.outputs)}
    return [
        (
            side,
            spec.name,
            spec.datatype.name,
            str(list(spec.dims)),
            declared.get(spec.name, str(spec.sql_type)),
            "yes" if spec.optional else "",
        )
        for side, specs in (("input", signature.inputs), ("output", signature.outputs))
        for spec in specs
    ]


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "datatype": spec.datatype.name,
        "dims": list(spec.dims),
        "type": str(spec.sql_type),
        "optional": spec.optional,
    }


def _data(described: Description) -> dict[str, Any]:
    signature, statements = described.signature, described.statements
    return {
        "model": signature.name,
        "server": described.server,
        "versions": list(described.versions),
        "kind": kind_of(signature),
        "max_batch_size": signature.max_batch_size,
        "decoupled": signature.decoupled,
        "stateful": signature.stateful,
        "inputs": [_tensor(tensor) for tensor in signature.inputs],
        "outputs": [_tensor(tensor) for tensor in signature.outputs],
        "create_model": {"derived": statements.derived, "declared": statements.declared},
        "call": {"derived": statements.call, "declared": statements.predict},
        "warnings": list(described.warnings),
        "problem": described.problem,
    }
