"""The headers of the bridge protocol's frames, as JSON's objects; see docs/bridge-protocol.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, TypedDict

from pyflink_triton.metrics import MetricDeltas
from pyflink_triton.runtime.messages import (
    CallAnswer,
    CheckAnswer,
    DescribeAnswer,
    Environment,
    ModelsAnswer,
    OpenRequest,
)


class Hello(TypedDict):
    """The first frame of each side."""

    kind: Literal["hello"]
    id: int
    protocol: int
    version: str


class ShimHello(Hello):
    """The first frame of the shim; it logs nothing below the level."""

    log_level: Literal["ERROR", "WARN", "INFO", "DEBUG"]


class Plan(TypedDict):
    """A planning request: its name, beside the fields that this request has."""

    kind: Literal["plan"]
    id: int
    request: str


class Open(OpenRequest):
    """Opens the model that this worker predicts with."""

    kind: Literal["open"]
    id: int


class _Predict(TypedDict, total=False):
    at: int
    bytes: int
    waited: int


class Predict(_Predict):
    """Rows to predict, in the frame's body; ``first`` is the number of the first of them, and the others follow.

    With ``at`` and ``bytes`` the body lies in the shared memory, at this place. The first row has waited for so many
    microseconds.
    """

    kind: Literal["predict"]
    first: int
    rows: int


class Close(TypedDict):
    """Ends the worker."""

    kind: Literal["close"]


class PayloadRequest(TypedDict):
    """Asks for what PyFlink loads for ``m(x)`` in batch: the planning request ``payload``."""

    call: OpenRequest


class DefaultsAnswer(TypedDict):
    """A catalog's options are right."""


class PayloadAnswer(TypedDict):
    """A pickled function, in base64."""

    payload: str


PlanningAnswer: TypeAlias = (
    DefaultsAnswer | ModelsAnswer | DescribeAnswer | CheckAnswer | CallAnswer | PayloadAnswer | Environment
)


class Answer(TypedDict):
    """Answers a planning request."""

    kind: Literal["answer"]
    id: int
    answer: PlanningAnswer


class Memory(TypedDict):
    """The memory that the worker shares: its file, what the file's link says, and how large it is."""

    file: str
    name: str
    bytes: int


class _Opened(TypedDict, total=False):
    memory: Memory


class Opened(_Opened):
    """The model is open: how much the shim may send at once, and whether a row may have any number of output rows."""

    kind: Literal["opened"]
    id: int
    frame_rows: int
    frame_bytes: int
    frames_in_flight: int
    rows_in_flight: int
    max_in_flight_bytes: int
    gives_rows: bool


class _Result(TypedDict, total=False):
    errors: Mapping[str, str]
    freed: Sequence[int]
    metrics: MetricDeltas


class Result(_Result):
    """Predicted rows, in the frame's body: runs of their numbers, each its first and how many it has.

    Where a row may have any number of output rows, the body's first column is INT32: of each output row the place of
    its row among those that the reply answers, ascending. The errors are by the numbers of their rows. The freed
    blocks of the shared memory are named by their begin.
    """

    kind: Literal["result"]
    rows: Sequence[tuple[int, int]]


class Error(TypedDict):
    """A request that cannot be answered; without an id the whole worker failed."""

    kind: Literal["error"]
    id: int | None
    message: str


class _Heartbeat(TypedDict, total=False):
    freed: Sequence[int]
    metrics: MetricDeltas


class Heartbeat(_Heartbeat):
    """The worker lives."""

    kind: Literal["heartbeat"]


class Log(TypedDict):
    """What Python logs, with the name of its logger."""

    kind: Literal["log"]
    level: str
    logger: str
    message: str


Reply: TypeAlias = Hello | Answer | Opened | Result | Error | Heartbeat | Log
