"""A model opened in a task: its client, and the predictor for what was planned."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from pyflink_triton._async import await_all
from pyflink_triton.delivery.delivery import Delivery
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.delivery.pace import Pace
from pyflink_triton.delivery.route_deliveries import RouteDeliveries
from pyflink_triton.delivery.signature_guard import SignatureGuard
from pyflink_triton.errors import ContractError, TritonError, sentence
from pyflink_triton.http.streaming_transport import StreamingTransport
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.signature import check_unchanged, read_planned
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.transport import InferenceTransport
from pyflink_triton.runtime.messages import OpenRequest, Task
from pyflink_triton.runtime.operator_limits import rows_in_flight
from pyflink_triton.runtime.planning import DeclaredModel, signature_warnings, wait_until_ready
from pyflink_triton.runtime.predictor import Deliver, Fail, Prediction, Predictor
from pyflink_triton.runtime.request_queue import RowSource
from pyflink_triton.schema.assumed_signature import DeclarationGuard, assume_signature
from pyflink_triton.schema.binding import ColumnBindings
from pyflink_triton.schema.sequence_checks import check_parallelism

_LOG = logging.getLogger("pyflink_triton")
_MANY_REQUESTS = 4


@dataclass(frozen=True)
class OpenedModel:
    """An opened model; close it when the task ends.

    Attributes:
        predictor: Predicts batches.
        columns: The declared columns and their tensors.
        warnings: What the warm-up found, and what was not known when the statement was planned.
        client: Asks the server about the model.
        delivery: Carries the requests; where rows name their models, what makes a delivery for each.
        guard: Knows the signature that the model was opened with; None where rows name their models.
        rows_in_flight: How many rows may be given to it before the first of them is answered.
    """

    predictor: Predictor
    columns: ColumnBindings
    warnings: tuple[str, ...]
    client: ModelClient
    delivery: Delivery | RouteDeliveries
    guard: SignatureGuard | DeclarationGuard | None
    rows_in_flight: int

    async def predict(self, rows: pa.RecordBatch) -> Prediction:
        """Predict a batch; see ``Predictor.predict``."""
        try:
            return await self.predictor.predict(rows)
        except ContractError as error:
            raise self._explained(error) from None

    def submit(self, rows: pa.RecordBatch, deliver: Deliver, fail: Fail, waited: float = 0.0) -> RowSource:
        """Take a batch; see ``Predictor.submit``."""
        return self.predictor.submit(rows, deliver, lambda error: fail(self._explained(error)), waited)

    def is_busy(self) -> bool:
        """Whether many requests are in flight."""
        return self.delivery.in_flight >= _MANY_REQUESTS

    def _explained(self, error: BaseException) -> BaseException:
        """Add that the declaration alone said what the model is, where that may be the reason."""
        if isinstance(error, ContractError) and isinstance(self.guard, DeclarationGuard):
            return error.reworded(self.guard.explain(str(error)))
        return error

    async def close(self) -> None:
        """End every call under way and close the connections."""
        await self.predictor.close()
        await self.delivery.close()
        await self.client.close()


async def open_model(request: OpenRequest, metrics: Metrics) -> OpenedModel:
    """Wait for a model at a job's start and check it once more.

    Args:
        request: What to open; without ``task`` it is the only subtask.
        metrics: Where rows and calls are counted.

    Raises:
        UnavailableError: The model was not ready in time.
        TritonError: What is wrong with it, in one sentence.
    """
    declared = DeclaredModel.parse(request)
    options, task = declared.options, request.get("task", Task())
    if options.has_routes:
        return _open_routes(declared, metrics, task)
    client = ModelClient(options)
    delivery = None
    try:
        warnings: list[str] = []
        guard: SignatureGuard | DeclarationGuard
        try:
            signature = await wait_until_ready(client, options)
            guard = SignatureGuard(client.signature, signature)
        except TritonError as error:
            if not (error.hides and options.trusts_declaration):
                raise
            signature = assume_signature(declared.inputs, declared.outputs, options)
            guard = DeclarationGuard(signature)
            warnings.append(guard.explain(f"the model is not checked before the first row: {error}"))
        planned = request.get("planned")
        if planned is None:
            warnings += signature_warnings(signature, options)
        else:
            check_unchanged(read_planned(planned), signature)
        columns = declared.bind(signature)
        check_parallelism(signature, options, task.get("parallelism", 1))
        endpoints = options.every_endpoint
        if len(endpoints) > 1 and isinstance(guard, SignatureGuard):
            seconds = min(options.timeout, options.plan_check_timeout)
            await await_all([guard.check(base, seconds) for base in endpoints])
        pace = _pace(options, task)
        transport: InferenceTransport = client.transport
        if signature.decoupled:
            options = options.for_streams()
            finish = None if columns.finish is None else columns.outputs[columns.finish].tensor.name
            turn = None if pace is None else pace.turn
            transport = StreamingTransport(client.transport, options, signature, finish, metrics, turn)
        delivery = Delivery(
            options,
            transport,
            metrics,
            guard.check,
            hides_readiness=client.hides_readiness,
            pace=pace,
            tells_time=signature.takes_timeout,
        )
        warn = partial(_warn, declared.model)
        predictor = Predictor(delivery, signature, columns, options, metrics, task.get("subtask", 0), warn)
        await delivery.find_replicas(client.transport.addresses, predictor.forget)
        if options.warmup:
            failed = await predictor.warm_up(options.warmup_timeout)
            warnings += [] if failed is None else [failed]
        rows = rows_in_flight(signature.max_batch_size, columns, options)
        return OpenedModel(predictor, columns, tuple(warnings), client, delivery, guard, rows)
    except BaseException:
        if delivery is not None:
            await delivery.close()
        await client.close()
        raise


def _open_routes(declared: DeclaredModel, metrics: Metrics, task: Task) -> OpenedModel:
    """Open the models that rows name: each of them is looked for, and checked, when a row first names it."""
    options = declared.options
    contract = assume_signature(declared.inputs, declared.outputs, options)
    columns = declared.bind(contract)
    client = ModelClient(options)
    deliveries = RouteDeliveries(options, client.transport, metrics, contract, _pace(options, task))
    warn = partial(_warn, declared.model)
    predictor = Predictor(deliveries, contract, columns, options, metrics, task.get("subtask", 0), warn)
    rows = rows_in_flight(contract.max_batch_size, columns, options)
    return OpenedModel(predictor, columns, (), client, deliveries, None, rows)


def _pace(options: Options, task: Task) -> Pace | None:
    """A subtask's share of what all of them may send."""
    rate = options.max_requests_per_second
    return None if rate is None else Pace(rate / task.get("parallelism", 1))


def _warn(model: str, message: str) -> None:
    """Log a warning; a worker's standard error is its task's log."""
    _LOG.warning("Model '%s': %s", model, sentence(message))
