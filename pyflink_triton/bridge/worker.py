"""Answers the shim's frames: planning requests, and rows to predict."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from pyflink_triton._async import cancel_all
from pyflink_triton.bridge.frames import PROTOCOL, Frame, FrameError, write_frame
from pyflink_triton.bridge.log_records import LogRecords, python_level
from pyflink_triton.bridge.messages import Heartbeat, Open, Opened, Plan, Reply, Result, ShimHello
from pyflink_triton.bridge.planning_handlers import PLANNING_HANDLERS
from pyflink_triton.bridge.replies import Replies
from pyflink_triton.bridge.shared_memory import SharedMemory
from pyflink_triton.errors import TritonError, sentence
from pyflink_triton.metrics import Metrics
from pyflink_triton.process_usage import ProcessUsage
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.open_model import OpenedModel, open_model
from pyflink_triton.runtime.operator_limits import BATCH_ROWS, BATCHES_IN_FLIGHT, FRAME_BYTES
from pyflink_triton.runtime.planning import DeclaredModel
from pyflink_triton.version import __version__

HEARTBEAT_SECONDS = 1.0
_LOG = logging.getLogger("pyflink_triton")

Write = Callable[[bytes, "memoryview | bytes"], None]


class Worker:
    """One conversation with the shim.

    Args:
        write: Takes the two parts of a frame, without blocking.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._metrics = Metrics(ProcessUsage())
        self._log = LogRecords(self._send, asyncio.get_running_loop())
        self._opened: OpenedModel | None = None
        self._schema: pa.Schema | None = None
        self._replies: Replies | None = None
        self._memory: SharedMemory | None = None
        self._model = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeted = False
        self.is_planner = True
        #: Each takes the message of its own kind.
        self._handlers: dict[str, Callable[[Any, memoryview], Awaitable[None]]] = {
            "hello": self._hello,
            "plan": self._plan,
            "open": self._open,
        }

    def receive(self, frame: Frame) -> None:
        """Take a frame from the shim. The replies are written as soon as they are ready."""
        if frame.kind == "predict" and self._replies is not None:
            self._predict(frame, self._replies)
            return
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
        except Exception as error:
            self._fail(error, frame.header.get("id"), frame.header.get("model"))

    def _fail(self, error: BaseException, request: int | None = None, model: str | None = None) -> None:
        """Say why a request cannot be answered, or why the whole worker fails."""
        message = str(error)
        if not isinstance(error, TritonError):
            traceback.print_exception(error)
            message, request = (
                f"the worker failed with {type(error).__name__}; its standard error has the details",
                None,
            )
        self._send({"kind": "error", "id": request, "message": self._named(message, model)})

    def _named(self, message: str, model: str | None = None) -> str:
        name = model or self._model
        return f"Model '{name}': {sentence(message)}" if name else sentence(message)

    def _send(self, reply: Reply, body: memoryview | bytes = b"") -> None:
        self._write(*write_frame(reply, body))

    def _send_with_freed(self, reply: Result | Heartbeat, body: memoryview | bytes = b"") -> None:
        """Send also which blocks of the shared memory the shim may use again."""
        if self._memory is not None and (freed := self._memory.take_freed()):
            reply["freed"] = freed
        self._send(reply, body)

    async def _hello(self, message: ShimHello, _: memoryview) -> None:
        protocol, version = message.get("protocol"), message.get("version")
        if (protocol, version) != (PROTOCOL, __version__):
            raise TritonError(
                f"the shim jar has version {version} (protocol {protocol}), but the Python package has version "
                f"{__version__} (protocol {PROTOCOL}): {Remedy.USE_JAR()}"
            )
        self._send({"kind": "hello", "id": message["id"], "protocol": PROTOCOL, "version": __version__})
        logging.getLogger().addHandler(self._log)
        _LOG.setLevel(python_level(message["log_level"]))

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
        self._log.redact = self._opened.client.transport.credentials.redact
        for warning in self._opened.warnings:
            _LOG.warning("Model '%s': %s", self._model, sentence(warning))
        columns = self._opened.columns
        self._schema = pa.schema([(f"c{index}", type_.arrow) for index, type_ in enumerate(columns.argument_types)])
        self._replies = Replies(
            self._send_with_freed,
            self._fail,
            self._metrics,
            self._named,
            len(columns.output_types),
            columns.responses == "rows",
            self._opened.is_busy,
        )
        rows, most_bytes = self._opened.rows_in_flight, declared.options.max_in_flight_bytes
        opened: Opened = {
            "kind": "opened",
            "id": message["id"],
            "frame_rows": min(BATCH_ROWS, max(1, rows // 2)),
            "frame_bytes": FRAME_BYTES,
            "frames_in_flight": BATCHES_IN_FLIGHT,
            "rows_in_flight": rows,
            "max_in_flight_bytes": most_bytes,
            "gives_rows": columns.responses == "rows",
        }
        self._memory = SharedMemory.make(most_bytes)
        if self._memory is not None:
            opened["memory"] = self._memory.named
        self._send(opened)

    def _predict(self, frame: Frame, replies: Replies) -> None:
        """Take rows. Their frame has no reply of its own, because each row is answered as soon as its request is."""
        assert self._opened is not None
        try:
            batch = _read(frame.header, self._body(frame), self._schema)
            replies.expect(batch.num_rows)
            waited = frame.header.get("waited", 0) / 1_000_000
            self._opened.submit(batch, partial(replies.add, frame.header["first"]), self._fail, waited)
        except Exception as error:
            self._fail(error)

    def _body(self, frame: Frame) -> pa.Buffer:
        """The rows of a frame: in the pipe, or in the shared memory."""
        if "at" not in frame.header:
            return pa.py_buffer(frame.body)
        if self._memory is None:
            raise FrameError("a frame's body lies in shared memory, and there is none")
        return pa.py_buffer(self._memory.block(frame.header["at"], frame.header.get("bytes")))

    @property
    def is_idle(self) -> bool:
        """Whether every request is answered."""
        return not self._tasks

    def heartbeat(self) -> None:
        """Show that the event loop runs, and send the metrics."""
        heartbeat: Heartbeat = {"kind": "heartbeat"}
        if self._memory is not None:
            self._memory.collect()
        deltas = self._metrics.take()
        if deltas is not None:
            heartbeat["metrics"] = deltas
        self._send_with_freed(heartbeat)

    async def close(self) -> None:
        """Cancel all work and close the connections."""
        logging.getLogger().removeHandler(self._log)
        await cancel_all(self._tasks)
        if self._opened is not None:
            await self._opened.close()


def _read(header: Mapping[str, Any], body: pa.Buffer, schema: pa.Schema | None) -> pa.RecordBatch:
    """Read the rows of a frame."""
    rows, first = header.get("rows"), header.get("first")
    try:
        batch = pa.ipc.read_record_batch(body, schema)
    except pa.ArrowException as error:
        raise FrameError(f"a frame's rows cannot be read: {error}") from None
    if batch.num_rows != rows or not isinstance(first, int):
        raise FrameError(f"a frame holds {batch.num_rows} rows, but its header says {rows} from {first}")
    return batch
