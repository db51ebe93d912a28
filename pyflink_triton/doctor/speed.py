"""Where time goes: some inferences of one row of zeros, beside what the server's own statistics say of them."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pyflink_triton._async import within
from pyflink_triton._units import format_duration
from pyflink_triton.addresses import model_url
from pyflink_triton.doctor.findings import Finding, fault, ok, parted, skipped, warning
from pyflink_triton.doctor.subject import Known, Subject
from pyflink_triton.errors import ContractError, TritonError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.protocol.failures import NoResponseError
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.messages import DescribeAnswer, OpenRequest
from pyflink_triton.runtime.open_model import OpenedModel, open_model
from pyflink_triton.types.sql import SqlType

#: At most so many inferences, and none begins after so many seconds.
_INFERENCES, _SECONDS = 20, 2.0
_ROUND_TRIPS = 10
#: A call that takes more of its time than this may be over it under load.
_NEAR = 0.5
#: A queue is said to be long where it takes more of a request than its computation, and more than this.
_LONG_QUEUE = 0.005
#: Options that would hide a failure, or send more than is measured.
_LEFT_OUT = ("default-value", "error-column", "warmup", "health-check-enabled", "max-retries", "plan-check")


@dataclass(frozen=True)
class Parts:
    """The mean seconds of an inference of one row, and of its parts.

    Attributes:
        total: All of it, from a row to its answer.
        round_trip: A call that computes nothing, there and back.
        queue: The server's queue.
        compute: The server's reading of inputs, the model, and the writing of outputs.
        others: What other clients sent meanwhile, in requests.
    """

    total: float
    round_trip: float
    queue: float
    compute: float
    others: int

    @property
    def own(self) -> float:
        """What is left: this package's encoding and decoding, and the server's reading and writing of HTTP."""
        return max(self.total - self.round_trip - self.queue - self.compute, 0.0)

    def named(self) -> dict[str, float]:
        """Each part by its name."""
        return {
            "round trip": self.round_trip,
            "server's queue": self.queue,
            "compute": self.compute,
            "our own part": self.own,
        }


async def check_speed(subject: Subject, known: Known) -> list[Finding]:
    """Where an inference of one row spends its time; only where it is asked for, because it runs the model."""
    if not subject.measure:
        return [skipped("speed", "not measured, because that runs inferences: --measure asks for it")]
    signature, columns = known.signature, known.columns
    if signature is None or columns is None:  # the server hides it
        return [skipped("speed", "not measured, because the model's signature is not known")]
    if signature.stateful or signature.decoupled:
        kind = "stateful" if signature.stateful else "decoupled"
        return [skipped("speed", f"not measured, because the model is {kind}: a row of zeros may mean something to it")]
    base = known.bases[0]
    try:
        round_trip = await _round_trip(known, base)
        return await _measured(subject, known, base, signature, columns, round_trip)
    except (TritonError, NoResponseError) as error:
        return [_failed(known, str(error))]


async def _round_trip(known: Known, base: str) -> float:
    seconds = []
    for _ in range(_ROUND_TRIPS):
        began = time.monotonic()
        await known.needed_client.transport.client.call("GET", f"{base}/v2/health/live", is_text=True)
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds)


async def _measured(
    subject: Subject, known: Known, base: str, signature: ModelSignature, columns: DescribeAnswer, round_trip: float
) -> list[Finding]:
    written = {key: value for key, value in subject.options.items() if key not in _LEFT_OUT}
    options = {**written, "endpoint": base, "max-retries": "0"}
    request: OpenRequest = {
        "model": signature.name, "options": options, "input": columns["input"], "output": _plain(columns, signature)
    }  # fmt: skip
    model = await open_model(request, Metrics())
    try:
        rows = _row_of_zeros(model, signature)
        await _predict(model, rows)  # the first one warms up
        before = await _statistics(known, base)
        seconds = await _times(model, rows)
        after = await _statistics(known, base)
    finally:
        await model.close()
    return _told(known, _parts(before, after, seconds, round_trip), len(seconds))


def _plain(columns: DescribeAnswer, signature: ModelSignature) -> list[Any]:
    """The columns of tensors alone."""
    names = {tensor.name for tensor in signature.outputs}
    return [column for column in columns["output"] if column["name"] in names]


def _row_of_zeros(model: OpenedModel, signature: ModelSignature) -> pa.RecordBatch:
    dims = {tensor.name: tensor.least_dims for tensor in signature.inputs}
    types = model.columns.argument_types
    bound = {binding.place: binding.tensor.name for binding in model.columns.inputs}
    values = [_zero(type_, dims.get(bound.get(place, ""), ())) for place, type_ in enumerate(types)]
    arrays = [pa.array([value], type_.arrow) for value, type_ in zip(values, types, strict=True)]
    return pa.record_batch(arrays, names=[f"c{place}" for place in range(len(arrays))])


def _zero(type_: SqlType, dims: tuple[int, ...]) -> Any:
    if type_.element is not None:
        length = dims[0] if dims else 1
        return [_zero(type_.element, dims[1:])] * length
    return {"STRING": "", "BYTES": b"", "BOOLEAN": False}.get(type_.name, 0)


async def _predict(model: OpenedModel, rows: pa.RecordBatch) -> None:
    prediction = await model.predict(rows)
    if prediction.errors:
        raise TritonError(next(iter(prediction.errors.values())))


async def _times(model: OpenedModel, rows: pa.RecordBatch) -> list[float]:
    seconds: list[float] = []
    end = time.monotonic() + _SECONDS
    while len(seconds) < _INFERENCES and (not seconds or time.monotonic() < end):
        began = time.monotonic()
        await _predict(model, rows)
        seconds.append(time.monotonic() - began)
    return seconds


async def _statistics(known: Known, base: str) -> Mapping[str, tuple[int, int]]:
    """The counts and nanoseconds of what the server has done for the model, all versions together."""
    url = f"{model_url(base, known.needed_options.model_name, known.needed_options.model_version)}/stats"
    try:
        call = known.needed_client.transport.client.call("GET", url, is_text=True)
        response = await within(known.seconds, call)
        found = json.loads(response.body)["model_stats"] if response.status == 200 else []
        sums: dict[str, tuple[int, int]] = {}
        for version in found:
            for name, entry in version["inference_stats"].items():
                count, nanoseconds = sums.get(name, (0, 0))
                sums[name] = count + int(entry["count"]), nanoseconds + int(entry["ns"])
        return sums
    except (NoResponseError, ContractError, asyncio.TimeoutError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _parts(
    before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]], seconds: list[float], trip: float
) -> Parts | None:
    """The mean of each part; None where the server counted nothing."""

    def mean(*names: str) -> float:
        return sum((after[name][1] - before[name][1]) / max(count, 1) / 1e9 for name in names)

    count = after.get("success", (0, 0))[0] - before.get("success", (0, 0))[0]
    names = ("queue", "compute_input", "compute_infer", "compute_output")
    if count <= 0 or not all(name in after and name in before for name in names):
        return None
    total = statistics.fmean(seconds)
    return Parts(total, trip, mean("queue"), mean(*names[1:]), max(count - len(seconds), 0))


def _told(known: Known, parts: Parts | None, inferences: int) -> list[Finding]:
    if parts is None:
        return [skipped("speed", "the server keeps no statistics of the model, so that no part is known")]
    named = parts.named()
    listed = ", ".join(f"{name} {_milliseconds(seconds)}" for name, seconds in named.items())
    slowest = max(named, key=lambda name: named[name])
    sentence = f"a row takes {_milliseconds(parts.total)} in {inferences} inferences, most of it {slowest}: {listed}"
    facts = {"total_ms": parts.total * 1e3, "inferences": inferences, "other_requests": parts.others}
    facts |= {f"{name.replace(' ', '_').replace(chr(39), '')}_ms": value * 1e3 for name, value in named.items()}
    limit = known.needed_options.timeout
    if parts.queue > max(parts.compute, _LONG_QUEUE):
        return [warning("speed", "queue", sentence, Remedy.GIVE_INSTANCES(), **facts)]
    if parts.total > _NEAR * limit:
        more = f"{sentence}. The model is slow beside 'timeout', which is {format_duration(limit)}"
        return [warning("speed", "near-timeout", more, Remedy.RAISE_TIMEOUT(), **facts)]
    return [ok("speed", sentence, **facts)]


def _failed(known: Known, message: str) -> Finding:
    """An inference of zeros that failed: the model is too slow, or does not take them."""
    if "timed out" in message:
        return fault(
            "speed", "timeout", f"an inference of one row of zeros: {parted(message)[0]}", Remedy.RAISE_TIMEOUT()
        )
    return skipped("speed", f"not measured, because a row of zeros failed, which the model may not take: {message}")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
