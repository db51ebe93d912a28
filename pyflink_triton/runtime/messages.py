"""The requests that plan and open a model, and their answers, as JSON's objects; see docs/bridge-protocol.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class ColumnType(TypedDict):
    """A column, with its type as Flink writes it."""

    name: str
    type: str


class Environment(TypedDict, total=False):
    """What concerns the environment of the worker that plans."""

    environment: Sequence[str]


class CatalogRequest(Environment):
    """Asks about a catalog's options or models: ``defaults`` and ``models``."""

    options: Mapping[str, str]


class _DescribeRequest(Environment, total=False):
    input: Sequence[ColumnType]
    output: Sequence[ColumnType]


class DescribeRequest(_DescribeRequest):
    """Asks for a model's columns: ``describe``."""

    model: str
    options: Mapping[str, str]


class _ModelUse(TypedDict, total=False):
    runtime_options: Mapping[str, str]
    arguments: Sequence[str] | None
    limit: float


class ModelUse(_ModelUse):
    """A model as a statement declares it and uses it."""

    model: str
    options: Mapping[str, str]
    input: Sequence[ColumnType]
    output: Sequence[ColumnType]


class CheckRequest(ModelUse, Environment):
    """Asks whether a statement fits its model: ``check``; and what ``m(x)`` takes and gives: ``call``."""


class Task(TypedDict, total=False):
    """The task that opens a model."""

    subtask: int
    parallelism: int


class OpenRequest(ModelUse, total=False):
    """Opens a model in a task.

    ``planned`` is the signature that planning answered.
    """

    planned: Mapping[str, Any]
    task: Task


class ModelsAnswer(Environment):
    """What is ready on a server."""

    models: Sequence[str]


class DescribeAnswer(Environment):
    """A model's columns."""

    input: Sequence[ColumnType]
    output: Sequence[ColumnType]


class _CheckAnswer(Environment, total=False):
    signature: Mapping[str, Any]
    deterministic: bool
    strict: list[int]


class CheckAnswer(_CheckAnswer):
    """What a plan needs to know of a model."""

    capacity: int
    warnings: list[str]


class _CallAnswer(CheckAnswer, total=False):
    no_retry: str
    no_nulls: str


class CallAnswer(_CallAnswer):
    """What ``m(x)`` takes and gives, and what a plan needs to know of its model."""

    input: Sequence[ColumnType]
    output: Sequence[ColumnType]
