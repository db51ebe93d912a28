"""A model that predicts on an event loop of its own, in a thread of PyFlink's worker."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import pyarrow as pa

from pyflink_triton._async import cancel_all, new_event_loop
from pyflink_triton.errors import TritonError, sentence
from pyflink_triton.metrics import MetricDeltas, Metrics
from pyflink_triton.process_usage import ProcessUsage
from pyflink_triton.runtime.messages import OpenRequest
from pyflink_triton.runtime.open_model import OpenedModel, open_model
from pyflink_triton.runtime.predictor import Deliver, Fail, Prediction

_LOG = logging.getLogger("pyflink_triton")
_Result = TypeVar("_Result")
#: All functions of a process share it, so that each millisecond is counted once.
_USAGE = ProcessUsage()


class ModelThread:
    """Opens the model and predicts with it; used from one thread at a time.

    Args:
        request: What to open, ``task`` among it.

    Raises:
        TritonError: The model cannot be opened; the message names it.
    """

    def __init__(self, request: OpenRequest) -> None:
        self.name = request["model"]
        _USAGE.begin()  # a local session's functions run in the user's own process
        self._metrics = Metrics(_USAGE)
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"triton {self.name}", daemon=True)
        self._thread.start()
        self._opened: OpenedModel | None = None
        try:
            self._opened = self._run(open_model(request, self._metrics))
            for warning in self._opened.warnings:
                _LOG.warning(self.named(warning))
        except BaseException as error:
            self.close()
            if isinstance(error, TritonError):
                raise error.reworded(self.named(error)) from None
            raise

    def named(self, message: object) -> str:
        """Put the model's name in front of a message."""
        return f"Model '{self.name}': {sentence(str(message))}"

    def predict(self, batch: pa.RecordBatch) -> Prediction:
        """Predict a batch and wait for it; see ``Predictor.predict``."""
        return self._run(self._predict(batch))

    def submit(self, batch: pa.RecordBatch, deliver: Deliver, fail: Fail) -> None:
        """Predict a batch in the model's thread, in which the answers are delivered; see ``Predictor.submit``."""
        self._loop.call_soon_threadsafe(self._submit, batch, deliver, fail)

    def _submit(self, batch: pa.RecordBatch, deliver: Deliver, fail: Fail) -> None:
        assert self._opened is not None

        def failed(error: BaseException) -> None:
            fail(error.reworded(self.named(error)) if isinstance(error, TritonError) else error)

        try:
            self._opened.submit(batch, deliver, failed)
        except Exception as error:  # any error has to fail the job
            failed(error)

    async def _predict(self, batch: pa.RecordBatch) -> Prediction:
        assert self._opened is not None
        try:
            return await self._opened.predict(batch)
        except TritonError as error:
            raise error.reworded(self.named(error)) from None

    def take_metrics(self) -> MetricDeltas | None:
        """Take what was counted since the last time; None where nothing was."""
        return self._run(self._take())

    async def _take(self) -> MetricDeltas | None:
        return self._metrics.take()

    def close(self) -> None:
        """End every call under way, close the connections and end the thread."""
        if self._loop.is_closed():
            return
        try:
            self._run(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _end(self) -> None:
        own = asyncio.current_task()
        await cancel_all(task for task in asyncio.all_tasks() if task is not own)
        if self._opened is not None:
            await self._opened.close()

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
