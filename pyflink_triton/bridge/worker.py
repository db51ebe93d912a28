"""Answers the shim's frames: planning requests, and rows to predict."""

from __future__ import annotations

import asyncio
import math
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pyarrow as pa

from pyflink_triton.bridge.frames import MAX_BODY, PROTOCOL, Frame, FrameError, write_frame
from pyflink_triton.bridge.messages import Heartbeat, Hello, Open, Plan, Predict, Reply, Result
from pyflink_triton.bridge.planning_handlers import PLANNING_HANDLERS
from pyflink_triton.errors import JobError, TritonError, sentence
from pyflink_triton.metrics import Metrics
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.open_model import OpenedModel, open_model
from pyflink_triton.runtime.operator_limits import BATCH_ROWS, BATCHES_IN_FLIGHT
from pyflink_triton.runtime.planning import DeclaredModel
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.version import __version__

#: The shim sends a frame when it has this many bytes, or the rows of a batch.
FRAME_BYTES = 4 << 20
HEARTBEAT_SECONDS = 1.0

Write = Callable[[bytes, "memoryview | bytes"], None]


class Worker:
    """One conversation with the shim.

    Args:
        write: Takes the two parts of a frame, without blocking.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._metrics = Metrics()
        self._opened: OpenedModel | None = None
        self._schema: pa.Schema | None = None
        self._model = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeted = False
        self.is_planner = True
        #: Each takes the message of its own kind.
        self._handlers: dict[str, Callable[[Any, memoryview], Awaitable[None]]] = {
            "hello": self._hello,
            "plan": self._plan,
            "open": self._open,
            "predict": self._predict,
        }

    def receive(self, frame: Frame) -> None:
        """Take a frame from the shim. The reply is written as soon as it is ready."""
        handler = self._handlers.get(frame.kind)
        if handler is None or (not self._greeted and frame.kind != "hello"):
            raise FrameError(f"a frame of the kind {frame.kind[:40]!r} is not expected here")
        task = asyncio.get_running_loop().create_task(self._answer(handler, frame))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._greeted = True

    async def _answer(self, handler: Callable[[Any, memoryview], Awaitable[None]], frame: Frame) -> None:
        try:
            await handler(frame.header, frame.body)
        except TritonError as error:
            message = self._named(str(error), frame.header.get("model"))
            self._send({"kind": "error", "id": frame.header.get("id"), "message": message})
        except Exception as error:
            traceback.print_exc()
            message = f"the worker failed with {type(error).__name__}; its standard error has the details"
            message = self._named(message, frame.header.get("model"))
            self._send({"kind": "error", "id": None, "message": message})

    def _named(self, message: str, model: str | None = None) -> str:
        name = model or self._model
        return f"Model '{name}': {sentence(message)}" if name else sentence(message)

    def _send(self, reply: Reply, body: memoryview | bytes = b"") -> None:
        self._write(*write_frame(reply, body))

    async def _hello(self, message: Hello, _: memoryview) -> None:
        protocol, version = message.get("protocol"), message.get("version")
        if (protocol, version) != (PROTOCOL, __version__):
            raise TritonError(
                f"the shim jar has version {version} (protocol {protocol}), but the Python package has version "
                f"{__version__} (protocol {PROTOCOL}): {Remedy.USE_JAR()}"
            )
        self._send({"kind": "hello", "id": message["id"], "protocol": PROTOCOL, "version": __version__})

    async def _plan(self, message: Plan, _: memoryview) -> None:
        handler = PLANNING_HANDLERS.get(message["request"])
        if handler is None:
            raise FrameError(f"there is no planning request {message['request']!r}")
        self._send({"kind": "answer", "id": message["id"], "answer": await handler(message)})

    async def _open(self, message: Open, _: memoryview) -> None:
        self.is_planner = False
        declared = DeclaredModel.parse(message)
        self._model = declared.model
        where = f"Triton's model '{declared.options.model_name}' at {declared.options.endpoint}"
        print(f"Model '{self._model}' predicts with {where}.", file=sys.stderr, flush=True)
        self._opened = await open_model(message, self._metrics)
        for warning in self._opened.warnings:
            print(f"Model '{self._model}': {sentence(warning)}", file=sys.stderr, flush=True)
        columns = self._opened.columns
        self._schema = pa.schema([(f"c{index}", type_.arrow) for index, type_ in enumerate(columns.argument_types)])
        self._send(
            {
                "kind": "opened",
                "id": message["id"],
                "frame_rows": _frame_rows(columns),
                "frame_bytes": FRAME_BYTES,
                "frames_in_flight": BATCHES_IN_FLIGHT,
                "max_in_flight_bytes": declared.options.max_in_flight_bytes,
            }
        )

    async def _predict(self, message: Predict, body: memoryview) -> None:
        if self._opened is None:
            raise FrameError("rows came before the model was opened")
        try:
            batch = pa.ipc.read_record_batch(pa.py_buffer(body), self._schema)
        except pa.ArrowException as error:
            raise FrameError(f"a frame's rows cannot be read: {error}") from None
        if batch.num_rows != message["rows"]:
            raise FrameError(f"a frame holds {batch.num_rows} rows, but its header says {message['rows']}")
        prediction = await self._opened.predict(batch)
        result: Result = {"kind": "result", "id": message["id"], "rows": batch.num_rows}
        if prediction.errors:
            result["errors"] = {str(row): self._named(text) for row, text in prediction.errors.items()}
        deltas = self._metrics.take()
        if deltas is not None:
            result["metrics"] = deltas
        outputs = memoryview(prediction.outputs.serialize())
        if len(outputs) > MAX_BODY:
            raise JobError(f"the outputs of {batch.num_rows} rows have {len(outputs)} bytes, too many for a frame")
        self._send(result, outputs)

    @property
    def is_idle(self) -> bool:
        """Whether every request is answered."""
        return not self._tasks

    def heartbeat(self) -> None:
        """Show that the event loop runs, and send the metrics."""
        heartbeat: Heartbeat = {"kind": "heartbeat"}
        deltas = self._metrics.take()
        if deltas is not None:
            heartbeat["metrics"] = deltas
        self._send(heartbeat)

    async def close(self) -> None:
        """Cancel all work and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._opened is not None:
            await self._opened.close()


def _frame_rows(columns: ColumnBindings) -> int:
    """How many rows a frame may have so that its result fits in a frame, too."""
    tensors = [binding.tensor for binding in columns.outputs]
    row = sum(tensor.datatype.itemsize * abs(math.prod(tensor.dims)) for tensor in tensors)
    return max(1, min(BATCH_ROWS, FRAME_BYTES // max(row, 1)))
