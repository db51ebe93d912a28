"""One request of zeros before the first row, so that the model's first inference is not a row's."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

from pyflink_triton.delivery.request import Delivers, Request
from pyflink_triton.errors import TritonError
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.protocol.kserve_v2 import RequestWriter, read_response


async def warm_up(
    delivery: Delivers,
    writer: RequestWriter,
    signature: ModelSignature,
    seconds: float,
    parameters: Mapping[str, Any] | None = None,
) -> str | None:
    """Send one request of zeros: variable dims 1, BYTES empty, optional tensors left out where there are others.

    Args:
        delivery: What sends it.
        writer: What writes it.
        signature: The model.
        seconds: How long it may take, with all that is done to get an answer.
        parameters: The request's, as of a sequence of its own.

    Returns:
        A warning if it failed; None if it was answered.
    """
    needed = [tensor for tensor in signature.inputs if not tensor.optional] or signature.inputs[:1]
    tensors = [_zeros(tensor, signature.has_batch_axis) for tensor in needed]
    request = Request(writer.write(tensors, parameters), [data for _, _, data in tensors])
    request.deadline = asyncio.get_running_loop().time() + seconds
    try:
        answer = await delivery.send(request)
        read_response(answer.headers, answer.body, {tensor.name: tensor.datatype.name for tensor in signature.outputs})
    except TritonError as error:
        return f"the warm-up request of zeros failed, and the job goes on: {error}"
    return None


def _zeros(tensor: TensorSpec, has_batch_axis: bool) -> tuple[TensorSpec, tuple[int, ...], memoryview]:
    inner = tuple(1 if dim == -1 else dim for dim in tensor.dims)
    shape = (1, *inner) if has_batch_axis else inner
    # An empty BYTES element is a length of zero.
    return tensor, shape, memoryview(bytes(tensor.datatype.itemsize * math.prod(inner)))
