"""A model opened in a task: its client, and the predictor for what was planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyflink_triton import mapping
from pyflink_triton.client import Client
from pyflink_triton.metrics import Metrics
from pyflink_triton.planning import Question, wait_until_ready
from pyflink_triton.predictor import Predictor
from pyflink_triton.signature import check_unchanged, read_planned


@dataclass(frozen=True)
class OpenedModel:
    """What predicts, and the columns it was opened for; close it when the task ends."""

    client: Client
    predictor: Predictor
    columns: mapping.Mapping

    async def close(self) -> None:
        """End every call under way and close the connections."""
        await self.client.close()


async def open_model(asked: Mapping[str, Any], metrics: Metrics) -> OpenedModel:
    """Wait for a model at a job's start and check it once more.

    Args:
        asked: The fields of the bridge protocol's ``open``.
        metrics: Where rows and calls are counted.

    Raises:
        UnavailableError: The model was not ready in time.
        TritonError: What is wrong with it, in one sentence.
    """
    question = Question.parse(asked)
    client = Client(question.options)
    try:
        signature = await wait_until_ready(client, question.options)
        if asked.get("planned") is not None:
            check_unchanged(read_planned(asked["planned"]), signature)
        columns = question.map(signature)
        return OpenedModel(client, Predictor(client, signature, columns, question.options, metrics), columns)
    except BaseException:
        await client.close()
        raise
